//! A place in a lane: taken by one run, and free again with its word.

use std::sync::Arc;

use memberd_jobs::kernel::{
    Context,
    queue::{Ack, Outcome, round::Plain},
};
use tokio::sync::mpsc;

/// The end of one run, on its way from the run to the lane.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) cx: Arc<Context>,
    /// `None`: nobody would listen, another process owns the job.
    outcome: Option<Outcome>,
    /// Whether the job's row is not where it was when it was claimed.
    pub(super) moved: bool,
}

impl Ended {
    /// Whether anybody wants to hear of it: what somebody else owns is not ours to end, and what ended itself together
    /// with its work has ended.
    pub(super) fn is_to_be_written(&self) -> bool {
        self.outcome.is_some() && !self.is_written()
    }

    /// What is to be written, if one statement can write it together with others.
    pub(super) fn plain(&self) -> Option<Plain<'_>> {
        let job = &self.cx.job;
        let plain =
            matches!(self.outcome, Some(Outcome::Completed { report: None })) && !job.exclusive;
        plain.then_some(Plain {
            id: &job.id,
            fence: job.fence,
            place: job.place.as_deref().filter(|_| !self.moved),
        })
    }

    /// What is to be written.
    pub(super) fn ack(&self) -> Option<Ack> {
        Some(Ack {
            id: self.cx.job.id.clone(),
            fence: self.cx.job.fence,
            owner: self.cx.job.owner.clone(),
            outcome: self.outcome.clone()?,
        })
    }

    /// Whether the run has committed the job's end together with its work. One that failed may have failed to commit.
    pub(super) fn is_written(&self) -> bool {
        self.cx.completed_itself() && matches!(self.outcome, Some(Outcome::Completed { .. }))
    }
}

/// One slot of a lane, taken by one run. A slot that is dropped without a word gives its job back.
#[derive(Debug)]
pub(super) struct Slot {
    cx: Arc<Context>,
    lane: mpsc::UnboundedSender<Ended>,
    told: bool,
}

impl Slot {
    /// A slot of the lane that listens to `lane`.
    pub(super) const fn new(cx: Arc<Context>, lane: mpsc::UnboundedSender<Ended>) -> Self {
        Self {
            cx,
            lane,
            told: false,
        }
    }

    /// Frees the slot and tells the lane how the run ended.
    pub(super) fn end(mut self, outcome: Option<Outcome>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Option<Outcome>) {
        self.told = true;
        let cx = Arc::clone(&self.cx);
        // A lane that is gone has been given up at a shutdown; the lease brings the job back.
        let _ = self.lane.send(Ended {
            cx,
            outcome,
            moved: false,
        });
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Some(Outcome::GivenBack));
        }
    }
}
