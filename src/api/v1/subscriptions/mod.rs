//! Subscriptions as Stripe has them.

mod list;
mod model;
mod show;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Scope(Scope::InvoicesRead);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidCursor];
    OpenApiRouter::new()
        .routes(gated(READ, &filters, routes!(list::list)))
        .routes(gated(READ, &[Code::NotFound], routes!(show::show)))
}
