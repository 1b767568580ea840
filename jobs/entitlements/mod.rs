//! What a member may see, and which tier she is in: derived from her subscriptions, never stored by hand.
//!
//! The entitlements of a member are a pure function of the present state of her subscriptions ([`model::wanted`]),
//! and their ends are Stripe's own times. So it does not matter in which order, how often or how late that state
//! arrived: the same subscriptions give the same rows.

pub mod access;
pub mod model;
pub mod store;

#[cfg(test)]
mod tests;

pub use model::{ItemFacts, ProductFacts, SubscriptionFacts};

use serde_json::json;

use crate::{
    kernel::{
        Data, Env, Family,
        db::{Result, Tx},
        events::{Event, emit},
    },
    members::{self, BillingStatus},
};

/// This family.
pub const FAMILY: Family = Family {
    name: "entitlements",
    jobs: &[],
    schedules: &[],
    data: &[Data::Delete("entitlements")],
};

/// Brings a member's entitlements, tier and billing status up to date with `subscriptions`, all of hers.
/// The caller holds the lock on her row. Answers whether anything changed.
pub async fn derive(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    member: &str,
    before: &members::store::Billing,
    subscriptions: &[SubscriptionFacts],
) -> Result<bool> {
    let now = env.now();
    let wanted: Vec<_> = subscriptions
        .iter()
        .flat_map(|subscription| model::wanted(subscription, env.settings.past_due_grace))
        .collect();
    let present = store::of_member(tx, organization, member).await?;
    let changes = model::diff(&present, wanted);
    let mut differs = !changes.is_empty();
    store::apply(tx, env, organization, member, &changes).await?;

    let status = model::billing_status(subscriptions);
    let tier = model::tier(subscriptions);
    if members::store::set_billing(tx, organization, member, status, tier.as_deref(), now).await? {
        differs = true;
        let data = json!({ "tier_id": tier, "previous_tier_id": before.tier_id, "status": status.as_str() });
        let was = BillingStatus::parse(&before.status).unwrap_or(BillingStatus::None);
        if let Some(kind) = model::transition(was, before.tier_id.as_deref(), status, tier.as_deref()) {
            let event = Event {
                kind,
                organization_id: organization.to_owned(),
                member_id: Some(member.to_owned()),
                data,
            };
            emit(tx, env, &event).await?;
        }
    }
    Ok(differs)
}
