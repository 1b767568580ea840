//! `GET /readyz`

use axum::extract::State;
use memberd_jobs::kernel::{
    Timestamp,
    db::{self, Db},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    Answer, ApiState, Code, FieldError, Json, NoQuery, Problem,
    limits::{NOT_STORED_MEMORY, READY_CACHE_TTL, READY_WRITE_TIMEOUT, WORKER_SILENCE_MAX},
};

/// Ready for work.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// Always `ready`; anything else is a 503.
    #[schema(example = "ready")]
    status: &'static str,
    /// What was looked at.
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct Check {
    /// What.
    #[schema(example = "database")]
    name: &'static str,
    /// How long ago it was known to be well, in seconds.
    #[schema(minimum = 0, example = 0.2)]
    age_seconds: f64,
}

/// The last look at the database: when, and what was wrong.
#[derive(Clone, Debug)]
pub(in crate::api) struct Checked {
    at: Timestamp,
    fault: Option<(Code, String)>,
}

/// Whether the process can do its work
///
/// The database can be written within a second, its schema is this version's, the workers of this process (if it has
/// any) show that they live, and the process is not about to stop. Stripe and mail may be away: that is degraded, not
/// unready. A 503 lists in `errors` what is wrong.
#[utoipa::path(get, path = "/readyz", tag = "open", operation_id = "readyz",
    responses((status = 200, description = "Ready.", body = Ready)))]
pub(super) async fn readyz(State(state): State<ApiState>, _: NoQuery) -> Answer<Json<Ready>> {
    let now = state.env.now();
    let mut checks = Vec::new();
    let mut faults = Vec::new();
    let mut note = |name, age_seconds, fault: Option<(Code, String)>| match fault {
        None => checks.push(Check { name, age_seconds }),
        Some((code, detail)) => faults.push(FieldError {
            pointer: format!("#/checks/{name}"),
            code,
            detail,
        }),
    };
    if state.readiness.is_draining() {
        let why = "this process is about to stop".to_owned();
        note("process", 0.0, Some((Code::Draining, why)));
    }
    let database = database(&state).await;
    let age = now.since(database.at).as_secs_f64();
    note("database", age, database.fault);
    if let Some(beat) = state.readiness.last_beat() {
        let age = now.since(beat);
        let why = format!("the workers have been silent for {} s", age.as_secs());
        let fault = (age > WORKER_SILENCE_MAX).then_some((Code::Overloaded, why));
        note("workers", age.as_secs_f64(), fault);
    }
    if let Some(at) = state.readiness.not_stored() {
        let age = now.since(at);
        let why = "a webhook could not be stored, and none was since: is the disk full?".to_owned();
        let fault = (age < NOT_STORED_MEMORY).then_some((Code::Overloaded, why));
        note("webhooks", age.as_secs_f64(), fault);
    }
    match faults.first() {
        None => Ok(Json(Ready {
            status: "ready",
            checks,
        })),
        Some(first) => Err(Problem {
            errors: faults.clone(),
            ..Problem::new(first.code, format!("not ready: {}", first.detail))
        }),
    }
}

/// Looks at the database, at most once a second.
async fn database(state: &ApiState) -> Checked {
    let mut last = state.checked.lock().await;
    let now = state.env.now();
    if let Some(checked) = last.as_ref().filter(|c| now.since(c.at) < READY_CACHE_TTL) {
        return checked.clone();
    }
    let fault = match tokio::time::timeout(READY_WRITE_TIMEOUT, look(&state.env.db)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let code = Problem::from(error.clone()).code;
            let told = match code {
                Code::SchemaMismatch => error.to_string(),
                _ => "the database cannot be written".to_owned(),
            };
            Some((code, told))
        }
        Err(_) => Some((
            Code::Overloaded,
            "the database did not commit within a second".to_owned(),
        )),
    };
    let fault = fault.map(|(code, detail)| match code {
        Code::Internal => (Code::Overloaded, detail),
        _ => (code, detail),
    });
    let checked = Checked { at: now, fault };
    *last = Some(checked.clone());
    checked
}

async fn look(db: &Db) -> db::Result<()> {
    db.check_schema().await?;
    db.check_writable().await
}
