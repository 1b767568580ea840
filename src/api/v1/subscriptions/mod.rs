//! Subscriptions as Stripe has them, and what can be done about them.

mod cancel;
mod list;
mod model;
mod pause;
mod resume;
mod show;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::operations::PLACED;
use crate::api::{ApiState, Code, Gate, openapi::gated};

pub(super) use model::found;

const READ: Gate = Gate::Narrowed(Scope::InvoicesRead);
const WRITE: Gate = Gate::Narrowed(Scope::SubscriptionsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidCursor];
    OpenApiRouter::new()
        .routes(gated(READ, &filters, routes!(list::list)))
        .routes(gated(READ, &[Code::NotFound], routes!(show::show)))
        .routes(gated(WRITE, &PLACED, routes!(cancel::cancel)))
        .routes(gated(WRITE, &PLACED, routes!(pause::pause)))
        .routes(gated(WRITE, &PLACED, routes!(resume::resume)))
}
