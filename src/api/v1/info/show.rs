//! `GET /v1/info`

use axum::extract::State;
use memberd_jobs::{access::Scope, kernel::Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{ApiState, Caller, Json, NoQuery, ScopeWord, Word};

/// This installation as the key sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct Info {
    /// Version of memberd.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The database: `sqlite` or `postgres`.
    #[schema(example = "sqlite")]
    database: &'static str,
    /// The version of Stripe's API that memberd speaks: create webhook endpoints with it, so that events need no request.
    #[schema(example = "2026-09-30.endive")]
    stripe_api_version: String,
    /// The daemon's time.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    time: Timestamp,
    /// The organization of the key.
    organization: Organization,
    /// The key of this request.
    key: KeyInfo,
}

/// An organization.
#[derive(Serialize, ToSchema)]
struct Organization {
    /// Its id.
    #[schema(example = "default")]
    id: String,
    /// Its name.
    #[schema(example = "The Example Times")]
    name: String,
    /// Whether it works on Stripe's live mode.
    livemode: bool,
}

/// What the key of this request may do.
#[derive(Serialize, ToSchema)]
struct KeyInfo {
    /// Its id.
    #[schema(example = "key_4fGh28Xq")]
    id: String,
    /// Its scopes.
    scopes: Vec<ScopeWord>,
    /// The creator whose members' rows alone it sees and touches.
    #[schema(example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    creator_id: Option<String>,
}

/// This installation and this key
///
/// Version, time, the organization the key belongs to, and what the key may do.
#[utoipa::path(get, path = "/v1/info", tag = "info", operation_id = "info",
    responses((status = 200, description = "The installation.", body = Info)))]
pub(super) async fn show(State(state): State<ApiState>, caller: Caller, _: NoQuery) -> Json<Info> {
    let organization = state.env.settings.organizations.get(&caller.organization);
    Json(Info {
        version: state.version,
        database: state.env.db.engine(),
        stripe_api_version: state.env.stripe.api_version().to_owned(),
        time: state.env.now(),
        organization: Organization {
            name: organization.map_or_else(String::new, |known| known.name.clone()),
            livemode: organization.is_some_and(|known| known.livemode),
            id: caller.organization,
        },
        key: KeyInfo {
            id: caller.key_id,
            scopes: caller.scopes.iter().map(Word::<Scope>).collect(),
            creator_id: caller.creator,
        },
    })
}
