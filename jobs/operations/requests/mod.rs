//! The requests themselves: which path, which form. Pure.

pub(super) mod catalog;

use serde::Serialize;

use super::model::{Kind, Request};
use crate::kernel::Timestamp;

/// What happens to the invoices of a subscription while it is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseBehavior {
    /// They are void: she owes nothing and has no access.
    Void,
    /// They wait to be collected later: she keeps her access.
    KeepAsDraft,
    /// They are given up: she has no access.
    MarkUncollectible,
}

impl PauseBehavior {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Void, Self::KeepAsDraft, Self::MarkUncollectible];

    /// Stripe's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::KeepAsDraft => "keep_as_draft",
            Self::MarkUncollectible => "mark_uncollectible",
        }
    }
}

/// What stands in the way of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Its trial ended without a payment method: Stripe's status is `paused`.
    Trial,
    /// Its collection is paused.
    Collection,
    /// It is going to be cancelled.
    Cancellation,
}

/// Cancels a subscription with its period, or now.
pub fn cancel(
    id: &str,
    at_period_end: bool,
    comment: Option<&str>,
    feedback: Option<&str>,
) -> Request {
    let mut form = Vec::new();
    if at_period_end {
        form.push(field("cancel_at_period_end", "true"));
    }
    if let Some(comment) = comment {
        form.push(field("cancellation_details[comment]", comment));
    }
    if let Some(feedback) = feedback {
        form.push(field("cancellation_details[feedback]", feedback));
    }
    Request {
        // Stripe takes no metadata with DELETE, and no second DELETE: the state tells whether it has happened.
        delete: !at_period_end,
        stamped: at_period_end,
        form,
        ..subscription(Kind::CancelSubscription, id)
    }
}

/// Stops collecting, until a moment if there is one.
pub fn pause(id: &str, behavior: PauseBehavior, resumes_at: Option<Timestamp>) -> Request {
    let mut form = vec![field("pause_collection[behavior]", behavior.as_str())];
    if let Some(at) = resumes_at {
        form.push(field(
            "pause_collection[resumes_at]",
            &at.seconds().to_string(),
        ));
    }
    Request {
        form,
        ..subscription(Kind::PauseSubscription, id)
    }
}

/// Takes away what stands in the way.
pub fn resume(id: &str, what: Resume) -> Request {
    let request = subscription(Kind::ResumeSubscription, id);
    match what {
        Resume::Trial => Request {
            path: format!("{}/resume", request.path),
            stamped: false,
            ..request
        },
        Resume::Collection => Request {
            form: vec![field("pause_collection", "")],
            ..request
        },
        Resume::Cancellation => Request {
            form: vec![field("cancel_at_period_end", "false")],
            ..request
        },
    }
}

fn subscription(kind: Kind, id: &str) -> Request {
    Request {
        kind,
        delete: false,
        path: format!("/subscriptions/{id}"),
        form: Vec::new(),
        object_type: "subscription",
        object_id: Some(id.to_owned()),
        stamped: true,
    }
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
