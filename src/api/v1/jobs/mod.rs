//! Jobs: looking at them, enqueuing, retrying, cancelling.

mod bulk;
mod cancel;
mod counts;
mod create;
mod kinds;
mod list;
mod model;
mod retry;
mod show;

use memberd_jobs::access::Scope;
pub(super) use model::{Job, enqueue, kept, shown};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Scope(Scope::JobsRead);
const WRITE: Gate = Gate::Scope(Scope::JobsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidFilter, Code::InvalidCursor];
    let refusals = [Code::JobNotFound, Code::JobRunning, Code::JobFinal];
    let unprocessable = [Code::InvalidRequest];
    let expected = [Code::PreconditionFailed];
    OpenApiRouter::new()
        .routes(gated(READ, &filters, routes!(list::list)))
        .routes(gated(READ, &[], routes!(counts::counts)))
        .routes(gated(READ, &[], routes!(kinds::kinds)))
        .routes(gated(READ, &[Code::JobNotFound], routes!(show::show)))
        .routes(gated(WRITE, &unprocessable, routes!(create::create)))
        .routes(gated(WRITE, &refusals, routes!(retry::retry)))
        .routes(gated(
            WRITE,
            &[Code::JobNotFound, Code::JobFinal],
            routes!(cancel::cancel),
        ))
        .routes(gated(WRITE, &expected, routes!(bulk::bulk)))
}
