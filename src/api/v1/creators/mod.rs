//! Creators: those whose members they are, and to whom a key may be narrowed.

mod create;
mod list;
mod model;
mod show;
mod update;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

pub(super) use model::{CreatorId, creator_to_be};

const READ: Gate = Gate::Narrowed(Scope::MembersRead);
const WRITE: Gate = Gate::Scope(Scope::MembersWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let creating = [Code::InvalidRequest];
    let changing = [Code::NotFound, Code::InvalidRequest];
    OpenApiRouter::new()
        .routes(gated(READ, &[Code::InvalidCursor], routes!(list::list)))
        .routes(gated(READ, &[Code::NotFound], routes!(show::show)))
        .routes(gated(WRITE, &creating, routes!(create::create)))
        .routes(gated(WRITE, &changing, routes!(update::update)))
}
