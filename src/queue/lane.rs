//! The loop of one lane: in one transaction it writes how runs ended and claims what the free slots can take.
//!
//! While one round is under way another may start, once enough runs have ended to be worth it, so that the database
//! and the runs do not wait for each other.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use memberd_jobs::kernel::{
    Context, Env,
    db::{Db, Error, Woken},
    limits::ROUND_JOBS_MAX,
    queue::{Claimed, Queue, ack::Settled, claim::Position, round::Done},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Process,
    backend::{Envelope, Jobs},
    flight::{self, Flight, Landed, Order},
    metrics,
    outage::{Backoff, Outage},
    slot::{Ended, Slot},
    table::{Lease, Leash, Table},
};

/// Pause between two looks when nobody rings: how late a job may start whose time comes by the clock, and how late one
/// is seen that another process enqueued on SQLite.
const POLL_PAUSE: Duration = Duration::from_secs(1);
/// Share of the pause that is random, so that the lanes do not all look at the same moment.
const POLL_JITTER: f64 = 0.1;
/// How long a busy lane goes on where it claimed last before it looks for more urgent jobs again: claims walk over what
/// PostgreSQL has not cleaned up yet, which is everything that was claimed since the last vacuum.
const HEAD_PAUSE: Duration = Duration::from_millis(50);
/// Rounds under way at once. Two keep the database busy; more would only make them smaller.
const FLIGHTS_MAX: usize = 2;
/// A second round starts when this share of the slots, one in so many, has ended meanwhile.
const SECOND_FLIGHT_SHARE: usize = 4;

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    env: Env,
    /// For the rounds.
    db: Db,
    queue: Queue,
    owner: String,
    lease: Duration,
    slots: usize,
    /// Slots that are taken by runs.
    busy: usize,
    /// Slots that are kept for what the rounds under way claim.
    kept: usize,
    /// Whether the last round found as many jobs as it wanted, so that more may be waiting.
    more: bool,
    /// Ends that are not written yet, oldest first.
    ends: Vec<Ended>,
    /// So many of the oldest ends go alone: the database refused them together.
    singly: usize,
    /// Rounds under way.
    pub(super) flights: FuturesUnordered<Flight>,
    /// No round starts before, because one has failed; those under way go on meanwhile.
    pub(super) resume_at: Option<Instant>,
    /// The last job that was claimed.
    after: Option<Position>,
    /// When a round last looked for jobs from the first one on.
    head_at: Instant,
    /// When to look at the database although nobody asks for it.
    look_at: Instant,
    inbox: mpsc::UnboundedReceiver<Ended>,
    /// Cloned for each slot.
    outbox: mpsc::UnboundedSender<Ended>,
    jobs: Jobs,
    table: Arc<Table>,
    outage: Arc<Outage>,
    pub(super) backoff: Backoff,
    stop: CancellationToken,
    give_up: CancellationToken,
}

impl Lane {
    /// A lane that puts what it claims into `jobs`, claims nothing after `stop`, and ends when all has ended, or at
    /// `give_up`.
    pub(super) fn new(
        process: &Process,
        queue: Queue,
        slots: usize,
        jobs: Jobs,
        stop: CancellationToken,
        give_up: CancellationToken,
    ) -> Self {
        let (outbox, inbox) = mpsc::unbounded_channel();
        Self {
            env: process.env.clone(),
            db: process.options.lane_db.clone(),
            queue,
            owner: process.options.node.id.clone(),
            lease: process.options.lease,
            slots,
            busy: 0,
            kept: 0,
            more: true,
            ends: Vec::new(),
            singly: 0,
            flights: FuturesUnordered::new(),
            resume_at: None,
            after: None,
            head_at: Instant::now(),
            look_at: Instant::now(),
            inbox,
            outbox,
            jobs,
            table: Arc::clone(&process.table),
            outage: Arc::clone(&process.outage),
            backoff: Backoff::default(),
            stop,
            give_up,
        }
    }

    /// Runs until the stop, and on until the last end is written.
    pub(super) async fn run(mut self) {
        while !self.give_up.is_cancelled() {
            while let Ok(ended) = self.inbox.try_recv() {
                self.free(ended);
            }
            if self.is_over() {
                return;
            }
            if self.is_worth_a_round() {
                self.launch(false);
            }
            self.wait().await;
        }
        let lost = self.ends.len() + self.busy;
        if lost > 0 || !self.flights.is_empty() {
            let (queue, rounds) = (self.queue.as_str(), self.flights.len());
            tracing::error!(
                queue,
                lost,
                rounds,
                "ended without the database: these jobs run again when their leases expire"
            );
        }
    }

