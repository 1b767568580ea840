//! The loop of one lane: in one transaction it writes how runs ended and claims what the free slots can take.

use std::{sync::Arc, time::Duration};

use memberd_jobs::kernel::{
    Context, Env,
    db::{Error, Result, Woken},
    limits::ROUND_JOBS_MAX,
    queue::{
        Ack, Claimed, Outcome, Queue,
        ack::{self, Settled},
        claim::{self, Claim, Round},
    },
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Process,
    backend::{Envelope, Jobs},
    metrics,
    outage::{Backoff, Outage, took_too_long},
    table::{Leash, Table},
};

/// Pause between two looks when nobody rings: how late a job may start whose time comes by the clock, and how late one
/// is seen that another process enqueued on SQLite.
const POLL_PAUSE: Duration = Duration::from_secs(1);
/// Share of the pause that is random, so that the lanes do not all look at the same moment.
const POLL_JITTER: f64 = 0.1;
/// Longest round. A connection that hangs for longer is given up; what it did shows in the next round.
const ROUND_PATIENCE: Duration = Duration::from_secs(30);

/// The end of one run, on its way from the run to the lane.
#[derive(Debug)]
pub(super) struct Ended {
    cx: Arc<Context>,
    /// `None`: nobody would listen, another process owns the job.
    outcome: Option<Outcome>,
}

/// One slot of a lane, taken by one run. A slot that is dropped without a word gives its job back.
#[derive(Debug)]
pub(super) struct Slot {
    cx: Arc<Context>,
    lane: mpsc::UnboundedSender<Ended>,
    told: bool,
}

impl Slot {
    /// Frees the slot and tells the lane how the run ended.
    pub(super) fn end(mut self, outcome: Option<Outcome>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Option<Outcome>) {
        self.told = true;
        let cx = Arc::clone(&self.cx);
        // A lane that is gone has been given up at a shutdown; the lease brings the job back.
        let _ = self.lane.send(Ended { cx, outcome });
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Some(Outcome::GivenBack));
        }
    }
}

