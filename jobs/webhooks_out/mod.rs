//! Webhooks out: the servers of others hear what happened here, signed as Standard Webhooks asks for.
//!
//! **Written with the change.** Every family tells what happened with [`emit`](crate::kernel::events::emit), which writes
//! the event and, for each endpoint of the organization that wants its type, a delivery, in the transaction of the
//! change. What is rolled back is never sent; what is committed is.
//!
//! **Sent by one job for each endpoint** ([`DeliverDue`]), so that a slow one holds nobody up. The job is exclusive: no
//! two processes send to one endpoint at once, unless one of them has slept through its lease. It sends several
//! deliveries at once and writes down each answer as soon as it has come. Whatever a dead process had sent without writing
//! that down is sent again, with the same `webhook-id`.
//!
//! **Repeated over days** by the schedule in `model.rs`. An endpoint that answers 410, or nothing but failures for five
//! days, is disabled, and that is an event, too. What was pending then waits until somebody enables it.
//!
//! **No order is promised.** `occurred_at` and the member's `sequence` tell which of two events came first.

mod deliver_due;
mod endpoints;
mod hurry_pending;
pub mod model;
mod prune_history;
mod replay_events;
pub mod store;
mod tell_discarded;
mod wake_endpoints;
#[cfg(test)]
mod tests;

pub use deliver_due::AT_ONCE;
pub use endpoints::{
    Created, ENDPOINTS_MAX, Refused, TEST_EVENT, create, delete, enabled, resend, rotate, send_test,
    set_enabled, try_out, update,
};
pub use hurry_pending::HurryPending;
pub use prune_history::PruneHistory;
pub use replay_events::ReplayEvents;
pub use tell_discarded::TellDiscarded;
pub use wake_endpoints::WakeEndpoints;

pub use crate::kernel::events::DeliverDue;
use crate::kernel::{CatchUp, Family, JobDef, Schedule};

/// This family.
pub const FAMILY: Family = Family {
    name: "webhooks_out",
    jobs: &[
        JobDef::of::<DeliverDue>(),
        JobDef::of::<HurryPending>(),
        JobDef::of::<ReplayEvents>(),
        JobDef::of::<WakeEndpoints>(),
        JobDef::of::<TellDiscarded>(),
        JobDef::of::<PruneHistory>(),
    ],
    schedules: &[
        schedule("webhooks_out.wake_endpoints", "15 */5 * * * *"),
        schedule("webhooks_out.tell_discarded", "45 * * * * *"),
        schedule("webhooks_out.prune_history", "0 37 * * * *"),
    ],
    // Its tables hold ids of events, and no member's.
    data: &[],
};

const fn schedule(kind: &'static str, cron: &'static str) -> Schedule {
    Schedule {
        name: kind,
        kind,
        args: "{}",
        cron,
        timezone: "UTC",
        catch_up: CatchUp::One,
    }
}

/// Every type of event that memberd tells, in the order of the documentation, and what it is about.
pub const EVENT_TYPES: [(&str, &str); 13] = [
    ("audience.member_joined", "A member is new."),
    ("audience.member_upgraded", "A member pays for a tier that she did not pay for before, or for a dearer one."),
    ("audience.member_churned", "A member's last paid subscription is over."),
    ("audience.access_changed", "A member may see other products than before, whatever the reason."),
    ("audience.access_granted", "Somebody gave a member access that she does not pay for."),
    ("audience.access_revoked", "Such access was taken back."),
    ("audience.engagement_level_changed", "A member is more or less engaged than was last told: superfan, engaged, casual or inactive."),
    ("audience.milestone_reached", "A member's interactions or an audience's members have reached a milestone, for the first time."),
    ("audience.engagement_alert", "An audience does far less or far more than usual for the second day, or as usual again."),
    ("sync.drift_detected", "A reconciliation found the mirror of Stripe different, and mended it."),
    ("job.discarded", "A job failed for the last time; told within a minute."),
    ("webhook_endpoint.disabled", "An endpoint is sent nothing any more, because it answered 410 or failed for five days."),
    (TEST_EVENT, "Somebody asked for a test; only that endpoint hears of it."),
];

/// Whether memberd tells events of this type.
pub fn is_event_type(word: &str) -> bool {
    EVENT_TYPES.iter().any(|(known, _)| *known == word)
}
