//! Sends to one endpoint what is due.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, timeout};

use super::{
    endpoints,
    model::{Disabled, State, Verdict, has_failed_too_long, payload},
    store::{
        deliveries::{self, Attempted, Due},
        endpoints::{self as rows, Endpoint},
        secrets,
    },
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Timestamp, Unique,
    db::Result,
    events::DeliverDue,
    ports::{Message, SigningSecret},
    queue::Queue,
};

/// Deliveries on their way to one endpoint at once.
const AT_ONCE: usize = 32;

/// Deliveries read at once.
const READ_MAX: usize = 256;

/// How long a run goes on beginning attempts; then others that wait for a slot have their turn.
const RUN_MAX: Duration = Duration::from_secs(30);

/// While answers are awaited, how often it looks for what became due meanwhile.
const LOOK: Duration = Duration::from_secs(1);

impl Job for DeliverDue {
    const KIND: &'static str = "webhooks_out.deliver_due";
    const ABOUT: &'static str = "Sends to a webhook endpoint what is due.";
    const QUEUE: Queue = Queue::Webhooks;
    /// It begins no attempt after [`RUN_MAX`], and the longest attempt that can be configured takes a minute.
    const TIMEOUT: Duration = Duration::from_mins(3);
    const UNIQUE: Unique = Unique::Waiting;
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(self.endpoint_id.clone())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let now = env.now();
        let found = rows::get(&env.db, organization, &self.endpoint_id).await?;
        let Some(endpoint) = found.filter(|endpoint| endpoint.disabled_at.is_none()) else {
            return Ok(Report::none());
        };
        if let Some(until) = endpoint.rests_until.filter(|until| *until > now) {
            return Err(JobError::Snooze(until.since(now)));
        }
        let secrets = secrets::live(&env.db, organization, &self.endpoint_id, now).await?;
        if !secrets.iter().any(|secret| env.receivers.reveal(secret).is_some()) {
            return Err(JobError::Retry(anyhow::anyhow!(
                "no key in webhooks_out.keys fits the secrets of {}: put the key back, or rotate its secret",
                self.endpoint_id
            )));
        }
        let mut run = Run { cx, endpoint, secrets, report: Figures::default(), ended: false };
        run.send_due().await?;
        if run.ended {
            return Ok(run.report.report());
        }
        match run.next().await? {
            Some(pause) => Err(JobError::Snooze(pause)),
            None => Ok(run.report.report()),
        }
    }
}

/// Attempts of a run by what they came to.
#[derive(Debug, Default)]
struct Figures {
    delivered: u64,
    failed: u64,
}

impl Figures {
    fn report(&self) -> Report {
        Report::none().with("delivered", self.delivered).with("failed", self.failed)
    }
}

struct Run<'a> {
    cx: &'a Context,
    endpoint: Endpoint,
    secrets: Vec<SigningSecret>,
    report: Figures,
    /// Nothing more is to be sent to the endpoint.
    ended: bool,
}

