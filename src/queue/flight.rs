//! A round on its way to the database and back.

use std::{future::Future, pin::Pin, time::Duration};

use memberd_jobs::kernel::{
    Timestamp,
    db::{Db, Result},
    queue::{
        Ack, Queue,
        claim::{self, Claim, Position},
        round::{self, Done, Ends, Plain},
    },
};

use super::{metrics, outage::took_too_long, slot::Ended};

/// Longest round. A connection that hangs for longer is given up; what it did shows in a later round.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a round is to do.
#[derive(Debug)]
pub(super) struct Order {
    /// The lane's database.
    pub(super) db: Db,
    /// The lane.
    pub(super) queue: Queue,
    /// The process.
    pub(super) owner: String,
    /// Id of the lease on what it claims.
    pub(super) lease_id: String,
    /// How long the lease lasts.
    pub(super) lease: Duration,
    /// Leases that it forgets.
    pub(super) spent: Vec<String>,
    /// The present moment.
    pub(super) now: Timestamp,
    /// Slots that are kept free for what it claims; `None` claims nothing.
    pub(super) free: Option<usize>,
    /// Jobs that run or are kept a slot for, besides.
    pub(super) busy: usize,
    /// Claims nothing up to this job.
    pub(super) after: Option<Position>,
    /// Whether nothing but the clock asks for it: then a read comes first.
    pub(super) by_clock: bool,
    /// Ends to write.
    pub(super) ends: Vec<Ended>,
}

/// A round that is back.
#[derive(Debug)]
pub(super) struct Landed {
    /// The ends that it was to write.
    pub(super) ends: Vec<Ended>,
    /// Id of the lease on what it claimed.
    pub(super) lease_id: String,
    /// The slots that were kept for it.
    pub(super) kept: usize,
    /// Whether it looked for jobs from the first one on.
    pub(super) from_head: bool,
    /// What came of it; `None`: there was nothing to do.
    pub(super) done: Result<Option<Done>>,
}

/// A round that is under way.
pub(super) type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// Sends a round on its way.
pub(super) fn launch(order: Order) -> Flight {
    Box::pin(async move {
        let done = tokio::time::timeout(PATIENCE, fly(&order)).await;
        Landed {
            kept: order.free.unwrap_or(0),
            from_head: order.after.is_none(),
            done: done.unwrap_or_else(|_| Err(took_too_long(PATIENCE))),
            lease_id: order.lease_id,
            ends: order.ends,
        }
    })
}

async fn fly(order: &Order) -> Result<Option<Done>> {
    if order.by_clock && !claim::any_due(&order.db, order.queue, order.now).await? {
        return Ok(None);
    }
    metrics::round(order.queue);
    let claim = order.free.map(|free| Claim {
        queue: order.queue,
        owner: &order.owner,
        lease_id: order.lease_id.clone(),
        lease: order.lease,
        spent: &order.spent,
        free: i64::try_from(free).unwrap_or(i64::MAX),
        busy: i64::try_from(order.busy).unwrap_or(i64::MAX),
        now: order.now,
        after: order.after.as_ref(),
    });
    let plain: Option<Vec<Plain<'_>>> = order.ends.iter().map(Ended::plain).collect();
    let acks: Vec<Ack>;
    let ends = if let Some(jobs) = &plain {
        Ends::Plain {
            owner: &order.owner,
            jobs,
        }
    } else {
        acks = order.ends.iter().filter_map(Ended::ack).collect();
        Ends::Any(&acks)
    };
    let done = round::round(&order.db, order.now, ends, claim.as_ref()).await?;
    Ok(Some(done))
}
