//! Purchases: what members have paid.

mod list;
mod model;

pub(super) use model::Purchase;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let gate = Gate::Narrowed(Scope::InvoicesRead);
    OpenApiRouter::new().routes(gated(gate, &[Code::InvalidCursor], routes!(list::list)))
}
