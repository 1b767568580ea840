//! Tiers: Stripe's products as members see them.

mod archive;
mod create;
mod fields;
mod list;
mod model;
mod update;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::operations::PLACED;
use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Narrowed(Scope::MembersRead);
const WRITE: Gate = Gate::Scope(Scope::MembersWrite);
const ORDER: Gate = Gate::Scope(Scope::SubscriptionsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(gated(READ, &[Code::InvalidCursor], routes!(list::list)))
        .routes(gated(WRITE, &PLACED, routes!(update::update)))
        .routes(gated(ORDER, &PLACED, routes!(create::create)))
        .routes(gated(ORDER, &PLACED, routes!(archive::archive)))
}
