//! What happened, told to the outside: a row in the transaction of the change itself, and with it a row for each
//! endpoint of the organization that wants to hear of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    context::Env,
    db::{Result, Row, Sql, Tx},
    outbox::NewJob,
};
use crate::args;

/// Something that happened to a member or an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its type, such as `audience.member_joined`; one of `webhooks_out::EVENT_TYPES`.
    pub kind: &'static str,
    /// The organization.
    pub organization_id: String,
    /// The member, if it is about one. Whoever tells of a member holds the lock on her row, which numbers her events.
    pub member_id: Option<String>,
    /// Ids and figures; never an address or a name.
    pub data: Value,
}

/// The job that sends to an endpoint what is due; how, stands in the family `webhooks_out`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverDue {
    /// `whe_…`
    pub endpoint_id: String,
}

/// The event's number is one more than the newest of its member has, and `$7` counts those of her in one batch; NULL where there is none. Answers
/// with each event the endpoints that want it, so that where there are none it is all that happens.
const INSERT: Sql = Sql::both(
    "INSERT INTO events (id, organization_id, type, member_id, data, occurred_at, sequence)
     VALUES ($1, $2, $3, $4, $5, $6,
         $7 + coalesce((SELECT max(e.sequence) FROM events AS e WHERE e.member_id = $4), 0))
     RETURNING id, (SELECT string_agg(w.id, ' ') FROM webhook_endpoints AS w
         WHERE w.organization_id = events.organization_id AND w.disabled_at IS NULL
           AND (w.event_types IS NULL OR replace(w.event_types, ' ' || events.type || ' ', '') <> w.event_types))",
);
const DELIVER: Sql = Sql::both(
    "INSERT INTO webhook_deliveries (id, organization_id, endpoint_id, event_id, type, state, due_at, created_at)
     VALUES ($1, $2, $3, $4, $5, 'pending', $6, $6)",
);

/// Records the event; it exists if and only if `tx` commits.
pub async fn emit(tx: &mut Tx, env: &Env, event: &Event) -> Result<()> {
    emit_many(tx, env, std::slice::from_ref(event)).await
}

/// Records many events at once, in their order.
pub async fn emit_many(tx: &mut Tx, env: &Env, events: &[Event]) -> Result<()> {
    let (new, wanted) = record(tx, env, events).await?;
    let mut deliveries = Vec::new();
    for (id, endpoints) in &wanted {
        let Some(event) = new.get(id) else { continue };
        for endpoint in endpoints.iter().flat_map(|ids| ids.split(' ')) {
            deliveries.push((env.id("whd"), endpoint, id.as_str(), *event));
        }
    }
    deliver(tx, env, &deliveries).await
}

/// Records an event of which only this endpoint hears; answers the delivery's id.
pub async fn emit_to(tx: &mut Tx, env: &Env, event: &Event, endpoint: &str) -> Result<String> {
    let (new, _) = record(tx, env, std::slice::from_ref(event)).await?;
    let delivery = env.id("whd");
    let only = |(id, event)| (delivery.clone(), endpoint, id, event);
    let deliveries: Vec<_> = new
        .iter()
        .map(|(id, event)| only((id.as_str(), *event)))
        .collect();
    deliver(tx, env, &deliveries).await?;
    Ok(delivery)
}

/// The events by their new ids, and for each id the endpoints that want it.
type Recorded<'a> = (BTreeMap<String, &'a Event>, Vec<(String, Option<String>)>);

async fn record<'a>(tx: &mut Tx, env: &Env, events: &'a [Event]) -> Result<Recorded<'a>> {
    let now = env.now();
    let new: BTreeMap<_, _> = events.iter().map(|event| (env.id("evt"), event)).collect();
    let mut of_member: BTreeMap<&str, i64> = BTreeMap::new();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(new.len());
    for (id, event) in &new {
        let nth = event.member_id.as_deref().map(|member| {
            let nth = of_member.entry(member).or_default();
            *nth += 1;
            *nth
        });
        let data = event.data.to_string();
        let (organization, member) = (&event.organization_id, &event.member_id);
        rows.push(args![id, organization, event.kind, member, data, now, nth].to_vec());
    }
    let wanted = tx.insert_returning(INSERT, &rows).await?;
    Ok((new, wanted))
}

/// Deliveries to be made: their ids, with endpoint, id of the event, and event.
async fn deliver(
    tx: &mut Tx,
    env: &Env,
    deliveries: &[(String, &str, &str, &Event)],
) -> Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let now = env.now();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(deliveries.len());
    for (id, endpoint, event_id, event) in deliveries {
        rows.push(
            args![
                id,
                &event.organization_id,
                *endpoint,
                *event_id,
                event.kind,
                now
            ]
            .to_vec(),
        );
    }
    tx.insert(DELIVER, &rows).await?;
    let woken: BTreeSet<_> = deliveries
        .iter()
        .map(|(_, endpoint, _, event)| (*endpoint, &event.organization_id))
        .collect();
    for (endpoint, organization) in woken {
        wake(tx, env, organization, endpoint)?;
    }
    Ok(())
}

/// Makes the endpoint's job look for what is due when `tx` commits.
pub fn wake(tx: &mut Tx, env: &Env, organization: &str, endpoint: &str) -> Result<()> {
    let job = DeliverDue {
        endpoint_id: endpoint.to_owned(),
    };
    tx.enqueue_last(env, NewJob::of(organization, &job)?);
    Ok(())
}
