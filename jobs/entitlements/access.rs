//! Whether a member may use something, why, and until when that is sure. Pure.

use super::{model::Source, store::EntitlementRow};
use crate::kernel::Timestamp;

/// Why a member may or may not use something. Callers decide by these words, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Allowed: a subscription is paid, and no end is planned.
    Entitled,
    /// Allowed: on trial.
    Trialing,
    /// Allowed until a planned end.
    Ending,
    /// Allowed for the grace after a failed payment.
    Grace,
    /// Allowed although collection is paused or the first payment pending: the policy says so.
    Tolerated,
    /// Allowed: free access was granted.
    Complimentary,
    /// Allowed: somebody gave it to her.
    Gift,
    /// Allowed: a subscription that is over was prolonged.
    Extended,
    /// Not allowed: it has not begun.
    NotStarted,
    /// Not allowed: the first payment is pending.
    Incomplete,
    /// Not allowed: the first payment never came.
    IncompleteExpired,
    /// Not allowed: the trial is over, and nothing has followed.
    TrialEnded,
    /// Not allowed: the subscription was cancelled.
    Canceled,
    /// Not allowed: the grace after a failed payment is over.
    PastDue,
    /// Not allowed: invoices are unpaid, and Stripe tries no more.
    Unpaid,
    /// Not allowed: the subscription, or its collection, is paused.
    Paused,
    /// Not allowed: it ended for another reason.
    Expired,
    /// Not allowed: what was granted is over.
    GrantEnded,
    /// Not allowed: what was granted was taken back.
    GrantRevoked,
    /// Not allowed: Stripe's status is a word that memberd does not know.
    UnknownStatus,
    /// Not allowed: what she has, or had, is for other products.
    OtherProduct,
    /// Not allowed: there never was an entitlement.
    NoEntitlement,
    /// Not allowed: the member is deleted.
    MemberDeleted,
}

impl Reason {
    /// All reasons; the ones that allow come first.
    pub const ALL: [Self; 23] = [
        Self::Entitled,
        Self::Trialing,
        Self::Ending,
        Self::Grace,
        Self::Tolerated,
        Self::Complimentary,
        Self::Gift,
        Self::Extended,
        Self::NotStarted,
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::TrialEnded,
        Self::Canceled,
        Self::PastDue,
        Self::Unpaid,
        Self::Paused,
        Self::Expired,
        Self::GrantEnded,
        Self::GrantRevoked,
        Self::UnknownStatus,
        Self::OtherProduct,
        Self::NoEntitlement,
        Self::MemberDeleted,
    ];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entitled => "entitled",
            Self::Trialing => "trialing",
            Self::Ending => "ending",
            Self::Grace => "grace",
            Self::Tolerated => "tolerated",
            Self::Complimentary => "complimentary",
            Self::Gift => "gift",
            Self::Extended => "extended",
            Self::NotStarted => "not_started",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::TrialEnded => "trial_ended",
            Self::Canceled => "canceled",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::GrantEnded => "grant_ended",
            Self::GrantRevoked => "grant_revoked",
            Self::UnknownStatus => "unknown_status",
            Self::OtherProduct => "other_product",
            Self::NoEntitlement => "no_entitlement",
            Self::MemberDeleted => "member_deleted",
        }
    }

    /// What it says, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Entitled => "a subscription is paid, and no end is planned",
            Self::Trialing => "she is on trial",
            Self::Ending => "access has a planned end",
            Self::Grace => "a payment failed, and its grace is not over",
            Self::Tolerated => "collection is paused or a payment pending, and the policy allows access",
            Self::Complimentary => "free access was granted",
            Self::Gift => "somebody gave it to her",
            Self::Extended => "a subscription that is over was prolonged",
            Self::NotStarted => "it has not begun",
            Self::Incomplete => "the first payment is pending",
            Self::IncompleteExpired => "the first payment never came",
            Self::TrialEnded => "the trial is over, and nothing has followed",
            Self::Canceled => "the subscription was cancelled",
            Self::PastDue => "a payment failed, and its grace is over",
            Self::Unpaid => "invoices are unpaid, and Stripe tries no more",
            Self::Paused => "the subscription, or its collection, is paused",
            Self::Expired => "access is over",
            Self::GrantEnded => "what was granted is over",
            Self::GrantRevoked => "what was granted was taken back",
            Self::UnknownStatus => "Stripe's status is a word that memberd does not know",
            Self::OtherProduct => "what she has, or had, is for other products",
            Self::NoEntitlement => "she never had a subscription or a grant",
            Self::MemberDeleted => "the member is deleted",
        }
    }

    /// Whether it is a reason to allow.
    pub fn allows(self) -> bool {
        self < Self::NotStarted
    }
}

