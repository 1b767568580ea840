//! `GET /v1/operations/{id}`

use axum::extract::State;
use memberd_jobs::operations::store;

use super::Operation;
use crate::api::{
    Answer, ApiState, Caller, Code, Json, NoQuery, Path, Problem, v1::members::is_hers,
};

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
    let row = match row {
        Some(row) if is_hers(&state, &caller, row.member_id.as_deref()).await? => row,
        _ => {
            let detail = format!("there is no operation {id}");
            return Err(Problem::new(Code::NotFound, detail));
        }
    };
    Ok(Json(Operation::of(row, false)))
}
