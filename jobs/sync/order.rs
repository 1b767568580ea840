//! Which of two states of an object is the newer one, as far as that can be known. Pure.
//!
//! An event carries its object as it was when the event was made, dated in whole seconds. What we hold was true at some
//! moment between two seconds: that of our question and that of Stripe's answer, or the one second of an event. So an
//! event of a later second is newer, one of an earlier second is older, and of one in between nobody can tell for sure:
//! then the likelier one stands and the object is fetched, once for all such events.
//!
//! A tie with an equal object needs no fetch: if every event of these seconds is equal to what we hold, so is the last of
//! them; if one is not, that one asks.

use serde_json::Value;

use super::model;
use crate::kernel::{Timestamp, ports::ObjectType};

/// What an event did to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// `*.created`: whatever else is known of the same second came after it.
    Created,
    /// Anything else.
    Changed,
    /// `*.deleted`: nothing comes after it.
    Deleted,
}

impl Change {
    /// By the event's type: its last word tells.
    pub(super) fn of(event: &str) -> Self {
        match event.rsplit_once('.').map(|parts| parts.1) {
            Some("created") => Self::Created,
            Some("deleted") => Self::Deleted,
            _ => Self::Changed,
        }
    }
}

/// What we hold of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    /// The second in which, or after which, it was true.
    pub(super) as_of: Timestamp,
    /// The second in which, or before which, it was true.
    pub(super) until: Timestamp,
    /// Stripe's JSON.
    pub(super) value: &'a Value,
    /// Whether Stripe has told that it is gone for ever.
    pub(super) buried: bool,
}

/// An object as an event carries it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot<'a> {
    /// When the event was made.
    pub(super) created_at: Timestamp,
    /// What it did.
    pub(super) change: Change,
    /// The object, or its tombstone.
    pub(super) value: &'a Value,
    /// What the changed fields were before, if the event tells.
    pub(super) previous: Option<&'a Value>,
}

/// What to do with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is newer: write it.
    Newer,
    /// It is older, or equal to what is held: there is nothing to do.
    Known,
    /// Both can be of one second. It is likely the newer one: write it, and fetch.
    LikelyNewer,
    /// Both can be of one second. It is likely the older one: keep what is held, and fetch.
    LikelyOlder,
}

/// Compares a snapshot with what is held.
pub(super) fn compare(kind: ObjectType, held: Option<Held<'_>>, new: &Snapshot<'_>) -> Verdict {
    let Some(held) = held else { return Verdict::Newer };
    if held.buried || new.created_at < held.as_of {
        return Verdict::Known;
    }
    if new.created_at > held.until {
        return Verdict::Newer;
    }
    if held.value == new.value {
        return Verdict::Known;
    }
    let ended = |value: &Value| model::is_deleted(value) || is_final(kind, value);
    let follows = match new.change {
        Change::Deleted => true,
        Change::Created => false,
        Change::Changed => {
            !ended(held.value) && (ended(new.value) || new.previous.is_none_or(|it| within(it, held.value)))
        }
    };
    if follows && !model::is_deleted(held.value) { Verdict::LikelyNewer } else { Verdict::LikelyOlder }
}

/// Whether nothing leads out of the object's state.
fn is_final(kind: ObjectType, value: &Value) -> bool {
    let status = value.get("status").and_then(Value::as_str).unwrap_or_default();
    match kind {
        ObjectType::Subscription => matches!(status, "canceled" | "incomplete_expired"),
        ObjectType::Invoice => matches!(status, "paid" | "void"),
        _ => false,
    }
}

/// Whether the object has all these former values. A field that is new had none, which Stripe writes as null.
fn within(previous: &Value, object: &Value) -> bool {
    match (previous, object) {
        (Value::Object(fields), Value::Object(all)) => fields.iter().all(|(name, was)| {
            all.get(name).map_or_else(|| was.is_null(), |is| within(was, is))
        }),
        (Value::Array(was), Value::Array(are)) => {
            was.len() == are.len() && was.iter().zip(are).all(|(was, is)| within(was, is))
        }
        _ => previous == object,
    }
}
