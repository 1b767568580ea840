//! Sends to one endpoint what is due.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, timeout};

use super::{
    endpoints,
    model::{Disabled, State, Verdict, has_failed_too_long, payload},
    store::{
        deliveries::{self, Attempted, Due},
        endpoints as rows,
    },
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Timestamp, Unique, db,
    events::DeliverDue,
    ports::{Message, SigningSecret},
    queue::Queue,
};

/// Deliveries on their way to one endpoint at once.
pub const AT_ONCE: usize = 32;

/// Deliveries read at once.
const READ_MAX: usize = 256;

/// How long a run goes on beginning attempts; then others that wait for a slot have their turn. With the longest attempt,
/// less than what a stopping process waits for its jobs.
const RUN_MAX: Duration = Duration::from_secs(5);

/// How often it looks what people have changed, and while answers are awaited, what became due.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// Pauses before answers are written once more: what is not written is sent again.
const WRITE_AGAIN: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

impl Job for DeliverDue {
    const KIND: &'static str = "webhooks_out.deliver_due";
    const ABOUT: &'static str = "Sends to a webhook endpoint what is due.";
    const QUEUE: Queue = Queue::Webhooks;
    /// It begins no attempt after `RUN_MAX`, and the longest attempt that can be configured takes a minute.
    const TIMEOUT: Duration = Duration::from_mins(3);
    const UNIQUE: Unique = Unique::Waiting;
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(self.endpoint_id.clone())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let mut run = Run {
            cx,
            id: &self.endpoint_id,
            failing_since: None,
            rests_until: None,
            disabled: false,
            delivered: 0,
            failed: 0,
        };
        run.send_due().await?;
        let report = Report::none().with("delivered", run.delivered).with("failed", run.failed);
        match run.next().await? {
            Some(pause) => Err(JobError::Snooze(pause)),
            None => Ok(report),
        }
    }
}

/// Where to, and signed with what.
#[derive(Debug)]
struct Aim {
    url: String,
    secrets: Vec<SigningSecret>,
}

struct Run<'a> {
    cx: &'a Context,
    /// The endpoint's.
    id: &'a str,
    /// Since when nothing but failures came.
    failing_since: Option<Timestamp>,
    /// Until when it asked to be left alone.
    rests_until: Option<Timestamp>,
    /// Whether nothing is sent to it, or it is no more.
    disabled: bool,
    delivered: u64,
    failed: u64,
}

