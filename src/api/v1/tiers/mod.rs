//! Tiers: Stripe's products as members see them.

mod list;
mod model;
mod update;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Scope(Scope::MembersRead);
const WRITE: Gate = Gate::Scope(Scope::MembersWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(gated(READ, &[Code::InvalidCursor], routes!(list::list)))
        .routes(gated(WRITE, &[Code::NotFound], routes!(update::update)))
}
