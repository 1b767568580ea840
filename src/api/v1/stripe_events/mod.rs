//! What Stripe told us, and what became of it.

mod list;
mod replay;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Scope(Scope::SyncRead);
const WRITE: Gate = Gate::Scope(Scope::SyncWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidFilter, Code::InvalidCursor];
    OpenApiRouter::new()
        .routes(gated(READ, &filters, routes!(list::list)))
        .routes(gated(WRITE, &[Code::NotFound], routes!(replay::replay)))
}
