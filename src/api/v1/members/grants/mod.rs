//! Access that nobody pays for here: giving it, taking it back, looking at it.

mod create;
mod list;
mod model;
mod revoke;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Narrowed(Scope::MembersRead);
const GRANT: Gate = Gate::Narrowed(Scope::AccessGrant);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let pages = [Code::MemberNotFound, Code::InvalidCursor];
    let granting = [
        Code::MemberNotFound,
        Code::InvalidTier,
        Code::InvalidRequest,
    ];
    let revoking = [Code::MemberNotFound, Code::NotFound];
    OpenApiRouter::new()
        .routes(gated(READ, &pages, routes!(list::list)))
        .routes(gated(GRANT, &granting, routes!(create::create)))
        .routes(gated(GRANT, &revoking, routes!(revoke::revoke)))
}
