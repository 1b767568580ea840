//! What a job is: a small payload, one `run`, and how a run ends.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{context::Context, db, limits::RETRY_PAUSE_MAX, queue::Queue};

/// How a run that did not succeed ends.
///
/// It is no [`std::error::Error`], so that `?` can turn any error into a retry.
#[derive(Debug)]
pub enum JobError {
    /// Try again after the pause of the job's [`Retry`] policy.
    Retry(anyhow::Error),
    /// Try again, but not before this much time has passed: a server asked for it.
    RetryAfter(Duration, anyhow::Error),
    /// Never try again: the job is discarded.
    Fail(anyhow::Error),
    /// Not yet: come back after this much time. It spends no attempt.
    Snooze(Duration),
}

impl JobError {
    /// The error with which the job is discarded, when its `attempt`-th of `max_attempts` ends so.
    pub fn discards(&self, attempt: i64, max_attempts: i64) -> Option<&anyhow::Error> {
        match self {
            Self::Fail(error) => Some(error),
            Self::Retry(error) | Self::RetryAfter(_, error) => {
                (attempt >= max_attempts && !self.is_lease_lost()).then_some(error)
            }
            Self::Snooze(_) => None,
        }
    }

    /// Whether the run failed because its job belongs to another process by now.
    pub fn is_lease_lost(&self) -> bool {
        let (Self::Retry(error) | Self::RetryAfter(_, error)) = self else {
            return false;
        };
        error
            .chain()
            .any(|cause| matches!(cause.downcast_ref(), Some(db::Error::LeaseLost)))
    }
}

/// An error met with `?` is worth another attempt; giving up is always spelled out.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

/// Spells out that a failure is final.
pub trait OrFail<T> {
    /// Turns the error into [`JobError::Fail`].
    fn or_fail(self) -> Result<T, JobError>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self) -> Result<T, JobError> {
        self.map_err(|error| JobError::Fail(error.into()))
    }
}

/// What a run tells about itself: counts and short notes, shown by `jobs show` and the API. Never an address or a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(serde_json::Map<String, Value>);

impl Report {
    /// Nothing to tell.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a figure or a note.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A figure that was added; 0 when there is none of that name.
    pub fn number(&self, name: &str) -> u64 {
        self.0.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// The JSON that is stored; `None` when there is nothing to tell.
    pub fn to_json(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| Value::Object(self.0.clone()).to_string())
    }
}

/// The result of one run.
pub type JobResult = Result<Report, JobError>;

/// How often a job is tried and how long it pauses in between: `base * factor^(attempt - 1)`, at most `cap`,
/// spread by `jitter` so that jobs that failed together do not return together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Most attempts, the first included.
    pub attempts: u32,
    /// Pause after the first attempt.
    pub base: Duration,
    /// Growth of the pause with each attempt.
    pub factor: u32,
    /// Longest pause.
    pub cap: Duration,
    /// Share of the pause that is random, in percent: 20 means from 80 to 120 percent.
    pub jitter_percent: u32,
}

impl Retry {
    /// Ten attempts over about a day: 2 s, 6 s, 18 s … up to 6 h.
    pub const DEFAULT: Self = Self {
        attempts: 10,
        base: Duration::from_secs(2),
        factor: 3,
        cap: Duration::from_hours(6),
        jitter_percent: 20,
    };

    /// The pause after the `attempt`-th attempt failed, with `chance` from 0 to 1 for the jitter.
    pub fn pause(&self, attempt: i64, chance: f64) -> Duration {
        let exponent = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0);
        let growth = self.factor.max(1).saturating_pow(exponent);
        let pause = self
            .base
            .saturating_mul(growth)
            .min(self.cap)
            .min(RETRY_PAUSE_MAX);
        let share = f64::from(self.jitter_percent.min(100)) / 100.0;
        pause.mul_f64(1.0 - share + 2.0 * share * chance.clamp(0.0, 1.0))
    }
}

/// Whether a second job with the same [`Job::unique_key`] folds into the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// Jobs of this kind have no key.
    No,
    /// While the first is waiting. A key that arrives while it runs is a new job, so no change goes unseen.
    Waiting,
    /// While the first is waiting or running.
    Live,
    /// For this long after the first was enqueued, whatever became of it.
    Within(Duration),
}

