//! Operations: what was written to Stripe, and what came of it.

mod list;
mod model;
mod place;
mod show;

use memberd_jobs::access::Scope;
pub(super) use model::Operation;
pub(super) use place::{PLACED, PlacedBody, decided, place, shown};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const WRITE: Gate = Gate::Narrowed(Scope::SubscriptionsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidFilter, Code::InvalidCursor];
    OpenApiRouter::new()
        .routes(gated(WRITE, &filters, routes!(list::list)))
        .routes(gated(WRITE, &[Code::NotFound], routes!(show::show)))
}
