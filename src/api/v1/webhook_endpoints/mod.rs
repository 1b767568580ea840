//! Webhook endpoints: the servers that hear what happened here.

mod create;
mod delete;
mod list;
mod model;
mod replay;
mod rotate_secret;
mod show;
mod test;
mod types;
mod update;

use memberd_jobs::{access::Scope, webhooks_out::Refused};
pub(super) use types::EventTypeWord;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, Problem, openapi::gated};

const GATE: Gate = Gate::Scope(Scope::WebhooksWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let pages = [Code::InvalidCursor];
    let missing = [Code::NotFound];
    let making = [
        Code::UrlNotAllowed,
        Code::WebhooksDisabled,
        Code::InvalidRequest,
    ];
    let changing = [Code::NotFound, Code::UrlNotAllowed];
    let rotating = [Code::NotFound, Code::WebhooksDisabled];
    let sending = [Code::NotFound, Code::InvalidRequest];
    OpenApiRouter::new()
        .routes(gated(GATE, &pages, routes!(list::list)))
        .routes(gated(GATE, &making, routes!(create::create)))
        .routes(gated(GATE, &missing, routes!(show::show)))
        .routes(gated(GATE, &changing, routes!(update::update)))
        .routes(gated(GATE, &missing, routes!(delete::delete)))
        .routes(gated(GATE, &sending, routes!(test::test)))
        .routes(gated(
            GATE,
            &rotating,
            routes!(rotate_secret::rotate_secret),
        ))
        .routes(gated(GATE, &sending, routes!(replay::replay)))
}

/// Why nothing is done, as a problem.
pub(super) fn refuse(why: &Refused) -> Problem {
    match why {
        Refused::NoKey | Refused::KeyMissing { .. } => {
            Problem::new(Code::WebhooksDisabled, why.to_string())
        }
        Refused::NoEndpoint(_) | Refused::NoDelivery(_) => {
            Problem::new(Code::NotFound, why.to_string())
        }
        Refused::TooMany | Refused::Disabled(_) => {
            Problem::new(Code::InvalidRequest, why.to_string()).unprocessable()
        }
    }
}
