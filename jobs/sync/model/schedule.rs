//! Subscription schedules: what a subscription will become.

use serde_json::{Value, json};

use super::{created, first, id_at, list, number, text, time};
use crate::kernel::Timestamp;

/// A subscription schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// `sub_sched_…`
    pub id: String,
    /// `cus_…`
    pub customer_id: Option<String>,
    /// `sub_…`; the one it let go once it is released.
    pub subscription_id: Option<String>,
    /// `not_started`, `active`, `completed`, `released` or `canceled`.
    pub status: String,
    /// `cancel` or `release`.
    pub end_behavior: Option<String>,
    /// The phases, in order.
    pub phases: Vec<Phase>,
    /// Start of the present phase.
    pub current_phase_start: Option<Timestamp>,
    /// End of the present phase.
    pub current_phase_end: Option<Timestamp>,
    /// When it was cancelled.
    pub canceled_at: Option<Timestamp>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// When it was released.
    pub released_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A phase: what the subscription holds for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    start_date: Option<Timestamp>,
    end_date: Option<Timestamp>,
    trial_end: Option<Timestamp>,
    items: Vec<(String, i64)>,
}

impl Schedule {
    /// The phases as the table holds them.
    pub fn phases_json(&self) -> String {
        let phase = |phase: &Phase| {
            let item = |(price, quantity): &(String, i64)| json!({ "price_id": price, "quantity": quantity });
            json!({
                "start_date": phase.start_date, "end_date": phase.end_date, "trial_end": phase.trial_end,
                "items": phase.items.iter().map(item).collect::<Vec<_>>(),
            })
        };
        Value::from(self.phases.iter().map(phase).collect::<Vec<_>>()).to_string()
    }
}

/// A subscription schedule.
pub fn schedule(value: &Value) -> Option<Schedule> {
    Some(Schedule {
        id: text(value, "/id")?,
        customer_id: id_at(value, "/customer"),
        subscription_id: first(value, &["/subscription", "/released_subscription"], id_at),
        status: text(value, "/status").unwrap_or_default(),
        end_behavior: first(value, &["/end_behavior", "/renewal_behavior"], text),
        phases: list(value, "/phases").iter().map(phase).collect(),
        current_phase_start: time(value, "/current_phase/start_date"),
        current_phase_end: time(value, "/current_phase/end_date"),
        canceled_at: time(value, "/canceled_at"),
        completed_at: time(value, "/completed_at"),
        released_at: time(value, "/released_at"),
        created_at: created(value),
    })
}

fn phase(value: &Value) -> Phase {
    // Before 2020 the items of a phase were called its plans.
    let items = [list(value, "/items"), list(value, "/plans")].concat();
    let item = |item: &Value| {
        let price = first(item, &["/price", "/plan"], id_at)?;
        Some((price, number(item, "/quantity").unwrap_or(1)))
    };
    Phase {
        start_date: time(value, "/start_date"),
        end_date: time(value, "/end_date"),
        trial_end: time(value, "/trial_end"),
        items: items.iter().filter_map(item).collect(),
    }
}
