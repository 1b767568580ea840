//! Members: who they are, what they may use, and how their payments are mirrored.

mod access;
mod checkout;
mod create;
mod delete;
mod engagement;
mod fields;
mod grants;
mod include;
mod list;
mod model;
mod replace;
mod restore;
mod score;
mod show;
mod sync;
mod timeline;
mod update;
mod write;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::operations::PLACED;
use crate::api::{ApiState, Code, Gate, openapi::gated};

pub(in crate::api) use model::is_still_hers;
pub(super) use {model::is_hers, write::RACE_TRIES_MAX};

const READ: Gate = Gate::Narrowed(Scope::MembersRead);
const WRITE: Gate = Gate::Narrowed(Scope::MembersWrite);
const ORDER: Gate = Gate::Narrowed(Scope::SubscriptionsWrite);
const SCORES: Gate = Gate::Narrowed(Scope::EngagementRead);
/// How the links to Stripe are doing: it names other members with whom one is in conflict.
const SYNC: Gate = Gate::Scope(Scope::MembersRead);

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
    let creating = [Code::EmailTaken, Code::InvalidRequest];
    let editing = [
        Code::MemberNotFound,
        Code::EmailTaken,
        Code::PreconditionFailed,
        Code::InvalidRequest,
    ];
    let deleting = [Code::MemberNotFound, Code::PreconditionFailed];
    let restoring = [Code::MemberNotFound, Code::EmailTaken];
    OpenApiRouter::new()
        .routes(gated(READ, &filters, routes!(list::list)))
        .routes(gated(
            READ,
            &[Code::MemberNotFound, Code::InvalidFilter],
            routes!(show::show),
        ))
        .routes(gated(READ, &missing, routes!(access::access)))
        .routes(gated(SYNC, &missing, routes!(sync::sync)))
        .routes(gated(SCORES, &missing, routes!(score::score)))
        .routes(gated(
            SCORES,
            &[Code::MemberNotFound, Code::InvalidCursor],
            routes!(timeline::timeline),
        ))
        .routes(gated(ORDER, &checkout, routes!(checkout::checkout)))
        .routes(gated(WRITE, &creating, routes!(create::create)))
        .routes(gated(WRITE, &editing, routes!(replace::replace)))
        .routes(gated(WRITE, &editing, routes!(update::update)))
        .routes(gated(WRITE, &deleting, routes!(delete::delete)))
        .routes(gated(WRITE, &restoring, routes!(restore::restore)))
        .merge(grants::routes())
}