    fn is_draining(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn is_over(&self) -> bool {
        self.is_draining() && self.busy == 0 && self.ends.is_empty() && self.flights.is_empty()
    }

    /// Whether there is enough to do for a round now.
    fn is_worth_a_round(&self) -> bool {
        if self.resume_at.is_some() {
            return false;
        }
        match self.flights.len() {
            0 => {
                let hungry = self.more && self.free_slots() > 0 && !self.is_draining();
                hungry || !self.ends.is_empty()
            }
            under_way if under_way < FLIGHTS_MAX => {
                self.ends.len() > self.slots / SECOND_FLIGHT_SHARE
            }
            _ => false,
        }
    }

    fn launch(&mut self, by_clock: bool) {
        let alone = self.singly > 0;
        self.singly = self.singly.saturating_sub(1);
        let most = if alone { 1 } else { ROUND_JOBS_MAX };
        let ends = self.ends.drain(..self.ends.len().min(most));
        let ends: Vec<Ended> = ends.collect();
        let free = (!alone && !self.is_draining()).then(|| self.free_slots().min(ROUND_JOBS_MAX));
        if self.head_at.elapsed() >= HEAD_PAUSE {
            self.after = None;
        }
        if self.after.is_none() {
            self.head_at = Instant::now();
        }
        let order = Order {
            after: self.after.clone(),
            db: self.db.clone(),
            queue: self.queue,
            owner: self.owner.clone(),
            lease_id: self.env.id("lease"),
            lease: self.lease,
            spent: self.table.take_spent(),
            now: self.env.now(),
            free,
            busy: self.busy + self.kept,
            by_clock,
            ends,
        };
        self.kept += free.unwrap_or(0);
        self.look_at = Instant::now() + self.poll_pause();
        self.flights.push(flight::launch(order));
    }

    /// Waits for whatever comes first.
    pub(super) async fn wait(&mut self) {
        let draining = self.is_draining();
        let resume_at = self.resume_at;
        let waiting = self.flights.is_empty() && resume_at.is_none();
        let patience = self.look_at.saturating_duration_since(Instant::now());
        tokio::select! {
            Some(landed) = self.flights.next() => self.land(landed),
            Some(ended) = self.inbox.recv() => self.free(ended),
            woken = self.env.db.wakes().wait(self.queue, patience), if waiting && !draining => {
                match woken {
                    // Work that arrives while every slot is taken is found when one is free again.
                    Woken::Rung => self.more = true,
                    Woken::Elapsed => self.launch(true),
                }
            }
            () = resume(resume_at), if resume_at.is_some() => self.resume_at = None,
            () = self.stop.cancelled(), if !draining => {}
            () = self.give_up.cancelled() => {}
        }
    }

    fn poll_pause(&self) -> Duration {
        POLL_PAUSE.mul_f64(1.0 - POLL_JITTER + 2.0 * POLL_JITTER * self.env.chance.fraction())
    }

    const fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.busy + self.kept)
    }

    /// A run has ended, so its slot is free and its end is to be written.
    fn free(&mut self, ended: Ended) {
        self.busy = self.busy.saturating_sub(1);
        if ended.is_to_be_written() {
            self.table.end(&ended.cx);
            self.ends.push(ended);
        } else {
            if ended.is_written() {
                self.table.forget(&ended.cx);
            } else {
                // Whether another process really owns it is for the renewal to see.
                self.table.abandon(&ended.cx);
            }
            // It has freed a slot, and perhaps a key that others wait for.
            self.more = true;
        }
    }

    /// A round is back.
    fn land(&mut self, landed: Landed) {
        self.kept -= landed.kept;
        match landed.done {
            Ok(done) => {
                self.backoff.reset();
                self.outage.over(self.queue.as_str());
                let Done {
                    settled,
                    moved,
                    round,
                } = done.unwrap_or_default();
                self.written(landed.ends, settled, &moved);
                // A round without a free slot has not looked.
                if landed.kept > 0 {
                    // One that did not look everywhere knows only of more.
                    self.more = round.more || !landed.from_head;
                    let last = round.jobs.last().map(Claimed::position);
                    self.after = match (round.more, landed.from_head) {
                        (false, _) => None,
                        (true, true) => last,
                        (true, false) => last.max(self.after.take()),
                    };
                }
                let cover = Lease::new(landed.lease_id);
                for job in round.jobs {
                    self.start(job, Arc::clone(&cover));
                }
            }
            Err(error) => self.failed(landed.ends, landed.kept == 0, &error),
        }
    }

    /// The ends are written, or refused because other processes own the jobs.
    fn written(&mut self, ends: Vec<Ended>, settled: Settled, moved: &BTreeSet<String>) {
        metrics::stale(settled.stale);
        for mut ended in ends {
            if moved.contains(&ended.cx.job.id) {
                ended.moved = true;
                self.ends.push(ended);
            } else {
                self.table.forget(&ended.cx);
            }
        }
    }

    fn start(&mut self, job: Claimed, cover: Arc<Lease>) {
        let leash = Arc::new(Leash::default());
        let cx = Context::new(self.env.clone(), job, leash.token().clone());
        let cx = Arc::new(cx);
        self.table.add(Arc::clone(&cx), Arc::clone(&leash), cover);
        self.busy += 1;
        let slot = Slot::new(Arc::clone(&cx), self.outbox.clone());
        // A worker that is gone drops the envelope, and the slot gives the job back.
        let _ = self.jobs.send(Envelope { cx, leash, slot });
    }

    /// Nothing is lost: the ends stay here, and what a lost answer claimed is found by the leases. Of ends that the
    /// database refuses together each goes alone (`without_claim`), so that one which cannot be written does not hold
    /// up the others for ever. It is dropped: its job comes back as one that nobody here knows.
    fn failed(&mut self, ends: Vec<Ended>, without_claim: bool, error: &Error) {
        self.more = true;
        if is_lasting(error)
            && without_claim
            && let [ended] = ends.as_slice()
        {
            tracing::error!(job.id = ended.cx.job.id, %error, "the end of a job cannot be written");
            self.table.abandon(&ended.cx);
            return;
        }
        if is_lasting(error) && !ends.is_empty() {
            let queue = self.queue.as_str();
            tracing::warn!(queue, ends = ends.len(), %error, "a round was refused: its ends are written one by one");
            self.singly += ends.len();
        } else {
            self.outage.met(self.queue.as_str(), error);
            self.resume_at = Some(Instant::now() + self.backoff.next(&self.env.chance));
        }
        self.ends.splice(..0, ends);
    }
}

async fn resume(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// Whether the same statements would fail again.
const fn is_lasting(error: &Error) -> bool {
    !matches!(error, Error::Busy(_) | Error::Unavailable(_))
}
