//! How the mirror of Stripe is doing, and filling it anew.

mod backfill;
mod conflicts;
mod diff;
mod flags;
mod model;
mod reconcile;
mod show;

pub(super) use conflicts::LinkConflict;
use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Scope(Scope::SyncRead);
const WRITE: Gate = Gate::Scope(Scope::SyncWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let unprocessable = [Code::InvalidRequest];
    let pages = [Code::InvalidCursor];
    let lists = [Code::InvalidFilter, Code::InvalidCursor];
    OpenApiRouter::new()
        .routes(gated(READ, &[], routes!(show::show)))
        .routes(gated(READ, &pages, routes!(conflicts::list)))
        .routes(gated(READ, &lists, routes!(flags::list)))
        .routes(gated(READ, &unprocessable, routes!(diff::diff)))
        .routes(gated(WRITE, &unprocessable, routes!(backfill::backfill)))
        .routes(gated(WRITE, &unprocessable, routes!(reconcile::reconcile)))
}
