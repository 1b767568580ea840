//! `POST /v1/creators`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::creators::{self, New};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::model::{Creator, ExternalId, Name, TimeZone, refused};
use crate::api::{Answer, ApiState, Begun, Caller, IdempotencyKey, Json, Kept, NoQuery, Once};

/// A creator to make.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ann Example", "external_id": "creator_xyz"}))]
pub(super) struct NewCreatorBody {
    /// A person's or a brand's name.
    name: Name,
    /// How your own systems call her; no other creator may have it, and it must not begin with `crt_`.
    external_id: Option<ExternalId>,
    /// Where her days begin and end, a name of the IANA database; without one, where the organization's do.
    time_zone: Option<TimeZone>,
}

/// Make a creator
///
/// Members and keys can be hers from now on.
#[utoipa::path(post, path = "/v1/creators", tag = "creators", operation_id = "create_creator",
    request_body = NewCreatorBody,
    params(IdempotencyKey),
    responses((status = 201, description = "The creator.", body = Creator)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<NewCreatorBody>,
) -> Answer<Response> {
    let asked = json!({ "create_creator": body });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let made = make(&state, &caller, &body, &once).await;
    Ok(once.ended(&state, made).await?.into_response())
}

async fn make(
    state: &ApiState,
    caller: &Caller,
    body: &NewCreatorBody,
    once: &Once,
) -> Answer<Kept> {
    let new = New {
        name: &body.name.0,
        external_id: body.external_id.as_ref().map(|text| text.0.as_str()),
        time_zone: body.time_zone.as_ref().map(|text| text.0.as_str()),
    };
    let mut tx = state.env.db.begin().await?;
    let made = creators::create(&mut tx, &state.env, &caller.organization, new).await?;
    let made = made.map_err(|why| refused(&why))?;
    let id = made.id.clone();
    let kept = Kept::json(StatusCode::CREATED, &Creator::from(made))?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    tracing::info!(creator = id, by = caller.key_id, "a creator was made");
    Ok(kept)
}
