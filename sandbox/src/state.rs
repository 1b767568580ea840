//! Everything the sandbox knows, behind one lock.
//!
//! All decisions are quick, pure functions over this state, so one lock is enough and makes the
//! order of changes, and with it every id, a function of the order of requests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    account::{Account, Cause},
    clock::Clock,
    faults::Faults,
    ids::Ids,
    inspector::Received,
    log::Log,
    stripe::subscriptions::cycle,
    webhooks::Hooks,
};

/// After so many timers the lock is let go once.
const TIMERS_PER_TURN: usize = 50;

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct State {
    /// What time it is.
    pub(crate) clock: Clock,
    /// By account id.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// The account that inspector routes mean when they name none.
    pub(crate) first_account: String,
    /// Account id by secret key.
    pub(crate) keys: HashMap<String, String>,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// API requests.
    pub(crate) log: Log,
    /// Deliveries.
    pub(crate) hooks: Hooks,
    /// What was posted to the sandbox.
    pub(crate) received: Received,
    /// Ids of requests: apart from those of objects, so that reading changes no object's id.
    pub(crate) request_ids: Ids,
    /// How many timers fired, also those that no longer fitted.
    pub(crate) timers_fired: u64,
    /// Seed of everything.
    pub(crate) seed: u64,
}

/// The state and what its tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// For deliveries.
    pub(crate) client: reqwest::Client,
    /// Every task of the sandbox, so that its end waits for them.
    pub(crate) tasks: TaskTracker,
    /// The end.
    pub(crate) stop: CancellationToken,
}

impl Shared {
    /// Puts the state behind its lock.
    pub(crate) fn new(state: State, client: reqwest::Client, stop: CancellationToken) -> Self {
        Self {
            state: Mutex::new(state),
            client,
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Waits; `false` when the sandbox ends first.
    pub(crate) async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// The state. A panic elsewhere does not end the sandbox: its maps are whole between calls.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock forward by so many seconds, doing everything on the way in its order, and
    /// answers how many timers fired. The lock is let go in between.
    pub(crate) async fn advance(&self, seconds: i64) -> u64 {
        let (target, before) = {
            let mut state = self.lock();
            let target = state.clock.now().saturating_add(seconds);
            (target, state.timers_fired)
        };
        while self.lock().fire_until(target, TIMERS_PER_TURN) > 0 && !self.stop.is_cancelled() {
            tokio::task::yield_now().await;
        }
        let mut state = self.lock();
        state.clock.advance_to(target);
        for account in state.accounts.values_mut() {
            account.enter(target, Cause::default());
            account.forget_old_events();
        }
        state.timers_fired - before
    }
}

impl State {
    /// Does what is due by now.
    pub(crate) fn run_due(&mut self) {
        let now = self.clock.now();
        while self.fire_until(now, TIMERS_PER_TURN) > 0 {}
    }

    /// Fires at most `limit` timers up to a second, the earliest first over all accounts, with the
    /// clock at each timer's second. Answers how many.
    fn fire_until(&mut self, target: i64, limit: usize) -> usize {
        for fired in 0..limit {
            let earliest = self
                .accounts
                .values_mut()
                .filter_map(|account| Some((*account.timers.first_key_value()?.0, account)))
                .min_by_key(|(due, _)| *due);
            let Some(((due, _), account)) = earliest.filter(|((due, _), _)| *due <= target) else {
                return fired;
            };
            if let Some((_, timer)) = account.timers.pop_first() {
                self.timers_fired += 1;
                self.clock.advance_to(due);
                account.enter(due, Cause::default());
                cycle::fire(account, timer, due);
                self.hooks.take_events(account);
            }
        }
        limit
    }
}
