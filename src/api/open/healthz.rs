//! `GET /healthz`

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Json, NoQuery};

/// The process answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process answers
///
/// Touches nothing: it is true as long as requests are served. Whether work can be done is `/readyz`.
#[utoipa::path(get, path = "/healthz", tag = "open", operation_id = "healthz",
    responses((status = 200, description = "The process answers.", body = Health)))]
pub(super) async fn healthz(_: NoQuery) -> Json<Health> {
    Json(Health { status: "ok" })
}
