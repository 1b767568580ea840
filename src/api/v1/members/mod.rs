//! Members: who they are, what they may use, and how their payments are mirrored.

mod access;
mod list;
mod model;
mod show;
mod sync;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Scope(Scope::MembersRead);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidFilter, Code::InvalidCursor];
    let missing = [Code::MemberNotFound];
    OpenApiRouter::new()
        .routes(gated(READ, &filters, routes!(list::list)))
        .routes(gated(READ, &missing, routes!(show::show)))
        .routes(gated(READ, &missing, routes!(access::access)))
        .routes(gated(READ, &missing, routes!(sync::sync)))
}
