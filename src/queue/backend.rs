//! The glue to apalis: a backend that hands over what the lane claimed, and the workers that run it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Poller, Poll},
};

use apalis::prelude::{
    Backend, Event, Monitor, MonitorContext, Task, TaskBuilder, TaskId, WorkerBuilder,
    WorkerContext,
};
use apalis_core::{
    backend::{BackendConfig, finalize::Ephemeral},
    layers::Identity,
};
use memberd_jobs::kernel::{Context, queue::Queue};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    run::{self, Runner},
    slot::Slot,
    table::Leash,
};

/// A claimed job on its way to the code that runs it.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The job and its world.
    pub(super) cx: Arc<Context>,
    /// The way to stop it.
    pub(super) leash: Arc<Leash>,
    /// The place it takes in its lane; frees itself when the envelope is lost.
    pub(super) slot: Slot,
}

/// Where a lane puts what it claimed.
pub(super) type Jobs = mpsc::UnboundedSender<Envelope>;

/// The jobs of one lane as apalis sees them. The channel holds at most as many as the lane has slots, and the worker
/// takes each at once. Clones share the channel, so that a restarted worker goes on where the last one stopped.
#[derive(Clone, Debug)]
pub(super) struct JobsBackend {
    queue: Queue,
    jobs: Arc<Mutex<mpsc::UnboundedReceiver<Envelope>>>,
}

impl JobsBackend {
    /// A backend and the way into it.
    pub(super) fn new(queue: Queue) -> (Jobs, Self) {
        let (sender, jobs) = mpsc::unbounded_channel();
        let jobs = Arc::new(Mutex::new(jobs));
        (sender, Self { queue, jobs })
    }
}

/// It never fails: whatever the database does is the lane's trouble, and the worker only waits.
impl Backend for JobsBackend {
    type Task = Task<Envelope>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Poller<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        poller: &mut Poller<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.poll_recv(poller)
            .map(|envelope| envelope.map(|envelope| Ok(task(envelope))))
    }

    /// The lane ends before the worker and has written everything by then.
    fn poll_close(
        &mut self,
        _: &mut Poller<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for JobsBackend {
    type Args = Envelope;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    /// None: the slot in the envelope acknowledges, also when the future of the run is dropped.
    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// apalis counts attempts that have ended, we count the one that begins.
fn task(envelope: Envelope) -> Task<Envelope> {
    let job = &envelope.cx.job;
    let id = TaskId::from_string(job.id.clone());
    let ended = usize::try_from(job.attempt.saturating_sub(1)).unwrap_or(0);
    TaskBuilder::new(envelope)
        .task_id(id)
        .attempt(ended)
        .build()
}

/// One apalis worker for each lane, under one monitor.
#[derive(Debug)]
pub(super) struct Workers {
    monitor: Monitor,
    runner: Arc<Runner>,
}

/// Running [`Workers`].
#[derive(Debug)]
pub(super) struct Started(MonitorContext);

impl Workers {
    /// No workers yet. One that panics is restarted: its jobs have tasks of their own, and the lane keeps the rest.
    pub(super) fn new(runner: Runner) -> Self {
        Self {
            monitor: Monitor::new().should_restart(|_, _| true).on_event(tell),
            runner: Arc::new(runner),
        }
    }

    /// Adds the worker of one lane.
    pub(super) fn add(&mut self, backend: JobsBackend) {
        let runner = Arc::clone(&self.runner);
        let monitor = std::mem::take(&mut self.monitor);
        self.monitor = monitor.register(move |_| {
            WorkerBuilder::new(backend.queue.as_str())
                .backend(backend.clone())
                .data(Arc::clone(&runner))
                .build(run::run)
        });
    }

    /// Starts them.
    pub(super) fn start(self, tracker: &TaskTracker) -> Started {
        let started = Started(self.monitor.context());
        tracker.spawn(async move {
            if let Err(error) = self.monitor.run().await {
                tracing::error!(%error, "a worker ended with an error");
            }
        });
        started
    }
}

impl Started {
    /// Ends the workers. The lanes must have ended before.
    pub(super) fn stop(&self) {
        if let Err(error) = self.0.shutdown() {
            tracing::error!(%error, "the workers could not be told to stop");
        }
    }
}

fn tell(worker: &WorkerContext, event: &Event) {
    match event {
        Event::Error(error) => {
            tracing::error!(queue = worker.name(), %error, "the worker met an error");
        }
        Event::Start | Event::Stop | Event::Exit => {
            tracing::debug!(queue = worker.name(), %event, "worker");
        }
        _ => {}
    }
}
