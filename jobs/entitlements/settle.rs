//! Writing down where a member stands, and telling the outside what changed: exactly once for each change, because
//! the state before and the state after are compared in the transaction that writes the new one.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    model::Present,
    state::{State, Transition, state, transition},
    store,
};
use crate::{
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
        events::{Event, emit_many},
    },
    members::{
        BillingStatus,
        store::{Billing, set_billing},
    },
};

/// A clock that steps back by less than this is waited for: what has ended does not begin anew. After a longer step
/// the clock is believed.
pub const CLOCK_STEP_MAX: Duration = Duration::from_mins(5);

/// Works out where members stand by their rows, writes it where it differs from before, and emits what changed. The
/// caller holds the locks on their rows. Answers for how many people see a difference.
pub(super) async fn settle(
    tx: &mut Tx,
    env: &Env,
    members: &[(&Billing, Vec<Present>)],
) -> Result<u64> {
    let (mut written, mut events, mut churned, mut visible) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (before, rows) in members {
        if let Some((after, is, is_visible)) = settled(env.now(), before, rows) {
            visible += u64::from(is_visible);
            written.push((after, is_visible));
            // Of whom is deleted nothing is told but that she lost what she had.
            if before.deleted_at.is_none()
                && let Some((transition, event)) = transition_of(before, &is)
            {
                churned.extend((transition == Transition::Churned).then_some(*before));
                events.push(event);
            }
            events.extend(access_changed(before, &is));
        }
    }
    set_billing(tx, &written).await?;
    store::note_churns(tx, &churned, env.now()).await?;
    emit_many(tx, env, &events).await?;
    Ok(visible)
}

/// Where a member stands by her rows, unless it is written already, and whether people see the difference.
fn settled(clock: Timestamp, before: &Billing, rows: &[Present]) -> Option<(Billing, State, bool)> {
    let evaluated = before.evaluated_at.unwrap_or(clock);
    let stepped_back = evaluated > clock.plus(CLOCK_STEP_MAX);
    let now = if stepped_back { clock } else { clock.max(evaluated) };
    let mut is = state(rows, now);
    if before.deleted_at.is_some() {
        (is.products, is.changes_at) = (BTreeSet::new(), None);
    }
    let after = billing(before, &is, now);
    let is_visible = (&after.status, &after.tier_id, &after.products)
        != (&before.status, &before.tier_id, &before.products);
    let is_new = is_visible
        || stepped_back
        || (after.tier_amount, after.changes_at) != (before.tier_amount, before.changes_at);
    is_new.then_some((after, is, is_visible))
}

fn billing(before: &Billing, is: &State, now: Timestamp) -> Billing {
    Billing {
        status: is.status.as_str().to_owned(),
        tier_id: is.tier_id.clone(),
        tier_amount: Some(is.tier_amount),
        products: Some(json!(is.products).to_string()),
        changes_at: is.changes_at,
        evaluated_at: Some(now),
        ..before.clone()
    }
}

/// What the change of status and tier is for the outside.
fn transition_of(before: &Billing, is: &State) -> Option<(Transition, Event)> {
    let was = BillingStatus::parse(&before.status).unwrap_or(BillingStatus::None);
    let old_tier = before.tier_id.as_deref().map(|tier| (tier, before.tier_amount));
    let transition = transition(was, old_tier, is)?;
    let data = json!({ "tier_id": is.tier_id, "previous_tier_id": before.tier_id,
                       "status": is.status.as_str() });
    let event = event(before, transition.event(), data);
    Some((transition, event))
}

/// What the change of products is for the outside.
fn access_changed(before: &Billing, is: &State) -> Option<Event> {
    let had: BTreeSet<String> = serde_json::from_str(before.products.as_ref()?).unwrap_or_default();
    if had == is.products {
        return None;
    }
    let gained: Vec<_> = is.products.difference(&had).collect();
    let lost: Vec<_> = had.difference(&is.products).collect();
    Some(event(before, "audience.access_changed", json!({ "gained": gained, "lost": lost })))
}

fn event(about: &Billing, kind: &'static str, data: Value) -> Event {
    Event {
        kind,
        organization_id: about.organization_id.clone(),
        member_id: Some(about.id.clone()),
        data,
    }
}
