//! Calls that are written behind: many in one statement, a moment after their answers. A process that is killed loses those
//! of that moment.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use memberd_jobs::access::activity::{self, Call};

use crate::api::{
    ApiState,
    limits::{
        ACTIVITY_BATCH_MAX, ACTIVITY_HELD_MAX, ACTIVITY_LAST_TRIES, ACTIVITY_PAUSE,
        ACTIVITY_REFUSED_MAX, ACTIVITY_REFUSED_WINDOW, ACTIVITY_RETRY_PAUSE,
    },
};

/// The calls that are still to be written.
#[derive(Debug, Default)]
pub(in crate::api) struct Behind(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// By id: what is known of a call last takes the place of what was known before.
    calls: BTreeMap<String, Call>,
    /// Calls of a key to a route that were refused for coming too often share the row of the first within a minute.
    refused: HashMap<Kind, Call>,
    /// Whether a task is writing.
    writing: bool,
}

/// Key, method and route.
type Kind = (String, String, String);

impl Held {
    fn hold(&mut self, call: Call) {
        if self.calls.len() >= ACTIVITY_HELD_MAX && !self.calls.contains_key(&call.id) {
            lost(Lost::Held, 1);
            return;
        }
        self.calls.insert(call.id.clone(), call);
    }

    /// Counts a refused call, and answers the row that stands for it; `None`: there are too many sorts of them.
    fn count(&mut self, call: Call) -> Option<Call> {
        let now = call.created_at;
        let young = |first: &Call| now.since(first.created_at) < ACTIVITY_REFUSED_WINDOW;
        let kind = (call.key_id.clone(), call.method.clone(), call.route.clone());
        if let Some(first) = self.refused.get_mut(&kind).filter(|first| young(first)) {
            first.calls += 1;
            return Some(first.clone());
        }
        if self.refused.len() >= ACTIVITY_REFUSED_MAX {
            self.refused.retain(|_, first| young(first));
        }
        if self.refused.len() >= ACTIVITY_REFUSED_MAX {
            return None;
        }
        self.refused.insert(kind, call.clone());
        Some(call)
    }

    /// The next to be written, the oldest first.
    fn take(&mut self) -> Vec<Call> {
        let rest = self.calls.keys().nth(ACTIVITY_BATCH_MAX).cloned();
        let rest = rest.map(|first| self.calls.split_off(&first));
        std::mem::replace(&mut self.calls, rest.unwrap_or_default())
            .into_values()
            .collect()
    }
}

/// Why calls are in no row.
#[derive(Clone, Copy)]
enum Lost {
    /// As many wait as may.
    Held,
    /// There are too many sorts of refused ones.
    Refused,
    /// The process stops, and the database takes none.
    Stop,
}

fn lost(why: Lost, calls: usize) {
    let reason = match why {
        Lost::Held => "held",
        Lost::Refused => "refused",
        Lost::Stop => "stop",
    };
    let calls = u64::try_from(calls).unwrap_or(u64::MAX);
    metrics::counter!("memberd_activity_lost_total", "reason" => reason).increment(calls);
}

impl Behind {
    /// Hands in a call, to be written soon.
    pub(in crate::api) fn note(self: &Arc<Self>, state: &ApiState, call: Call) {
        self.with(state, |held| held.hold(call));
    }

    /// Hands in a call that was refused for coming too often. A flood of them is one row a minute for each key and route.
    pub(in crate::api) fn refuse(self: &Arc<Self>, state: &ApiState, call: Call, status: u16) {
        let call = Call {
            status: Some(status.into()),
            milliseconds: Some(0),
            ..call
        };
        self.with(state, |held| match held.count(call) {
            Some(call) => held.hold(call),
            None => lost(Lost::Refused, 1),
        });
    }

    /// Changes what is held, and sees to it that somebody writes it.
    fn with(self: &Arc<Self>, state: &ApiState, change: impl FnOnce(&mut Held)) {
        let mut held = self.lock();
        change(&mut held);
        if !held.writing && !held.calls.is_empty() {
            held.writing = true;
            let (behind, state) = (Arc::clone(self), state.clone());
            // Shutdown waits for it.
            let tasks = state.tasks.clone();
            tasks.spawn(async move { behind.write(&state).await });
        }
    }

    /// Writes until nothing is left.
    async fn write(&self, state: &ApiState) {
        let (mut pause, mut last_tries) = (ACTIVITY_PAUSE, 0);
        loop {
            tokio::time::sleep(pause).await;
            let calls = {
                let mut held = self.lock();
                held.writing = !held.calls.is_empty();
                held.take()
            };
            if calls.is_empty() {
                return;
            }
            let full = calls.len() >= ACTIVITY_BATCH_MAX;
            pause = match activity::write(&state.env.db, &calls).await {
                Ok(()) if full => std::time::Duration::ZERO,
                Ok(()) => ACTIVITY_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, calls = calls.len(), "calls could not be written into the activity log yet");
                    self.give_back(calls);
                    last_tries += u32::from(state.tasks.is_closed());
                    if last_tries >= ACTIVITY_LAST_TRIES {
                        self.give_up();
                        return;
                    }
                    ACTIVITY_RETRY_PAUSE
                }
            };
        }
    }

    /// Loses what could not be written before the end of the process. What changed something keeps its row without a status.
    fn give_up(&self) {
        let calls = std::mem::take(&mut *self.lock()).calls.len();
        tracing::error!(
            calls,
            "calls were not written into the activity log before the stop: the database took none"
        );
        lost(Lost::Stop, calls);
    }

    /// Takes calls that could not be written, unless more is known of them by now.
    fn give_back(&self, calls: Vec<Call>) {
        let mut held = self.lock();
        for call in calls {
            if !held.calls.contains_key(&call.id) {
                held.hold(call);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
