//! `GET /v1/creators/{id}`

use axum::extract::State;
use memberd_jobs::creators::{self, Refused};

use super::model::{Creator, refused};
use crate::api::{Answer, ApiState, Caller, Json, NoQuery, Path};

/// Show a creator
///
/// One creator, by her own id or by the external one.
#[utoipa::path(get, path = "/v1/creators/{id}", tag = "creators", operation_id = "show_creator",
    params(("id" = String, Path, description = "Her id or external id.", example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The creator.", body = Creator)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<Creator>> {
    let found = creators::find(&state.env.db, &caller.organization, &id).await?;
    let found = found.filter(|creator| caller.sees(Some(&creator.id)));
    Ok(Json(
        found.ok_or_else(|| refused(&Refused::NoCreator))?.into(),
    ))
}
