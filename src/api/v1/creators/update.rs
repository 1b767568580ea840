//! `PATCH /v1/creators/{id}`

use axum::extract::State;
use memberd_jobs::{
    creators::{self, Edit},
    kernel::db,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{Creator, ExternalId, Name, TimeZone, refused};
use crate::api::{
    Answer, ApiState, Caller, Json, NoQuery, Path,
    v1::members::RACE_TRIES_MAX,
    words::{Change, given},
};

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"archived": true}))]
pub(super) struct CreatorEditBody {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Name)]
    name: Option<Name>,
    /// Another external id; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<ExternalId>)]
    external_id: Change<ExternalId>,
    /// Where her days begin and end, a name of the IANA database; null for where the organization's do. What was told before
    /// keeps its days.
    #[serde(default)]
    #[schema(value_type = Option<TimeZone>)]
    time_zone: Change<TimeZone>,
    /// Whether she is archived: she keeps her members and keys, and gets no new ones.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    archived: Option<bool>,
}

/// Change a creator
///
/// Only what is given changes.
#[utoipa::path(patch, path = "/v1/creators/{id}", tag = "creators", operation_id = "update_creator",
    request_body = CreatorEditBody,
    params(("id" = String, Path, description = "Her id or external id.", example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The creator.", body = Creator)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    Json(body): Json<CreatorEditBody>,
) -> Answer<Json<Creator>> {
    let edit = Edit {
        name: body.name.map(|text| text.0),
        external_id: body.external_id.said().map(|id| id.map(|text| text.0)),
        time_zone: body.time_zone.said().map(|zone| zone.map(|text| text.0)),
        archived: body.archived,
    };
    let env = &state.env;
    let mut tries = 1;
    let creator = loop {
        let mut tx = env.db.begin().await?;
        match creators::edit(&mut tx, env, &caller.organization, &id, &edit).await {
            Err(db::Error::Conflict(_)) if tries < RACE_TRIES_MAX => tries += 1,
            done => {
                let creator = done?.map_err(|why| refused(&why))?;
                tx.commit().await?;
                break creator;
            }
        }
    };
    tracing::info!(
        creator = creator.id,
        by = caller.key_id,
        "a creator is written"
    );
    Ok(Json(creator.into()))
}
