//! `GET /v1/subscriptions/{id}`

use axum::extract::State;
use memberd_jobs::sync::store::read as mirror;

use super::model::{Items, Subscription};
use crate::api::{Answer, ApiState, Caller, Code, Json, NoQuery, Path, Problem};

/// Show a subscription
///
/// One subscription with its items, as Stripe has it.
#[utoipa::path(get, path = "/v1/subscriptions/{id}", tag = "subscriptions", operation_id = "show_subscription",
    params(("id" = String, Path, description = "Stripe's id.", example = "sub_123")),
    responses((status = 200, description = "The subscription.", body = Subscription)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<Subscription>> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let rows = mirror::subscriptions(db, organization, Some(&id), None, None, None, 1).await?;
    let mut items = Items::of(&state, &caller, &rows).await?;
    let row = rows.into_iter().next();
    let row =
        row.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no subscription {id}")))?;
    Ok(Json(items.show(row)))
}
