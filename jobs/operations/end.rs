//! How an operation ends: its row, the mirror and whoever waits for it, in one transaction.

use serde_json::Value;

use super::{
    create::{AFTER, release},
    model::{self, Kind},
    store::{self, Ending, Row, places},
};
use crate::{
    entitlements::store as tiers,
    kernel::{
        Env, Report,
        db::{Result, Tx},
        outbox::{self, NewJob, PRIORITY_HIGH},
        ports::{Done, Fetched, StripeError},
    },
    sync::FetchObject,
};

/// The code of an operation that was never sent because the one before it failed.
const STEP_BEFORE_FAILED: &str = "step_before_failed";

/// The end of an operation, decided and not yet written.
#[derive(Debug)]
pub(super) struct End {
    pub(super) ending: Ending,
}

impl End {
    /// Stripe has answered.
    pub(super) fn done(done: Done) -> Self {
        let mut end = Self::found(&done.fetched);
        end.ending.http_status = Some(200);
        end.ending.request_id = done.request_id;
        end
    }

    /// Its effect is there, although the answer was lost.
    pub(super) fn found(fetched: &Fetched) -> Self {
        let object: Value = fetched
            .raw
            .as_deref()
            .and_then(|raw| serde_json::from_str(raw).ok())
            .unwrap_or_default();
        let ending = Ending {
            succeeded: true,
            object_id: object["id"].as_str().map(str::to_owned),
            answer: Some(model::kept(&object).to_string()),
            ..Ending::default()
        };
        Self { ending }
    }

    /// Stripe said no.
    pub(super) fn refused(error: &StripeError) -> Self {
        match error {
            StripeError::Refused {
                status,
                code,
                message,
                request_id,
            } => {
                let mut end = Self::failed(code, message);
                end.ending.http_status = Some(i64::from(*status));
                end.ending.request_id = Some(request_id.clone()).filter(|id| !id.is_empty());
                end
            }
            other => Self::failed("not_configured", &other.to_string()),
        }
    }

    /// It will never be sent, or not again.
    pub(super) fn failed(code: &str, why: &str) -> Self {
        let ending = Ending {
            error_code: Some(code.to_owned()),
            error: Some(why.to_owned()),
            ..Ending::default()
        };
        Self { ending }
    }

    /// What the job tells about it.
    pub(super) fn report(&self, operation: &str) -> Report {
        let state = if self.ending.succeeded {
            "succeeded"
        } else {
            "failed"
        };
        let mut report = Report::none()
            .with("operation", operation)
            .with("state", state);
        for (name, value) in [
            ("request_id", &self.ending.request_id),
            ("code", &self.ending.error_code),
            ("error", &self.ending.error),
        ] {
            if let Some(value) = value {
                report = report.with(name, value.as_str());
            }
        }
        report
    }

    /// Writes it: the row, what follows from it, and who waits for it. Nothing happens when it has ended before.
    pub(super) async fn write(
        &self,
        tx: &mut Tx,
        env: &Env,
        organization: &str,
        operation: &Row,
    ) -> Result<()> {
        if !store::end(tx, &operation.id, &self.ending, env.now()).await? {
            return Ok(());
        }
        count(&operation.kind, self.ending.succeeded);
        if !self.ending.succeeded {
            undo(tx, organization, operation).await?;
        }
        self.show(tx, env, organization, operation).await?;
        follow(tx, env, organization, operation, &self.ending).await
    }

    /// Has the object fetched, which shows it within a moment. The answer itself is not applied: whoever read the object
    /// while it changed could be the last to write.
    async fn show(
        &self,
        tx: &mut Tx,
        env: &Env,
        organization: &str,
        operation: &Row,
    ) -> Result<()> {
        let (Some(id), Some(kind)) = (
            &self.ending.object_id,
            model::mirrored(&operation.object_type),
        ) else {
            return Ok(());
        };
        let fetch = FetchObject::of(kind, id);
        let job = NewJob::of(organization, &fetch)?.priority(PRIORITY_HIGH);
        outbox::enqueue(tx, env, job).await?;
        Ok(())
    }
}

fn count(kind: &str, succeeded: bool) {
    let outcome = if succeeded { "succeeded" } else { "failed" };
    metrics::counter!("memberd_stripe_operations_total", "kind" => kind.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// What is ours and was made for an operation that has failed.
async fn undo(tx: &mut Tx, organization: &str, operation: &Row) -> Result<()> {
    places::free(tx, organization, &operation.id).await?;
    match (Kind::parse(&operation.kind), &operation.object_id) {
        (Some(Kind::CreateProduct), Some(id)) => tiers::forget_tier(tx, organization, id).await,
        _ => Ok(()),
    }
}

/// Lets those go that waited for an operation; those that needed its success end with it.
pub(super) async fn follow(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    operation: &Row,
    ending: &Ending,
) -> Result<()> {
    // A page that cannot be closed was paid on, most likely: the place is hers until that is known here.
    let keeps_place = Kind::parse(&operation.kind) == Some(Kind::ExpireCheckout);
    let mut ended = vec![(operation.id.clone(), ending.succeeded)];
    while let Some((id, succeeded)) = ended.pop() {
        for waiting in store::waiting_for(tx, &id).await? {
            if succeeded || !waiting.needs_success {
                if let Some(object) = ending.object_id.as_deref() {
                    fill(tx, organization, &waiting.id, object).await?;
                }
                release(tx, env, organization, &waiting.id, &waiting.kind).await?;
                continue;
            }
            let why = format!("it needs the success of {id}, which did not succeed");
            let end = End::failed(STEP_BEFORE_FAILED, &why);
            store::end(tx, &waiting.id, &end.ending, env.now()).await?;
            count(&waiting.kind, false);
            if !keeps_place {
                places::free(tx, organization, &waiting.id).await?;
            }
            ended.push((waiting.id, false));
        }
    }
    Ok(())
}

/// Puts the id of what the step before has made into the form of the next one.
async fn fill(tx: &mut Tx, organization: &str, id: &str, object: &str) -> Result<()> {
    let row = store::get_in(tx, organization, id).await?;
    let Some(mut form) = row.as_ref().and_then(Row::checked_form) else {
        return Ok(());
    };
    let mut changed = false;
    let left_open = |(name, value): &&mut (String, String)| name == "customer" && value == AFTER;
    for (_, value) in form.iter_mut().filter(left_open) {
        object.clone_into(value);
        changed = true;
    }
    match row.filter(|_| changed) {
        Some(row) => store::set_form(tx, &row, &serde_json::json!(form).to_string()).await,
        None => Ok(()),
    }
}
