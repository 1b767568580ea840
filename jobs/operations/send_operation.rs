//! Sends one operation, as often as it takes, and writes what came of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    end::{End, follow},
    model::Kind,
    resolve::{self, Effect},
    store::{self, Ending, Row},
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, OrFail, Report, Retry, Unique,
    db::Error,
    ports::{Operation, StripeError},
    queue::Queue,
};

/// Sends an operation to Stripe.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendOperation {
    /// `op_…`
    pub id: String,
}

impl Job for SendOperation {
    const KIND: &'static str = "operations.send_operation";
    const ABOUT: &'static str = "Sends an operation to Stripe and writes what came of it.";
    const QUEUE: Queue = Queue::Stripe;
    /// Over more than a day, so that it outlives Stripe's memory of the key and looks for the effect.
    const RETRY: Retry = Retry {
        attempts: 70,
        base: Duration::from_secs(1),
        factor: 2,
        cap: Duration::from_mins(30),
        jitter_percent: 20,
    };
    /// A look and a request, each within the client's own time.
    const TIMEOUT: Duration = Duration::from_mins(3);
    const UNIQUE: Unique = Unique::Live;

    fn unique_key(&self) -> Option<String> {
        Some(self.id.clone())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let operation = store::get(&env.db, organization, &self.id)
            .await?
            .ok_or_else(|| anyhow::anyhow!("there is no operation {}", self.id))
            .or_fail()?;
        if operation.state().is_final() {
            return Ok(Report::none()
                .with("operation", self.id.as_str())
                .with("state", operation.state));
        }
        let result = attempt(env, organization, &operation).await;
        match result {
            Ok(end) => {
                let report = end.report(&self.id);
                let mut tx = env.db.begin().await?;
                end.write(&mut tx, env, organization, &operation).await?;
                cx.complete_in(&mut tx, &report).await?;
                tx.commit().await?;
                Ok(report)
            }
            Err(error) => {
                if let Some(why) = error.discards(cx.job.attempt, cx.job.max_attempts) {
                    // It stays unknown until a person has it sent again. What needed its success is not done.
                    let mut tx = env.db.begin().await?;
                    store::note_unknown(&mut tx, &self.id, &why.to_string(), env.now()).await?;
                    follow(&mut tx, env, organization, &operation, &Ending::default()).await?;
                    tx.commit().await?;
                }
                Err(error)
            }
        }
    }
}

/// Looks or sends once, and decides what that means. No transaction is open while Stripe is asked.
pub(super) async fn attempt(
    env: &Env,
    organization: &str,
    operation: &Row,
) -> Result<End, JobError> {
    let ready = match prepare(env, organization, operation) {
        Ok(ready) => ready,
        Err(end) => return Ok(*end),
    };
    if resolve::key_is_old(operation, env.now())
        && let Some(end) = look(env, organization, operation, ready.0).await?
    {
        return Ok(end);
    }
    let mut tx = env.db.begin().await?;
    let open = store::note_sent(&mut tx, &operation.id, env.now()).await?;
    tx.commit().await?;
    if !open {
        return Err(anyhow::anyhow!("it has ended meanwhile")).map_err(JobError::Retry);
    }
    match env.stripe.perform(organization, &ready.1).await {
        Ok(done) => Ok(End::done(done)),
        Err(StripeError::RateLimited(pause)) => Err(JobError::Snooze(pause)),
        Err(StripeError::Unavailable(why)) => {
            let mut tx = env.db.begin().await?;
            store::note_unknown(&mut tx, &operation.id, &why, env.now()).await?;
            tx.commit().await?;
            Err(StripeError::Unavailable(why).into())
        }
        // What may have happened before can be the reason why Stripe refuses it now.
        Err(error) if operation.first_sent_at.is_some() => {
            let found = look(env, organization, operation, ready.0).await?;
            Ok(found.unwrap_or_else(|| End::refused(&error)))
        }
        Err(error) => Ok(End::refused(&error)),
    }
}

/// Makes sure that the request is the one that was decided, and for the account that is configured.
fn prepare(env: &Env, organization: &str, operation: &Row) -> Result<(Kind, Operation), Box<End>> {
    let failed = |code: &str, why: &str| Box::new(End::failed(code, why));
    let Some(kind) = Kind::parse(&operation.kind) else {
        return Err(failed(
            "unknown_kind",
            "this memberd does not know what it does",
        ));
    };
    let Some(form) = operation.checked_form() else {
        return Err(failed(
            "request_changed",
            "its row was changed after it was decided",
        ));
    };
    let known = env
        .settings
        .organizations
        .get(organization)
        .cloned()
        .unwrap_or_default();
    // An account that the configuration does not name, or did not, can be any.
    let named = !known.account.is_empty() && !operation.account.is_empty();
    if (named && known.account != operation.account) || known.livemode != operation.livemode {
        let why = "it was decided for another Stripe account or mode than the configured one";
        return Err(failed("account_changed", why));
    }
    let request = Operation {
        path: operation.path.clone(),
        form,
        delete: operation.method == "DELETE",
        idempotency_key: operation.idempotency_key.clone(),
    };
    Ok((kind, request))
}

/// Looks for the effect of what was sent before; `None`: there is none.
async fn look(
    env: &Env,
    organization: &str,
    operation: &Row,
    kind: Kind,
) -> Result<Option<End>, JobError> {
    match resolve::look_up(env, organization, operation, kind).await? {
        Effect::There(object) => Ok(Some(End::found(&object))),
        Effect::Superseded(later) => {
            let why = format!("{later} was carried out meanwhile");
            Ok(Some(End::failed("superseded", &why)))
        }
        Effect::Absent => {
            let mut tx = env.db.begin().await?;
            store::note_looked_up(&mut tx, &operation.id, env.now()).await?;
            tx.commit().await?;
            Ok(None)
        }
    }
}

/// Sends operations without their jobs, for a caller who waits for them; answers the last of them. Where one cannot be
/// sent now, or Stripe does not answer, its job goes on.
///
/// # Errors
/// The database's. Dropped at any moment it leaves the rest to the jobs.
pub async fn send_now(
    env: &Env,
    organization: &str,
    operations: &[String],
) -> Result<Option<Row>, Error> {
    for id in operations {
        let Some(operation) = store::get(&env.db, organization, id).await? else {
            break;
        };
        // Without a job it is not its turn.
        if operation.state().is_final() || operation.job_id.is_none() {
            continue;
        }
        let Ok(end) = attempt(env, organization, &operation).await else {
            break;
        };
        let mut tx = env.db.begin().await?;
        end.write(&mut tx, env, organization, &operation).await?;
        tx.commit().await?;
    }
    match operations.last() {
        Some(id) => store::get(&env.db, organization, id).await,
        None => Ok(None),
    }
}
