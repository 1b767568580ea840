//! Plans: Stripe's prices, by which tiers are sold.

mod archive;
mod create;
mod fields;
mod list;
mod update;

pub(super) use fields::{Amount, CurrencyCode, IntervalWord};
use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::operations::PLACED;
use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Narrowed(Scope::InvoicesRead);
const WRITE: Gate = Gate::Scope(Scope::SubscriptionsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let codes: Vec<Code> = PLACED.into_iter().chain([Code::InvalidTier]).collect();
    OpenApiRouter::new()
        .routes(gated(READ, &[Code::InvalidCursor], routes!(list::list)))
        .routes(gated(WRITE, &codes, routes!(create::create)))
        .routes(gated(WRITE, &PLACED, routes!(update::update)))
        .routes(gated(WRITE, &PLACED, routes!(archive::archive)))
}
