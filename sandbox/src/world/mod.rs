//! A living world: tiers with prices, and members in every state a subscription can be in.

pub(crate) mod catalog;
pub(crate) mod members;
mod names;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use self::catalog::Catalog;
use crate::{
    account::{Account, Cause, Kind},
    ids::stream,
    state::{Shared, State},
    stripe::error::ApiError,
};

/// So many members are made before the lock is let go once.
const MEMBERS_PER_TURN: u64 = 50;
/// The most members of one call.
pub(crate) const MAX_MEMBERS: u64 = 200_000;

/// Fills an account; answers what it holds afterwards.
pub(crate) async fn build(
    shared: &Arc<Shared>,
    account: &str,
    seed: u64,
    members: u64,
) -> Result<Value, ApiError> {
    let mut rng = stream(seed, "world");
    let catalog = shared.lock().within(account, Catalog::of)?;
    let mut made = 0;
    while made < members && !shared.stop.is_cancelled() {
        let turn = MEMBERS_PER_TURN.min(members - made);
        shared.lock().within(account, |account| {
            for _ in 0..turn {
                members::member(account, &mut rng, &catalog)?;
            }
            Ok(())
        })?;
        made += turn;
        tokio::task::yield_now().await;
    }
    let mut state = shared.lock();
    state.hooks.send_window();
    let counts = state.within(account, |account| Ok(counts(account)))?;
    Ok(json!({"account": account, "seed": seed, "members": made, "counts": counts}))
}

/// How many objects of each kind an account holds, and subscriptions by status.
pub(crate) fn counts(account: &Account) -> Value {
    let mut counts = BTreeMap::new();
    for kind in Kind::ALL {
        let live = account
            .table(kind)
            .rows()
            .iter()
            .filter(|row| !row.gone)
            .count();
        counts.insert(kind.name(), json!(live));
    }
    let statuses = [
        "active",
        "trialing",
        "past_due",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "paused",
    ];
    let by_status: BTreeMap<&str, usize> = statuses
        .into_iter()
        .map(|status| {
            (
                status,
                account
                    .table(Kind::Subscription)
                    .count_with("status", status),
            )
        })
        .collect();
    counts.insert("subscription_status", json!(by_status));
    json!(counts)
}

impl State {
    /// Changes an account from inside, now, and hands the events to the webhooks.
    pub(crate) fn within<T>(
        &mut self,
        account: &str,
        work: impl FnOnce(&mut Account) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.run_due();
        let now = self.clock.now();
        let account = self
            .accounts
            .get_mut(account)
            .ok_or_else(|| ApiError::no_such(404, "account", account, "account"))?;
        account.enter(now, Cause::default());
        let result = work(account);
        self.hooks.take_events(account);
        result
    }
}
