//! `GET /v1/members/{id}`

use std::slice;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use memberd_jobs::{engagement::score::score, members::store::MemberRow};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    engagement::Engagement,
    include::{Include, Includes},
    model::{Around, Member, found},
};
use crate::api::{Answer, ApiState, Caller, Json, Path, Query, tag};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Shown {
    /// What to show besides the member; several stand between commas. Her entitlements are shown in any case.
    #[param(inline, style = Form, explode = false, example = json!(["entitlements", "purchases"]))]
    #[serde(default)]
    include: Includes,
}

/// Show a member
///
/// One member with her foreign keys and her entitlements, by her own id or by another system's.
#[utoipa::path(get, path = "/v1/members/{id}", tag = "members", operation_id = "show_member",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        Shown),
    responses((status = 200, description = "The member; `ETag` is her version.", body = Member,
        headers(("ETag" = String, description = "Her version, for `If-Match`.")))))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
) -> Answer<Response> {
    let row = found(&state, &caller, &id).await?;
    let include = shown.include.and(Include::Entitlements);
    let engagement = engagement_of(&state, &caller, &row, &include).await?;
    let around = include.without(Include::Engagement);
    let mut around = Around::of(&state, &caller, slice::from_ref(&row), &around).await?;
    let mut member = around.show(row);
    member.engagement = engagement;
    let version = member.version.clone();
    let mut response = Json(member).into_response();
    tag(response.headers_mut(), &version);
    Ok(response)
}

/// Where she stands with everything, where that is wanted.
async fn engagement_of(
    state: &ApiState,
    caller: &Caller,
    row: &MemberRow,
    include: &Includes,
) -> Answer<Option<Engagement>> {
    if !include.has(Include::Engagement) {
        return Ok(None);
    }
    let (creator, deleted) = (row.creator_id.as_deref(), row.deleted_at.is_some());
    let organization = &caller.organization;
    let score = score(&state.env, organization, &row.id, creator, deleted).await?;
    Ok(Some(Engagement::whole(&score)))
}