/// Why the lane looks at the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Runs ended, work arrived or the time is up.
    Look,
    /// The process gives up: nothing can be written any more.
    GiveUp,
}

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    env: Env,
    queue: Queue,
    owner: String,
    lease: Duration,
    slots: usize,
    /// Slots that are taken.
    busy: usize,
    /// Whether the last round found as many jobs as it wanted, so that more may be waiting.
    more: bool,
    /// Ends that are not written yet, oldest first.
    ends: Vec<Ended>,
    inbox: mpsc::UnboundedReceiver<Ended>,
    /// Cloned for each slot.
    outbox: mpsc::UnboundedSender<Ended>,
    jobs: Jobs,
    table: Arc<Table>,
    outage: Arc<Outage>,
    backoff: Backoff,
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
            queue,
            owner: process.options.node.id.clone(),
            lease: process.options.lease,
            slots,
            busy: 0,
            more: true,
            ends: Vec::new(),
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
        while self.wait().await == Cause::Look {
            while let Ok(ended) = self.inbox.try_recv() {
                self.free(ended);
            }
            if self.stop.is_cancelled() && self.busy == 0 && self.ends.is_empty() {
                return;
            }
            match self.look().await {
                Ok(Some((settled, round))) => self.done(settled, round),
                Ok(None) => self.works(),
                Err(error) => self.failed(&error).await,
            }
        }
        let lost = self.ends.len() + self.busy;
        if lost > 0 {
            let queue = self.queue.as_str();
            tracing::error!(
                queue,
                lost,
                "ended without the database: these jobs run again when their leases expire"
            );
        }
    }

    /// Waits until there is a reason to ask the database.
    async fn wait(&mut self) -> Cause {
        if self.give_up.is_cancelled() {
            return Cause::GiveUp;
        }
        let draining = self.stop.is_cancelled();
        let hungry = self.more && self.free_slots() > 0 && !draining;
        if hungry || !self.ends.is_empty() || (draining && self.busy == 0) {
            return Cause::Look;
        }
        let look_at = Instant::now() + self.poll_pause();
        loop {
            let patience = look_at.saturating_duration_since(Instant::now());
            tokio::select! {
                Some(ended) = self.inbox.recv() => self.free(ended),
                woken = self.env.db.wakes().wait(self.queue, patience), if !draining => {
                    // Work that arrives while every slot is taken is found when one is free again.
                    if woken == Woken::Rung && self.free_slots() == 0 {
                        continue;
                    }
                }
                () = self.stop.cancelled(), if !draining => {}
                () = self.give_up.cancelled() => return Cause::GiveUp,
            }
            return Cause::Look;
        }
    }

    fn poll_pause(&self) -> Duration {
        POLL_PAUSE.mul_f64(1.0 - POLL_JITTER + 2.0 * POLL_JITTER * self.env.chance.fraction())
    }

    const fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.busy)
    }

    /// A run has ended, so its slot is free and its end is to be written.
    fn free(&mut self, ended: Ended) {
        self.busy = self.busy.saturating_sub(1);
        let claim = claim_of(&ended.cx);
        if ended.outcome.is_some() {
            self.table.end(&claim);
            self.ends.push(ended);
        } else {
            self.table.forget(&claim);
        }
    }

    /// A round, unless there is nothing to do: an idle lane only reads.
    async fn look(&self) -> Result<Option<(Settled, Round)>> {
        let db = &self.env.db;
        let work = async {
            if self.ends.is_empty() && !claim::any_due(db, self.queue, self.env.now()).await? {
                return Ok(None);
            }
            metrics::round(self.queue);
            self.round().await.map(Some)
        };
        tokio::time::timeout(ROUND_PATIENCE, work)
            .await
            .unwrap_or_else(|_| Err(took_too_long(ROUND_PATIENCE)))
    }

    async fn round(&self) -> Result<(Settled, Round)> {
        let mut tx = self.env.db.begin().await?;
        let acks = acks(&self.ends);
        let settled = if acks.is_empty() {
            Settled::default()
        } else {
            ack::settle(&mut tx, self.env.now(), &acks).await?
        };
        let round = if self.stop.is_cancelled() {
            Round::default()
        } else {
            claim::claim(&mut tx, &self.claim()).await?
        };
        tx.commit().await?;
        Ok((settled, round))
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            queue: self.queue,
            owner: &self.owner,
            lease: self.lease,
            free: i64::try_from(self.free_slots()).unwrap_or(i64::MAX),
            busy: i64::try_from(self.busy).unwrap_or(i64::MAX),
            now: self.env.now(),
        }
    }

    /// The database answers.
    fn works(&mut self) {
        self.more = false;
        self.backoff.reset();
        self.outage.over(self.queue.as_str());
    }

    fn done(&mut self, settled: Settled, round: Round) {
        self.works();
        let written = self.ends.len().min(ROUND_JOBS_MAX);
        let ends = self.ends.drain(..written).collect::<Vec<_>>();
        settle_table(&self.table, &ends, settled);
        self.more = round.more;
        for job in round.jobs {
            self.start(job);
        }
    }

    fn start(&mut self, job: Claimed) {
        let leash = Arc::new(Leash::default());
        let cx = Context::new(self.env.clone(), job, leash.token().clone());
        let cx = Arc::new(cx);
        self.table.add(Arc::clone(&cx), Arc::clone(&leash));
        self.busy += 1;
        let slot = Slot {
            cx: Arc::clone(&cx),
            lane: self.outbox.clone(),
            told: false,
        };
        // A worker that is gone drops the envelope, and the slot gives the job back.
        let _ = self.jobs.send(Envelope { cx, leash, slot });
    }

    /// Nothing is lost: the ends stay here, and what a lost answer claimed is found by the leases.
    async fn failed(&mut self, error: &Error) {
        self.more = true;
        if is_lasting(error) && !self.ends.is_empty() {
            self.settle_singly().await;
            return;
        }
        self.outage.met(self.queue.as_str(), error);
        let pause = self.backoff.next(&self.env.chance);
        self.give_up
            .run_until_cancelled(tokio::time::sleep(pause))
            .await;
    }

    /// Writes the ends one by one after the database refused them together, so that one that cannot be written does
    /// not hold up the others for ever. It is dropped: its job comes back as one that nobody here knows.
    async fn settle_singly(&mut self) {
        while let Some(ended) = self.ends.pop() {
            let acks = acks(std::slice::from_ref(&ended));
            let written = async {
                let mut tx = self.env.db.begin().await?;
                let settled = ack::settle(&mut tx, self.env.now(), &acks).await?;
                tx.commit().await?;
                Ok(settled)
            };
            match written.await {
                Ok(settled) => settle_table(&self.table, &[ended], settled),
                Err(error) if is_lasting(&error) => {
                    tracing::error!(job.id = ended.cx.job.id, %error, "the end of a job cannot be written");
                    self.table.forget(&claim_of(&ended.cx));
                }
                Err(error) => {
                    self.outage.met(self.queue.as_str(), &error);
                    self.ends.push(ended);
                    return;
                }
            }
        }
    }
}

/// The acknowledgements of one round.
fn acks(ends: &[Ended]) -> Vec<Ack> {
    let ends = ends.iter().take(ROUND_JOBS_MAX);
    ends.filter_map(|ended| {
        Some(Ack {
            id: ended.cx.job.id.clone(),
            fence: ended.cx.job.fence,
            owner: ended.cx.job.owner.clone(),
            outcome: ended.outcome.clone()?,
        })
    })
    .collect()
}

/// The ends are written, or refused because other processes own the jobs. A job that completed itself has nothing left
/// to acknowledge, so that its refusal is none.
fn settle_table(table: &Table, ends: &[Ended], settled: Settled) {
    let themselves = ends.iter().filter(|ended| ended.cx.completed_itself());
    let themselves = u64::try_from(themselves.count()).unwrap_or(u64::MAX);
    metrics::stale(settled.stale.saturating_sub(themselves));
    for ended in ends {
        table.forget(&claim_of(&ended.cx));
    }
}

fn claim_of(cx: &Context) -> super::table::Claim {
    (cx.job.id.clone(), cx.job.fence)
}

/// Whether the same statements would fail again.
const fn is_lasting(error: &Error) -> bool {
    !matches!(error, Error::Busy(_) | Error::Unavailable(_))
}
