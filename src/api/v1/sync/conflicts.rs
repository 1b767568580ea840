//! `GET /v1/sync/conflicts`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::conflicts::{self, Conflict},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Caller, Json, List, Page, Paging, Query, place};

/// A customer of Stripe's whose sources do not agree about whose it is.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct LinkConflict {
    /// The customer.
    #[schema(example = "cus_123")]
    customer_id: String,
    /// How they do not agree: `metadata_unknown`, `metadata_foreign`, `metadata_differs`, `foreign_key_differs`,
    /// `email_differs` or `email_taken`.
    #[schema(example = "email_taken")]
    kind: String,
    /// The member that the customer is linked to.
    member_id: Option<String>,
    /// The member that the other source names, in its own words.
    claimed: String,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    first_seen_at: Timestamp,
    /// When it was last seen.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
}

impl From<Conflict> for LinkConflict {
    fn from(row: Conflict) -> Self {
        Self {
            customer_id: row.customer_id,
            kind: row.kind,
            member_id: row.member_id,
            claimed: row.claimed,
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
        }
    }
}

/// List customers whose member is not plain
///
/// Customers whose metadata, foreign key and address do not agree, those first seen last first. Nothing was merged or
/// moved: correct the customer at Stripe or the member here, and the entry goes by itself, with the next event about the
/// customer or in the night.
#[utoipa::path(get, path = "/v1/sync/conflicts", tag = "sync", operation_id = "list_link_conflicts", params(Paging),
    responses((status = 200, description = "A page of conflicts.", body = Page<LinkConflict>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Answer<Json<Page<LinkConflict>>> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let list = List {
        name: "conflicts",
        organization,
    };
    let before = list.place(paging.cursor.as_ref())?;
    let before = before.as_ref().map(|(time, id)| (*time, id.as_str()));
    let rows = conflicts::list(db, organization, before, paging.limit.fetch()).await?;
    let page = list.page(
        rows,
        paging.limit,
        |row| {
            place(
                row.first_seen_at,
                &format!("{}/{}", row.customer_id, row.kind),
            )
        },
        LinkConflict::from,
    );
    Ok(Json(page))
}
