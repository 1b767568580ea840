//! The rules of sending: when an attempt is repeated, when an endpoint is left alone, and what an event looks like outside.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kernel::{
    Timestamp, millis,
    ports::{Answer, SendError},
};

/// Pauses after the first attempt and each one that follows; after the last attempt nothing follows.
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, "Retry schedule".
pub const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// Share of a pause by which it may be shorter or longer, so that what failed together does not return together.
const JITTER: f64 = 0.1;

/// Longest rest that a receiver can ask for with `Retry-After`.
pub const REST_MAX: Duration = Duration::from_hours(1);

/// How long nothing but failures may come before an endpoint is disabled.
pub const FAILING_MAX: Duration = Duration::from_hours(5 * 24);

/// Bytes of a payload: what Standard Webhooks asks to stay below.
pub const PAYLOAD_BYTES_MAX: usize = 20_000;

/// The answer of a receiver that wants no more events, ever.
const GONE: u16 = 410;

/// Where a delivery is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// An attempt will be made.
    Pending,
    /// The receiver answered with a status from 200 to 299.
    Delivered,
    /// The last attempt failed.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The word in tables and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// Why an endpoint gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// Somebody said so.
    ByHand,
    /// It answered 410.
    Gone,
    /// Nothing but failures for [`FAILING_MAX`].
    Failing,
}

impl Disabled {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ByHand, Self::Gone, Self::Failing];

    /// The word in tables and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByHand => "by_hand",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// The one of some verdicts on attempts at the endpoint that disables it: the first 410, or the latest failure.
    pub fn decided_by<'a>(self, verdicts: &[&'a Verdict]) -> Option<&'a Verdict> {
        let mut verdicts = verdicts.iter().copied();
        match self {
            Self::ByHand => None,
            Self::Gone => verdicts.find(|one| one.gone),
            Self::Failing => verdicts.rfind(|one| one.tried),
        }
    }
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where the delivery is now.
    pub state: State,
    /// When the next attempt may be made, if there is one.
    pub due_at: Timestamp,
    /// The status of the answer.
    pub status: Option<u16>,
    /// What went wrong without one, in one word.
    pub error: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
    /// Whether the receiver was asked at all.
    pub tried: bool,
    /// Whether it counts for the attempts that are left.
    pub counts: bool,
    /// Whether the receiver wants no more events.
    pub gone: bool,
    /// Until when it asked to be left alone.
    pub rests_until: Option<Timestamp>,
}

impl Verdict {
    /// Judges the answer to the attempt that follows `attempts` others. `chance` from 0 to 1 is for the jitter.
    pub fn of(attempts: i64, answer: &Answer, now: Timestamp, chance: f64) -> Self {
        let status = answer.status.ok();
        let busy = matches!(status, Some(429 | 503));
        let rests_until = answer.retry_after.filter(|_| busy).map(|rest| now.plus(rest.min(REST_MAX)));
        let next = pause(attempts, chance).map(|pause| now.plus(pause));
        let gone = status == Some(GONE);
        let state = if answer.is_success() {
            State::Delivered
        } else if next.is_some() || gone {
            // What was answered with 410 waits until somebody enables the endpoint.
            State::Pending
        } else {
            State::Failed
        };
        Self {
            state,
            due_at: next.max(rests_until).unwrap_or(now),
            status,
            error: answer.status.err().map(SendError::as_str),
            took: answer.took,
            tried: true,
            counts: true,
            gone,
            rests_until,
        }
    }

    /// The endpoint has another URL by now, of which a failure at this one says nothing: the delivery is due there, with all
    /// its attempts before it.
    pub fn came_from_elsewhere(&mut self, now: Timestamp) {
        if self.tried && self.state != State::Delivered {
            (self.state, self.due_at, self.counts) = (State::Pending, now, false);
        }
    }

    /// Of what cannot be sent at all.
    pub const fn hopeless(why: &'static str, now: Timestamp) -> Self {
        Self {
            state: State::Failed,
            due_at: now,
            status: None,
            error: Some(why),
            took: Duration::ZERO,
            tried: false,
            counts: true,
            gone: false,
            rests_until: None,
        }
    }

    /// Milliseconds that the attempt took.
    pub fn took_ms(&self) -> i64 {
        millis(self.took)
    }
}

/// The pause before the next attempt, after one that followed `attempts` others. `None`: it was the last.
fn pause(attempts: i64, chance: f64) -> Option<Duration> {
    let pause = PAUSES.get(usize::try_from(attempts).ok()?)?;
    Some(pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0)))
}

/// Whether an endpoint has failed for so long that it is disabled.
pub fn has_failed_too_long(failing_since: Timestamp, now: Timestamp) -> bool {
    now.since(failing_since) >= FAILING_MAX
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `evt_…`
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The member it is about.
    pub member_id: Option<String>,
    /// Its number among the events of that member.
    pub sequence: Option<i64>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// JSON of ids and figures.
    pub data: String,
}

/// The body that receivers get; the same for every attempt, byte for byte. `None` when it is too large.
pub fn payload(event: &Told) -> Option<String> {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let body = json!({ "id": event.id, "type": event.kind, "occurred_at": event.occurred_at,
        "member_id": event.member_id, "sequence": event.sequence, "data": data });
    Some(body.to_string()).filter(|body| body.len() < PAYLOAD_BYTES_MAX)
}