impl Run<'_> {
    /// Sends until nothing is due, the time is over, something fails here, or the endpoint wants no more; and hears all
    /// answers.
    async fn send_due(&mut self) -> Result<(), JobError> {
        let began = Instant::now();
        let mut trouble = None;
        let mut looked: Option<Instant> = None;
        let mut aim = None;
        let mut due: VecDeque<Due> = VecDeque::new();
        let mut flying = FuturesUnordered::new();
        let mut in_air: BTreeSet<String> = BTreeSet::new();
        loop {
            let stops = self.cx.cancel.is_cancelled() || began.elapsed() > RUN_MAX;
            let goes_on = !stops && trouble.is_none() && !self.disabled && !self.rests();
            let is_old = looked.is_none_or(|at| at.elapsed() > LOOK);
            if goes_on && (due.is_empty() || is_old) && flying.len() < AT_ONCE {
                looked = Some(Instant::now());
                match self.look(&in_air).await {
                    Ok(seen) => (aim, due) = seen,
                    Err(error) => {
                        trouble = Some(error);
                        continue;
                    }
                }
            }
            while let Some(aim) = aim.as_ref().filter(|_| goes_on && flying.len() < AT_ONCE) {
                let Some(one) = due.pop_front() else { break };
                in_air.insert(one.id.clone());
                flying.push(attempt(&self.cx.env, Arc::clone(aim), one));
            }
            let first = match timeout(LOOK, flying.next()).await {
                Ok(Some(first)) => first,
                Ok(None) => return trouble.map_or(Ok(()), Err),
                Err(_) => continue,
            };
            let mut heard = vec![first];
            // While one group is written, the answers to the next come in.
            while let Some(Some(more)) = flying.next().now_or_never() {
                heard.push(more);
            }
            for one in &heard {
                in_air.remove(&one.id);
            }
            if let Err(error) = self.record_again(&heard).await {
                trouble = trouble.or(Some(error));
            }
        }
    }

    /// What people have changed counts from here on.
    async fn look(
        &mut self,
        in_air: &BTreeSet<String>,
    ) -> Result<(Option<Arc<Aim>>, VecDeque<Due>), JobError> {
        let Some(aim) = self.aim().await? else { return Ok((None, VecDeque::new())) };
        let env = &self.cx.env;
        let limit = i64::try_from(READ_MAX + in_air.len()).unwrap_or(i64::MAX);
        let read = deliveries::due(&env.db, self.id, env.now(), limit).await?;
        Ok((Some(aim), read.into_iter().filter(|one| !in_air.contains(&one.id)).collect()))
    }

    /// Looks at the endpoint; `None` when nothing is to be sent to it now.
    async fn aim(&mut self) -> Result<Option<Arc<Aim>>, JobError> {
        let (env, organization) = (&self.cx.env, self.cx.organization());
        let found = rows::get(&env.db, organization, self.id).await?;
        if found.is_none() {
            // Also what an event brought while the endpoint was being deleted.
            let mut tx = env.db.begin().await?;
            deliveries::close(&mut tx, organization, self.id).await?;
            tx.commit().await?;
        }
        let Some(endpoint) = found.filter(|endpoint| endpoint.disabled_at.is_none()) else {
            self.disabled = true;
            return Ok(None);
        };
        self.failing_since = endpoint.failing_since;
        self.rests_until = endpoint.rests_until;
        if self.rests() {
            return Ok(None);
        }
        let secrets = endpoints::signing(env, organization, self.id).await?;
        let secrets = secrets.map_err(|why| JobError::Retry(why.into()))?;
        Ok(Some(Arc::new(Aim { url: endpoint.url, secrets })))
    }

    /// Whether it is to be left alone.
    fn rests(&self) -> bool {
        self.rests_until.is_some_and(|until| until > self.cx.env.now())
    }

    /// Writes down what came of some attempts; when the database does not take it, a few times more.
    async fn record_again(&mut self, heard: &[Attempted]) -> Result<(), JobError> {
        for pause in WRITE_AGAIN {
            match self.record(heard).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(
                    endpoint = self.id, organization = self.cx.organization(), answers = heard.len(), %error,
                    "answers of a webhook endpoint could not be written, which is tried again: what is never written is sent \
                     to it once more"
                ),
            }
            tokio::time::sleep(pause).await;
        }
        Ok(self.record(heard).await?)
    }

    /// Writes down what came of some attempts, and what that means for the endpoint. It is locked first, as by everybody
    /// who changes its deliveries, and judged by what it is now: people may have moved or mended it meanwhile.
    async fn record(&mut self, heard: &[Attempted]) -> db::Result<()> {
        let (env, organization) = (&self.cx.env, self.cx.organization());
        let now = env.now();
        let mut tx = env.db.begin().await?;
        let endpoint = rows::lock(&mut tx, organization, self.id).await?;
        let mut heard = heard.to_vec();
        let url = endpoint.as_ref().map(|endpoint| endpoint.url.as_str());
        for one in heard.iter_mut().filter(|one| url.is_some_and(|url| url != one.url)) {
            one.verdict.came_from_elsewhere(now);
        }
        deliveries::record(&mut tx, &heard, now).await?;
        let mut news = None;
        if let Some(endpoint) = &endpoint {
            (self.failing_since, self.rests_until) = (endpoint.failing_since, endpoint.rests_until);
            let of_it = heard.iter().filter(|one| one.url == endpoint.url);
            let of_it: Vec<&Verdict> = of_it.map(|one| &one.verdict).collect();
            let (failing_since, rests_until) = self.health(&of_it, now);
            if (failing_since, rests_until) != (self.failing_since, self.rests_until) {
                rows::set_health(&mut tx, self.id, failing_since, rests_until).await?;
            }
            let why = if of_it.iter().any(|one| one.gone) {
                Some(Disabled::Gone)
            } else {
                failing_since.filter(|since| has_failed_too_long(*since, now)).map(|_| Disabled::Failing)
            };
            if let Some(why) = why
                && endpoints::disable(&mut tx, env, organization, self.id, why).await?
            {
                news = Some((why, why.decided_by(&of_it).cloned()));
            }
            self.disabled = why.is_some() || endpoint.disabled_at.is_some();
            (self.failing_since, self.rests_until) = (failing_since, rests_until);
        } else {
            self.disabled = true;
        }
        tx.commit().await?;
        if let Some((why, answer)) = news {
            let answer = answer.as_ref();
            tracing::warn!(
                endpoint = self.id, organization, why = why.as_str(),
                status = answer.and_then(|answer| answer.status), error = answer.and_then(|answer| answer.error),
                "a webhook endpoint is sent nothing any more: have its receiver mended, then enable it by PATCH \
                 /v1/webhook-endpoints/{{id}}; what is pending waits for that"
            );
            metrics::counter!("memberd_webhook_endpoints_disabled_total", "reason" => why.as_str()).increment(1);
        }
        self.count(&heard);
        Ok(())
    }

    /// Since when the endpoint fails, and until when it rests, after these attempts.
    fn health(&self, heard: &[&Verdict], now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let delivered = heard.iter().any(|one| one.state == State::Delivered);
        let failing_since = match self.failing_since {
            _ if delivered => None,
            None if heard.iter().any(|one| one.tried) => Some(now),
            since => since,
        };
        let rests = heard.iter().filter_map(|one| one.rests_until).max();
        (failing_since, rests.max(self.rests_until.filter(|until| *until > now)))
    }

    fn count(&mut self, heard: &[Attempted]) {
        for one in heard {
            let outcome = match one.verdict.state {
                State::Delivered => "delivered",
                State::Pending => "retried",
                State::Failed => "failed",
            };
            match one.verdict.state {
                State::Delivered => self.delivered += 1,
                _ => self.failed += 1,
            }
            metrics::counter!("memberd_webhook_deliveries_total", "outcome" => outcome).increment(1);
            metrics::histogram!("memberd_webhook_delivery_duration_seconds").record(one.verdict.took.as_secs_f64());
        }
    }

    /// How long until there is something to do.
    async fn next(&self) -> Result<Option<Duration>, JobError> {
        if self.disabled {
            return Ok(None);
        }
        let env = &self.cx.env;
        let next = deliveries::next_due(&env.db, self.id).await?;
        let next = next.max(next.and(self.rests_until));
        Ok(next.map(|at| at.since(env.now())))
    }
}

/// Sends one delivery once.
async fn attempt(env: &Env, aim: Arc<Aim>, due: Due) -> Attempted {
    let body = match &due.event {
        None => Err("event_deleted"),
        Some(event) => payload(event).ok_or("too_large"),
    };
    let verdict = match body {
        Err(why) => Verdict::hopeless(why, env.now()),
        Ok(body) => {
            let message = Message {
                url: &aim.url,
                id: &due.event_id,
                at: env.now(),
                body: &body,
                secrets: &aim.secrets,
            };
            let answer = env.receivers.send(&message).await;
            Verdict::of(due.attempts, &answer, env.now(), env.chance.fraction())
        }
    };
    Attempted { id: due.id, url: aim.url.clone(), attempts: due.attempts, verdict }
}