/// The answer to the question of access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether the member may.
    pub allowed: bool,
    /// Why, in the order of [`Reason::ALL`]; never empty.
    pub reasons: Vec<Reason>,
    /// The entitlements that decided: those that allow, or all that could have.
    pub rows: Vec<EntitlementRow>,
    /// The next moment at which `allowed` changes, as far as is known; `None`: at none.
    pub next_change_at: Option<Timestamp>,
}

/// Decides over a member's entitlements at `now`; with a product only that product's count.
pub fn access(
    entitlements: Vec<EntitlementRow>,
    product: Option<&str>,
    deleted: bool,
    now: Timestamp,
) -> Access {
    if deleted {
        return Access {
            allowed: false,
            reasons: vec![Reason::MemberDeleted],
            rows: Vec::new(),
            next_change_at: None,
        };
    }
    let others = !entitlements.is_empty();
    let mut rows: Vec<_> = entitlements
        .into_iter()
        .filter(|row| product.is_none_or(|product| row.product_id == product))
        .collect();
    let allowed = allows(&rows, now);
    let next_change_at = next_change(&rows, allowed, now);
    if allowed {
        rows.retain(|row| row.is_active(now));
    }
    let mut reasons: Vec<_> = rows.iter().map(|row| reason(row, now)).collect();
    if reasons.is_empty() {
        reasons.push(if others { Reason::OtherProduct } else { Reason::NoEntitlement });
    }
    reasons.sort_unstable();
    reasons.dedup();
    Access { allowed, reasons, rows, next_change_at }
}

fn allows(rows: &[EntitlementRow], at: Timestamp) -> bool {
    rows.iter().any(|row| row.is_active(at))
}

/// The first edge after `now` at which the answer is another one.
fn next_change(rows: &[EntitlementRow], allowed: bool, now: Timestamp) -> Option<Timestamp> {
    let edges = rows.iter().flat_map(|row| row.spans().edges(row.source()));
    let mut ahead: Vec<_> = edges.filter(|edge| *edge > now).collect();
    ahead.sort_unstable();
    ahead.into_iter().find(|edge| allows(rows, *edge) != allowed)
}

fn reason(row: &EntitlementRow, now: Timestamp) -> Reason {
    if row.is_active(now) { why_allowed(row, now) } else { why_not(row, now) }
}

fn why_allowed(row: &EntitlementRow, now: Timestamp) -> Reason {
    if row.resumes_at.is_some_and(|from| from <= now) {
        return if row.resumed_until.is_some() { Reason::Ending } else { Reason::Entitled };
    }
    match (row.source(), row.note.as_deref()) {
        (Source::Complimentary, _) => Reason::Complimentary,
        (Source::Gift, _) => Reason::Gift,
        (Source::Extension, _) => Reason::Extended,
        (_, Some("past_due" | "unpaid")) => Reason::Grace,
        (_, Some("paused" | "collection_paused" | "incomplete" | "incomplete_expired")) => {
            Reason::Tolerated
        }
        (_, Some("trial")) => Reason::Trialing,
        (_, Some("cancels" | "canceled")) => Reason::Ending,
        _ => Reason::Entitled,
    }
}

fn why_not(row: &EntitlementRow, now: Timestamp) -> Reason {
    match (row.source(), row.note.as_deref()) {
        (_, Some("revoked")) => Reason::GrantRevoked,
        _ if row.spans().is_ahead(row.source(), now) => Reason::NotStarted,
        (Source::Subscription, Some("cancels" | "canceled")) => Reason::Canceled,
        (Source::Subscription, Some("past_due")) => Reason::PastDue,
        (Source::Subscription, Some("unpaid")) => Reason::Unpaid,
        (Source::Subscription, Some("paused" | "collection_paused")) => Reason::Paused,
        (Source::Subscription, Some("trial")) => Reason::TrialEnded,
        (Source::Subscription, Some("incomplete")) => Reason::Incomplete,
        (Source::Subscription, Some("incomplete_expired")) => Reason::IncompleteExpired,
        (Source::Subscription, Some("unknown_status")) => Reason::UnknownStatus,
        (Source::Subscription, _) => Reason::Expired,
        _ => Reason::GrantEnded,
    }
}
