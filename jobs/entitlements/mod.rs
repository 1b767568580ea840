//! What a member may see, and which tier she is in: derived from her subscriptions and grants, never stored by hand.
//!
//! **Facts.** Her subscriptions, as the mirror has them, and her grants ([`grants`]), which are ours.
//!
//! **Entitlements** are a pure function of the facts and the policy ([`policy`]): which product, from when, until when.
//! They do not depend on the time, so it does not matter in which order, how often or how late the facts arrived.
//!
//! **Access** at a moment is a function of the entitlements and that moment ([`access`]). It needs no timer, so it is
//! right to the millisecond, also after a downtime.
//!
//! **State** (status, tier, products; [`state`]) is access written down, so that lists can be filtered by it and
//! changes be told to the outside. It is settled whenever a fact changes ([`derive()`]) and whenever time changes it
//! ([`ApplyChanges`]); each time the state before is compared with the state after, in one transaction.

pub mod access;
mod apply_changes;
pub mod grants;
pub mod model;
pub mod policy;
mod settle;
pub mod state;
#[macro_use]
pub mod store;

#[cfg(test)]
mod tests;

pub use apply_changes::ApplyChanges;
pub use model::{ItemFacts, ProductFacts, SubscriptionFacts};
pub use settle::CLOCK_STEP_MAX;

use crate::{
    kernel::{
        CatchUp, Data, Env, Family, JobDef, Schedule,
        db::{Result, Tx},
        policy::AccessPolicy,
    },
    members::store::Billing,
};

/// This family.
pub const FAMILY: Family = Family {
    name: "entitlements",
    jobs: &[JobDef::of::<ApplyChanges>()],
    schedules: &[Schedule {
        name: "entitlements.apply_changes",
        kind: "entitlements.apply_changes",
        args: "{}",
        cron: "0 * * * * *",
        timezone: "UTC",
        catch_up: CatchUp::One,
    }],
    data: &[Data::Delete("entitlements"), Data::Delete("grants"), Data::Delete("member_churns")],
};

/// The rules of this binary. It grows when the same policy would give other entitlements than before.
const RULES: u32 = 1;

/// The policy as a text that differs when its entitlements may.
pub fn policy_text(policy: &AccessPolicy) -> String {
    format!("rules {RULES}: {policy:?}")
}

/// Brings entitlements, tiers and billing statuses up to date with the subscriptions of members, all of theirs. The
/// caller holds the locks on their rows.
pub async fn derive(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    members: &[(Billing, Vec<SubscriptionFacts>)],
) -> Result<()> {
    let policy = &env.settings.access;
    let ids: Vec<&str> = members.iter().map(|(member, _)| member.id.as_str()).collect();
    let mut present = store::present_of(tx, organization, &ids).await?;
    let (mut changes, mut settled) = (Vec::new(), Vec::new());
    for (before, subscriptions) in members {
        let wanted =
            subscriptions.iter().flat_map(|one| policy::of_subscription(one, policy)).collect();
        let rows = present.remove(&before.id).unwrap_or_default();
        let of_member = model::diff(&rows, wanted);
        settled.push((before, model::changed(rows, &of_member)));
        changes.push((before.id.as_str(), of_member));
    }
    store::apply(tx, env, organization, &changes).await?;
    settle::settle(tx, env, &settled).await?;
    Ok(())
}

/// Works out anew where a member stands who was deleted or restored. The caller holds her lock and has written which.
pub async fn stand_anew(tx: &mut Tx, env: &Env, member: &Billing) -> Result<()> {
    let rows = store::present_of(tx, &member.organization_id, &[&member.id]).await?;
    let rows = rows.into_values().next().unwrap_or_default();
    settle::settle(tx, env, &[(member, rows)]).await?;
    Ok(())
}
