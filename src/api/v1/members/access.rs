//! `GET /v1/members/{id}/access`

use axum::extract::State;
use memberd_jobs::{
    entitlements::{access as rules, store as entitlements},
    kernel::Timestamp,
    sync,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    model::{Entitlement, found},
    sync::{Freshness, SyncWord},
};
use crate::api::{Answer, ApiState, Caller, Json, Path, Query, ReasonWord, Word};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Question {
    /// The product she wants to use; without it any product counts.
    #[param(example = "prod_gold")]
    product: Option<String>,
}

/// Whether a member may use something, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct AccessAnswer {
    /// The member.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: String,
    /// The product that was asked for; null: any.
    #[schema(example = "prod_gold")]
    product_id: Option<String>,
    /// Whether she may.
    allowed: bool,
    /// Why; never empty. New reasons may be added, so decide by `allowed`.
    reasons: Vec<ReasonWord>,
    /// The entitlements that decided.
    entitlements: Vec<Entitlement>,
    /// The next moment at which `allowed` changes by itself, as far as is known; null: at none.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_change_at: Option<Timestamp>,
    /// How long ago the oldest of what was decided by was known to be true at Stripe, in seconds; null when she has no
    /// customer there.
    #[schema(minimum = 0, example = 3.5)]
    synced_age_seconds: Option<f64>,
    /// How well her payments are mirrored, in one word; `GET …/sync` has the details.
    sync_state: SyncWord,
    /// How fresh it is.
    #[serde(flatten)]
    freshness: Freshness,
}

/// May a member use a product?
///
/// Answers yes or no, with the reasons, the rows that decided, when the answer changes next, and the age of what is
/// known from Stripe.
#[utoipa::path(get, path = "/v1/members/{id}/access", tag = "members", operation_id = "member_access",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"), Question),
    responses((status = 200, description = "The answer.", body = AccessAnswer)))]
pub(super) async fn access(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(question): Query<Question>,
) -> Answer<Json<AccessAnswer>> {
    let (db, organization, now) = (&state.env.db, &caller.organization, state.env.now());
    let member = found(&state, &caller, &id).await?;
    let deleted = member.deleted_at.is_some();
    let ids = [member.id];
    let rows = entitlements::of_members(db, organization, &ids).await?;
    let [member_id] = ids;
    let known = sync::standing(&state.env, organization, &member_id).await?;
    let freshness = Freshness::of(&known.standing);
    let answer = rules::access(rows, question.product.as_deref(), deleted, now);
    let shown = answer.rows.into_iter().map(|row| Entitlement::of(row, now));
    Ok(Json(AccessAnswer {
        member_id,
        product_id: question.product,
        allowed: answer.allowed,
        reasons: answer.reasons.into_iter().map(Word).collect(),
        entitlements: shown.collect(),
        next_change_at: answer.next_change_at,
        synced_age_seconds: known
            .standing
            .as_of()
            .map(|as_of| now.since(as_of).as_secs_f64()),
        sync_state: Word(known.state),
        freshness,
    }))
}
