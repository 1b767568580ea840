//! `DELETE /v1/members/{id}/grants/{grant_id}`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::entitlements::grants;

use super::{
    super::model::{found, is_still_hers},
    model::Grant,
};
use crate::api::{Answer, ApiState, Caller, Code, Kept, NoQuery, Path, Problem};

/// Take access back
///
/// Access by this grant ends at once; what other grants and subscriptions give stays. Doing it twice changes nothing.
#[utoipa::path(delete, path = "/v1/members/{id}/grants/{grant_id}", tag = "members", operation_id = "revoke_grant",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        ("grant_id" = String, Path, description = "The grant's id.", example = "gra_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The grant.", body = Grant)))]
pub(super) async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path((id, grant)): Path<(String, String)>,
    _: NoQuery,
) -> Answer<Response> {
    let (env, organization) = (&state.env, &caller.organization);
    let member = found(&state, &caller, &id).await?;
    let mut tx = env.db.begin().await?;
    let row = grants::revoke(
        &mut tx,
        env,
        organization,
        &member.id,
        &grant,
        &caller.key_id,
    )
    .await?;
    if !is_still_hers(&mut tx, &caller, &member.id).await? {
        let detail = format!("there is no member {id}");
        return Err(Problem::new(Code::MemberNotFound, detail));
    }
    tx.commit().await?;
    let missing = || Problem::new(Code::NotFound, format!("this member has no grant {grant}"));
    let row = row.ok_or_else(missing)?;
    tracing::info!(grant = row.id, by = caller.key_id, "access was taken back");
    Ok(Kept::json(StatusCode::OK, &Grant::of(row, env.now()))?.into_response())
}
