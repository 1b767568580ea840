//! How well the mirror knows one member: everything that the answer to "why may she not come in?" rests on.

use super::objects::Scope;
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
};

/// Invoices of a member whose events are looked at, the newest.
pub const INVOICES_MAX: i64 = 200;

/// What the mirror knows of one of a member's customers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerSync {
    /// `cus_…`
    pub id: String,
    /// How the customer was linked: metadata, `foreign_key`, email, created or `email_taken`.
    pub link: String,
    /// Stripe's time at which the customer was last known to be true.
    pub as_of: Option<Timestamp>,
    /// Whether Stripe has deleted it.
    pub deleted: bool,
    /// Events about the customer, its subscriptions and invoices that nothing came of yet.
    pub pending_events: i64,
    /// Those of them that failed, unless something newer was learnt since.
    pub failed_events: i64,
    /// Why the last of these failed.
    pub last_error: Option<String>,
    /// Stripe's time at which the oldest of the customer and its living subscriptions was last known to be true.
    pub oldest_as_of: Option<Timestamp>,
}

/// The last event about a member.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LastEvent {
    /// `evt_…`
    pub id: String,
    /// Its type, such as `invoice.paid`.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// `new`, `applied`, `ignored`, `wrong_mode`, `foreign` or `failed`.
    pub state: String,
    /// When it happened at Stripe.
    pub created_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it was acted on.
    pub applied_at: Option<Timestamp>,
}

/// How well the mirror knows a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Her customers at Stripe.
    pub customers: Vec<CustomerSync>,
    /// The last event about them, their subscriptions and invoices.
    pub last_event: Option<LastEvent>,
    /// Type and id of her objects of which a comparison found that Stripe says something else: they are being fetched
    /// without any event's asking for it.
    pub drift: Vec<(String, String)>,
    /// When the last whole reconciliation of the organization ended; `None`: none has.
    pub reconciled_at: Option<Timestamp>,
    /// When Stripe will be asked next without an event's asking for it.
    pub next_check_at: Option<Timestamp>,
}

impl Standing {
    /// Stripe's time at which the oldest of what her access rests on was last known to be true.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.customers.iter().filter_map(|customer| customer.oldest_as_of).min()
    }

    /// Events about her that nothing came of yet.
    pub fn pending_events(&self) -> i64 {
        self.customers.iter().map(|customer| customer.pending_events).sum()
    }

    /// Events about her that failed.
    pub fn failed_events(&self) -> i64 {
        self.customers.iter().map(|customer| customer.failed_events).sum()
    }

    /// Why the last of them failed.
    pub fn last_error(&self) -> Option<&str> {
        self.customers.iter().find_map(|customer| customer.last_error.as_deref())
    }
}

/// One of a member's objects.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct OfMember {
    /// `customer`, `subscription` or `invoice`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The customer that it belongs to.
    pub customer_id: String,
    /// Whether it may give access: a customer, or a subscription that is not over.
    pub counts: bool,
    /// Stripe's time at which it was last known to be true.
    pub as_of: Option<Timestamp>,
}

/// An event that waits, or that failed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct OpenEvent {
    /// Its object.
    pub object_id: String,
    /// When it happened at Stripe.
    pub created_at: Timestamp,
    /// Why it failed.
    pub error: Option<String>,
}

/// How the customers of a member were linked, and whether they are deleted.
#[derive(sqlx::FromRow)]
struct CustomerRow {
    id: String,
    link: String,
    deleted: bool,
    as_of: Option<Timestamp>,
}

macro_rules! as_of {
    ($kind:literal, $id:literal) => {
        concat!(
            "(SELECT o.as_of FROM stripe_objects AS o WHERE o.organization_id = $1 AND o.account = $3
              AND o.livemode = $4 AND o.type = '", $kind, "' AND o.id = ", $id, ")"
        )
    };
}

const CUSTOMERS: Sql = Sql::both(concat!(
    "SELECT c.id, c.link, c.deleted, ",
    as_of!("customer", "c.id"),
    " AS as_of FROM customers AS c WHERE c.organization_id = $1 AND c.member_id = $2 ORDER BY c.id"
));