/// A unit of work that survives a restart.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `family.verb_object`; it is stored in the queue, so it never changes.
    const KIND: &'static str;
    /// What it does, in one line for people.
    const ABOUT: &'static str;
    /// Where it waits.
    const QUEUE: Queue = Queue::Default;
    /// Attempts and pauses.
    const RETRY: Retry = Retry::DEFAULT;
    /// A run that lasts longer is cancelled and counts as a failed attempt.
    const TIMEOUT: Duration = Duration::from_mins(1);
    /// Whether jobs with equal keys fold.
    const UNIQUE: Unique = Unique::No;
    /// Whether two jobs with equal keys must never run at once. It needs [`Unique::Waiting`].
    const EXCLUSIVE: bool = false;

    /// Whether it works for the whole installation instead of one organization, so that only the operator's own
    /// organization may start it by hand.
    const INSTALLATION: bool = false;

    /// What makes two jobs of this kind and organization the same job.
    fn unique_key(&self) -> Option<String> {
        None
    }

    /// The member it is about, so that people find it.
    fn member_id(&self) -> Option<&str> {
        None
    }

    /// Does the work. It may run twice, so every effect has a key or commits with [`Context::complete_in`].
    fn run(&self, cx: &Context) -> impl Future<Output = JobResult> + Send;
}

type Run = fn(Value, Arc<Context>) -> Pin<Box<dyn Future<Output = JobResult> + Send>>;

/// A job type as data.
#[derive(Clone, Copy)]
pub struct JobDef {
    /// [`Job::KIND`].
    pub kind: &'static str,
    /// [`Job::ABOUT`].
    pub about: &'static str,
    /// [`Job::QUEUE`].
    pub queue: Queue,
    /// [`Job::RETRY`].
    pub retry: Retry,
    /// [`Job::TIMEOUT`].
    pub timeout: Duration,
    /// [`Job::UNIQUE`].
    pub unique: Unique,
    /// [`Job::EXCLUSIVE`].
    pub exclusive: bool,
    /// [`Job::INSTALLATION`].
    pub installation: bool,
    /// Decodes arguments and tells the unique key and the member, for jobs enqueued as JSON.
    pub read: fn(&Value) -> Result<Read, serde_json::Error>,
    /// Decodes the arguments and runs the job.
    pub run: Run,
}

/// What the queue needs to know from a job's arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// [`Job::unique_key`].
    pub unique_key: Option<String>,
    /// [`Job::member_id`].
    pub member_id: Option<String>,
}

impl JobDef {
    /// The definition of `J`.
    pub const fn of<J: Job>() -> Self {
        const {
            assert!(
                !J::EXCLUSIVE || matches!(J::UNIQUE, Unique::Waiting | Unique::Live),
                "EXCLUSIVE goes by the unique key of waiting jobs: set UNIQUE to Waiting or Live"
            );
        }
        Self {
            kind: J::KIND,
            about: J::ABOUT,
            queue: J::QUEUE,
            retry: J::RETRY,
            timeout: J::TIMEOUT,
            unique: J::UNIQUE,
            exclusive: J::EXCLUSIVE,
            installation: J::INSTALLATION,
            read: read::<J>,
            run: run::<J>,
        }
    }
}

impl fmt::Debug for JobDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)
    }
}

fn read<J: Job>(args: &Value) -> Result<Read, serde_json::Error> {
    let job = J::deserialize(args)?;
    Ok(Read {
        unique_key: job.unique_key(),
        member_id: job.member_id().map(str::to_owned),
    })
}

fn run<J: Job>(args: Value, cx: Arc<Context>) -> Pin<Box<dyn Future<Output = JobResult> + Send>> {
    Box::pin(async move {
        // Arguments that do not decode today will not decode tomorrow.
        let job: J = serde_json::from_value(args).or_fail()?;
        job.run(&cx).await
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_stays_within_the_cap_and_its_jitter(attempt in 1_i64..200, chance in 0.0_f64..1.0) {
            let pause = Retry::DEFAULT.pause(attempt, chance);
            prop_assert!(pause <= Retry::DEFAULT.cap.mul_f64(1.2));
            prop_assert!(pause >= Retry::DEFAULT.base.mul_f64(0.8));
            prop_assert!(Retry::DEFAULT.pause(attempt + 1, chance) >= pause);
        }
    }

    #[test]
    fn the_default_pauses_span_about_a_day() {
        let total: Duration = (1..10)
            .map(|attempt| Retry::DEFAULT.pause(attempt, 0.5))
            .sum();
        assert!((5..=24).contains(&(total.as_secs() / 3600)), "{total:?}");
    }
}
