//! Keys of the organization: looking at them, making, rotating and revoking them.

mod create;
mod list;
mod model;
mod revoke;
mod rotate;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const GATE: Gate = Gate::Narrowed(Scope::KeysWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidCursor];
    let missing = [Code::NotFound];
    let unprocessable = [Code::InvalidRequest];
    OpenApiRouter::new()
        .routes(gated(GATE, &filters, routes!(list::list)))
        .routes(gated(GATE, &unprocessable, routes!(create::create)))
        .routes(gated(GATE, &missing, routes!(revoke::revoke)))
        .routes(gated(
            GATE,
            &[Code::NotFound, Code::InvalidRequest],
            routes!(rotate::rotate),
        ))
}
