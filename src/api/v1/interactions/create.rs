//! `POST /v1/interactions`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::{
    engagement::{self, ITEMS_MAX},
    kernel::db,
};
use serde_json::json;

use super::model::{InteractionsBody, InteractionsResult, Partial, items, refused};
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, FieldError, IdempotencyKey, Json, Kept, Once, Problem,
    Query, v1::members::RACE_TRIES_MAX,
};

/// Tell of interactions
///
/// Each counts once, by its source and id, on the local day of the member's creator, also when it comes late; `removed`
/// takes one back. Scores follow within seconds. One that cannot be taken refuses all, unless `partial` is true.
#[utoipa::path(post, path = "/v1/interactions", tag = "engagement", operation_id = "create_interactions",
    request_body = InteractionsBody,
    params(IdempotencyKey, Partial),
    responses((status = 202, description = "They are taken, and will be counted.", body = InteractionsResult)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Query(how): Query<Partial>,
    key: IdempotencyKey,
    Json(body): Json<InteractionsBody>,
) -> Answer<Response> {
    let given = body.interactions.len();
    if !(1..=ITEMS_MAX).contains(&given) {
        let detail = format!("{given} are given, 1 to {ITEMS_MAX} are allowed in one request");
        return Err(Problem::field(
            Code::InvalidRequest,
            "#/interactions",
            detail,
        ));
    }
    let asked = json!({ "create_interactions": body, "how": how });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let taken = take(&state, &caller, &body, how, &once).await;
    Ok(once.ended(&state, taken).await?.into_response())
}

async fn take(
    state: &ApiState,
    caller: &Caller,
    body: &InteractionsBody,
    how: Partial,
    once: &Once,
) -> Answer<Kept> {
    let (items, unread) = items(&body.interactions);
    let mut tries = 1;
    loop {
        let mut tx = state.env.db.begin().await?;
        let creator = caller.creator.as_deref();
        let received = engagement::receive(
            &mut tx,
            &state.env,
            &caller.organization,
            creator,
            &items,
            how.partial,
        );
        match received.await {
            Err(db::Error::Conflict(_) | db::Error::Busy(_)) if tries < RACE_TRIES_MAX => {
                tries += 1;
            }
            received => {
                let received = received?;
                let refused = refused(&received, unread.clone());
                if !refused.is_empty() && !how.partial {
                    return Err(none_taken(refused));
                }
                let result = InteractionsResult::of(&received, refused);
                let kept = Kept::json(StatusCode::ACCEPTED, &result)?;
                once.settle(&mut tx, &kept).await?;
                tx.commit().await?;
                return Ok(kept);
            }
        }
    }
}

/// The whole request is refused, with everything that is wrong.
fn none_taken(errors: Vec<FieldError>) -> Problem {
    let first = errors
        .first()
        .map(|error| format!("{}: {}", error.pointer, error.detail))
        .unwrap_or_default();
    let detail = format!(
        "{} of the interactions cannot be taken, so none was; with ?partial=true the others are. The first: {first}",
        errors.len()
    );
    Problem {
        errors,
        ..Problem::new(Code::InvalidRequest, detail)
    }
    .unprocessable()
}
