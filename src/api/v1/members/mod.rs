//! Members: who they are, what they may use, and how their payments are mirrored.

mod access;
mod checkout;
mod grants;
mod include;
mod list;
mod model;
mod show;
mod sync;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::operations::PLACED;
use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Scope(Scope::MembersRead);
const ORDER: Gate = Gate::Scope(Scope::SubscriptionsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidFilter, Code::InvalidCursor];
    let missing = [Code::MemberNotFound];
    let checkout: Vec<Code> = PLACED
        .into_iter()
        .chain([
            Code::MemberNotFound,
            Code::AlreadySubscribed,
            Code::InvalidTier,
            Code::TierLimitReached,
            Code::PaymentFailed,
        ])
        .collect();
    OpenApiRouter::new()
        .routes(gated(READ, &filters, routes!(list::list)))
        .routes(gated(
            READ,
            &[Code::MemberNotFound, Code::InvalidFilter],
            routes!(show::show),
        ))
        .routes(gated(READ, &missing, routes!(access::access)))
        .routes(gated(READ, &missing, routes!(sync::sync)))
        .routes(gated(ORDER, &checkout, routes!(checkout::checkout)))
        .merge(grants::routes())
}