impl Run<'_> {
    /// Sends until nothing is due, the time is over, or the endpoint wants no more; and hears all answers.
    async fn send_due(&mut self) -> Result<()> {
        let (env, endpoint, secrets) = (&self.cx.env, self.endpoint.clone(), self.secrets.clone());
        let began = Instant::now();
        let mut due: VecDeque<Due> = VecDeque::new();
        let mut flying = FuturesUnordered::new();
        let mut in_air: BTreeSet<String> = BTreeSet::new();
        loop {
            let goes_on = !self.ended && !self.cx.cancel.is_cancelled() && began.elapsed() < RUN_MAX;
            if goes_on && due.is_empty() && flying.len() < AT_ONCE {
                let limit = i64::try_from(READ_MAX + in_air.len()).unwrap_or(i64::MAX);
                let read = deliveries::due(&env.db, &endpoint.id, env.now(), limit).await?;
                due.extend(read.into_iter().filter(|one| !in_air.contains(&one.id)));
            }
            while goes_on && flying.len() < AT_ONCE {
                let Some(one) = due.pop_front() else { break };
                in_air.insert(one.id.clone());
                flying.push(attempt(env, &endpoint.url, &secrets, one));
            }
            let heard = match timeout(LOOK, flying.next()).await {
                Ok(Some(first)) => first,
                Ok(None) => return Ok(()),
                Err(_) => continue,
            };
            // While one group is written, the answers to the next come in.
            let mut heard = vec![heard];
            while let Some(Some(more)) = flying.next().now_or_never() {
                heard.push(more);
            }
            for one in &heard {
                in_air.remove(&one.id);
            }
            self.record(&heard).await?;
        }
    }

    /// Writes down what came of some attempts, and what that means for the endpoint.
    async fn record(&mut self, heard: &[Attempted]) -> Result<()> {
        let (env, organization) = (&self.cx.env, self.cx.organization());
        let now = env.now();
        let (failing_since, rests_until) = self.health(heard, now);
        let disabled = if heard.iter().any(|one| one.verdict.gone) {
            Some(Disabled::Gone)
        } else {
            failing_since.filter(|since| has_failed_too_long(*since, now)).map(|_| Disabled::Failing)
        };
        let mut tx = env.db.begin().await?;
        deliveries::record(&mut tx, heard, now).await?;
        if (failing_since, rests_until) != (self.endpoint.failing_since, self.endpoint.rests_until) {
            rows::set_health(&mut tx, &self.endpoint.id, failing_since, rests_until).await?;
        }
        let mut news = false;
        if let Some(why) = disabled {
            news = endpoints::disable(&mut tx, env, organization, &self.endpoint.id, why).await?;
        }
        tx.commit().await?;
        self.endpoint.failing_since = failing_since;
        self.endpoint.rests_until = rests_until;
        self.ended |= disabled.is_some() || rests_until.is_some_and(|until| until > now);
        if let Some(why) = disabled.filter(|_| news) {
            tracing::warn!(endpoint = self.endpoint.id, why = why.as_str(), "a webhook endpoint was disabled");
            metrics::counter!("memberd_webhook_endpoints_disabled_total", "reason" => why.as_str()).increment(1);
        }
        self.count(heard);
        Ok(())
    }

    /// Since when the endpoint fails, and until when it rests, after these attempts.
    fn health(&self, heard: &[Attempted], now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let delivered = heard.iter().any(|one| one.verdict.state == State::Delivered);
        let failing_since = match self.endpoint.failing_since {
            _ if delivered => None,
            None if heard.iter().any(|one| one.verdict.tried) => Some(now),
            since => since,
        };
        let rests = heard.iter().filter_map(|one| one.verdict.rests_until).max();
        (failing_since, rests.max(self.endpoint.rests_until.filter(|until| *until > now)))
    }

    fn count(&mut self, heard: &[Attempted]) {
        for one in heard {
            let outcome = match one.verdict.state {
                State::Delivered => "delivered",
                State::Pending => "retried",
                State::Failed => "failed",
            };
            match one.verdict.state {
                State::Delivered => self.report.delivered += 1,
                _ => self.report.failed += 1,
            }
            metrics::counter!("memberd_webhook_deliveries_total", "outcome" => outcome).increment(1);
            metrics::histogram!("memberd_webhook_delivery_duration_seconds").record(one.verdict.took.as_secs_f64());
        }
    }

    /// How long until there is something to do.
    async fn next(&self) -> Result<Option<Duration>> {
        let env = &self.cx.env;
        let next = deliveries::next_due(&env.db, &self.endpoint.id).await?;
        let next = next.max(next.and(self.endpoint.rests_until));
        Ok(next.map(|at| at.since(env.now())))
    }
}

/// Sends one delivery once.
async fn attempt(env: &Env, url: &str, secrets: &[SigningSecret], due: Due) -> Attempted {
    let (id, attempts) = (due.id, due.attempts);
    let Some(event) = due.event else {
        let verdict = Verdict::hopeless("event_deleted", env.now());
        return Attempted { id, attempts, verdict };
    };
    let Some(body) = payload(&event) else {
        let verdict = Verdict::hopeless("too_large", env.now());
        return Attempted { id, attempts, verdict };
    };
    let message = Message { url, id: &due.event_id, at: env.now(), body: &body, secrets };
    let answer = env.receivers.send(&message).await;
    let verdict = Verdict::of(attempts, &answer, env.now(), env.chance.fraction());
    Attempted { id, attempts, verdict }
}
