//! What this process owns: every job that it has claimed and whose end is not written yet.
//!
//! A row leaves the table only when its acknowledgement is committed or refused. So whatever the database says we own
//! and the table does not know was claimed by a round whose answer was lost. When the last row of a lease has left, the
//! lease is spent: a later round forgets it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use memberd_jobs::kernel::{Context, queue::lease::Held};
use tokio_util::sync::CancellationToken;

/// A claim: the job's id and the fence.
pub(super) type Claim = (String, i64);

/// Why a run was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Somebody asked to cancel the job.
    Request,
    /// The process ends.
    Shutdown,
    /// Another process owns the job by now.
    LeaseLost,
}

/// The way to stop one run. The first reason is the one that counts.
#[derive(Debug, Default)]
pub(super) struct Leash {
    token: CancellationToken,
    reason: OnceLock<Reason>,
}

impl Leash {
    /// The token that the job sees.
    pub(super) const fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Tells the run to stop; answers whether it is the first to do so.
    pub(super) fn pull(&self, reason: Reason) -> bool {
        let first = self.reason.set(reason).is_ok();
        self.token.cancel();
        first
    }

    /// Why the run was told to stop, if it was.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }
}

#[derive(Debug)]
struct Entry {
    cx: Arc<Context>,
    cover: Arc<Lease>,
    leash: Arc<Leash>,
    /// The run is over; its end waits to be written.
    ended: bool,
}

impl Entry {
    fn claim(&self) -> (&str, i64) {
        (&self.cx.job.id, self.cx.job.fence)
    }

    /// Whether a missing row means a lost lease: not when the run has ended, or has ended its job itself.
    fn needs_row(&self) -> bool {
        !self.ended && !self.cx.completed_itself()
    }
}

/// What covers the jobs of one round. Each of them holds a clone.
#[derive(Debug)]
pub(super) struct Lease(String);

/// The jobs that this process owns.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By where the run's context is: each entry holds its context, so no two are at one place, and a number is found
    /// faster than a text.
    entries: Mutex<HashMap<usize, Entry>>,
    /// Leases that cover nothing any more.
    spent: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(cx: &Arc<Context>) -> usize {
    Arc::as_ptr(cx).addr()
}

impl Lease {
    /// A lease by its id.
    pub(super) fn new(id: String) -> Arc<Self> {
        Arc::new(Self(id))
    }
}

impl Table {
    fn entries(&self) -> MutexGuard<'_, HashMap<usize, Entry>> {
        lock(&self.entries)
    }

    /// A job was claimed under a lease.
    pub(super) fn add(&self, cx: Arc<Context>, leash: Arc<Leash>, cover: Arc<Lease>) {
        let key = key(&cx);
        let entry = Entry {
            cx,
            cover,
            leash,
            ended: false,
        };
        self.entries().insert(key, entry);
    }

    /// Its run is over.
    pub(super) fn end(&self, cx: &Arc<Context>) {
        if let Some(entry) = self.entries().get_mut(&key(cx)) {
            entry.ended = true;
        }
    }

    /// Its end is written, or nobody wants to hear of it.
    pub(super) fn forget(&self, cx: &Arc<Context>) {
        let entry = self.entries().remove(&key(cx));
        // Of two that leave at once one is the last.
        if let Some(lease) = entry.and_then(|entry| Arc::into_inner(entry.cover)) {
            lock(&self.spent).push(lease.0);
        }
    }

    /// Its end cannot be written, or is not ours to write. Its lease stays, so that a renewal finds a job which nobody
    /// here knows.
    pub(super) fn abandon(&self, cx: &Arc<Context>) {
        if let Some(entry) = self.entries().remove(&key(cx)) {
            std::mem::forget(entry.cover);
        }
    }

    /// The leases that are spent, for one round to forget. A round that fails need not give them back: the next renewal
    /// forgets them, too.
    pub(super) fn take_spent(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.spent))
    }

    /// How many jobs are running.
    pub(super) fn running(&self) -> usize {
        let entries = self.entries();
        entries.values().filter(|entry| !entry.ended).count()
    }

    /// The claims of now, for [`Table::compare`].
    pub(super) fn claims(&self) -> Vec<Claim> {
        let entries = self.entries();
        let claims = entries.values().map(Entry::claim);
        claims.map(|(id, fence)| (id.to_owned(), fence)).collect()
    }

    /// Tells every run to stop.
    pub(super) fn stop_all(&self, reason: Reason) {
        for entry in self.entries().values() {
            entry.leash.pull(reason);
        }
    }

    /// Compares what we had before asking (`before`) with what the database then said that we hold. Stops what is no
    /// longer ours and what people want cancelled; answers how many leases were lost, and the claims nobody here knows.
    pub(super) fn compare(&self, before: &[Claim], held: &[Held]) -> (u64, Vec<Claim>) {
        let entries = self.entries();
        let entries: BTreeMap<(&str, i64), &Entry> = entries
            .values()
            .map(|entry| (entry.claim(), entry))
            .collect();
        let held: BTreeMap<(&str, i64), bool> = held
            .iter()
            .map(|held| ((held.id.as_str(), held.fence), held.cancel))
            .collect();
        let mut lost = 0;
        for (id, fence) in before {
            let claim = (id.as_str(), *fence);
            let gone = !held.contains_key(&claim);
            if let Some(entry) = entries.get(&claim).filter(|entry| entry.needs_row())
                && gone
                && entry.leash.pull(Reason::LeaseLost)
            {
                lost += 1;
            }
        }
        let mut unknown = Vec::new();
        for ((id, fence), cancel) in held {
            match entries.get(&(id, fence)) {
                Some(entry) if cancel => {
                    entry.leash.pull(Reason::Request);
                }
                Some(_) => {}
                None => unknown.push((id.to_owned(), fence)),
            }
        }
        (lost, unknown)
    }
}
