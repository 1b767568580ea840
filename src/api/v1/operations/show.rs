//! `GET /v1/operations/{id}`

use axum::extract::State;
use memberd_jobs::operations::store;

use super::Operation;
use crate::api::{Answer, ApiState, Caller, Code, Json, NoQuery, Path, Problem};

/// Show an operation
///
/// What was ordered, where it is, and what Stripe answered.
#[utoipa::path(get, path = "/v1/operations/{id}", tag = "operations", operation_id = "show_operation",
    params(("id" = String, Path, description = "Its id.", example = "op_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The operation.", body = Operation)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<Operation>> {
    let row = store::get(&state.env.db, &caller.organization, &id).await?;
    let row =
        row.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no operation {id}")))?;
    Ok(Json(Operation::of(row, false)))
}