/// The subscriptions and the newest invoices of customers, by one index each.
macro_rules! objects {
    ($these:literal) => {
        concat!(
            "SELECT 'subscription' AS kind, s.id, s.customer_id,
                NOT s.deleted AND s.status NOT IN ('canceled', 'incomplete_expired') AS counts, ",
            as_of!("subscription", "s.id"), " AS as_of
             FROM subscriptions AS s WHERE s.organization_id = $1 AND s.customer_id ", $these,
            " UNION ALL SELECT * FROM (SELECT 'invoice' AS kind, i.id, i.customer_id, FALSE AS counts, ",
            as_of!("invoice", "i.id"), " AS as_of
             FROM invoices AS i WHERE i.organization_id = $1 AND i.customer_id ", $these,
            " ORDER BY i.created_at DESC LIMIT $5) AS billed"
        )
    };
}
const OBJECTS: Sql = Sql::split(
    objects!("IN (SELECT value FROM json_each($2))"),
    objects!("= ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))"),
);

macro_rules! events {
    ($select:literal, $rest:literal) => {
        Sql::split(
            concat!(
                "SELECT ", $select, " FROM stripe_events WHERE organization_id = $1
                 AND object_id IN (SELECT value FROM json_each($2)) ", $rest
            ),
            concat!(
                "SELECT ", $select, " FROM stripe_events WHERE organization_id = $1
                 AND object_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb))) ", $rest
            ),
        )
    };
}
const WAITING: Sql = events!("object_id, created_at, error", "AND state = 'new' ORDER BY received_at, id");
const FAILED: Sql = events!("object_id, created_at, error", "AND state = 'failed' ORDER BY received_at, id");
const LAST: Sql = events!(
    "id, type, state, created_at, received_at, applied_at",
    "ORDER BY received_at DESC, id DESC LIMIT 1"
);

/// What the mirror holds of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Her customers, without what is known of events.
    pub customers: Vec<CustomerSync>,
    /// Her objects; of invoices the newest [`INVOICES_MAX`].
    pub objects: Vec<OfMember>,
}

/// Reads what the mirror holds of a member.
pub async fn held(db: &Db, scope: &Scope<'_>, member: &str) -> Result<Held> {
    let (account, livemode) = (&scope.stripe.account, scope.stripe.livemode);
    let rows: Vec<CustomerRow> =
        db.all(CUSTOMERS, args![scope.organization, member, account, livemode]).await?;
    if rows.is_empty() {
        return Ok(Held::default());
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let row = args![scope.organization, array(&ids), account, livemode, INVOICES_MAX];
    let mut objects: Vec<OfMember> = db.all(OBJECTS, row).await?;
    objects.extend(rows.iter().map(|row| OfMember {
        kind: "customer".to_owned(),
        id: row.id.clone(),
        customer_id: row.id.clone(),
        counts: true,
        as_of: row.as_of,
    }));
    let customers = rows.into_iter().map(|row| CustomerSync {
        id: row.id,
        link: row.link,
        deleted: row.deleted,
        as_of: row.as_of,
        ..CustomerSync::default()
    });
    Ok(Held { customers: customers.collect(), objects })
}

/// Events about objects that wait, and those that failed.
pub async fn open_events(
    db: &Db,
    organization: &str,
    ids: &[&str],
) -> Result<(Vec<OpenEvent>, Vec<OpenEvent>)> {
    let ids = array(ids);
    let waiting = db.all(WAITING, args![organization, &ids]).await?;
    Ok((waiting, db.all(FAILED, args![organization, &ids]).await?))
}

/// The last event about any of the objects.
pub async fn last_event(db: &Db, organization: &str, ids: &[&str]) -> Result<Option<LastEvent>> {
    db.optional(LAST, args![organization, array(ids)]).await
}

fn array(ids: &[&str]) -> String {
    serde_json::Value::from(ids).to_string()
}
