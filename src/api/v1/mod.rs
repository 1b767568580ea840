//! Version 1: one folder for each group of routes, one file for each endpoint.

mod activity;
mod coupons;
mod creators;
mod engagement;
mod info;
mod interactions;
mod invoices;
mod jobs;
mod keys;
mod members;
mod nodes;
mod operations;
mod paying;
mod plans;
mod purchases;
mod queues;
mod schedules;
mod stripe_events;
mod subscriptions;
mod sync;
mod tiers;
mod tokens;
mod webhook_deliveries;
mod webhook_endpoints;

pub use engagement::EngagementAnalytics;
#[cfg(test)]
pub(super) use members::is_still_hers;
use utoipa_axum::router::OpenApiRouter;

use super::state::ApiState;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(info::routes())
        .merge(jobs::routes())
        .merge(queues::routes())
        .merge(schedules::routes())
        .merge(nodes::routes())
        .merge(members::routes())
        .merge(creators::routes())
        .merge(engagement::routes())
        .merge(tiers::routes())
        .merge(plans::routes())
        .merge(coupons::routes())
        .merge(subscriptions::routes())
        .merge(operations::routes())
        .merge(invoices::routes())
        .merge(purchases::routes())
        .merge(interactions::routes())
        .merge(sync::routes())
        .merge(stripe_events::routes())
        .merge(webhook_endpoints::routes())
        .merge(webhook_deliveries::routes())
        .merge(keys::routes())
        .merge(tokens::routes())
        .merge(activity::routes())
}
