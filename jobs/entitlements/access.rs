//! Whether a member may use something, and why. Pure.

use super::store::EntitlementRow;
use crate::kernel::Timestamp;

/// Why a member may or may not use something. Callers decide by these words, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Allowed: there is an entitlement without an end.
    Entitled,
    /// Allowed until a cancellation takes effect.
    Ending,
    /// Allowed for the grace after a failed payment.
    Grace,
    /// Not allowed: it has not begun.
    NotStarted,
    /// Not allowed: the subscription was cancelled.
    Canceled,
    /// Not allowed: the grace after a failed payment is over.
    PastDue,
    /// Not allowed: invoices are unpaid.
    Unpaid,
    /// Not allowed: the subscription is paused.
    Paused,
    /// Not allowed: it ended for another reason.
    Expired,
    /// Not allowed: there never was an entitlement.
    NoEntitlement,
    /// Not allowed: the member is deleted.
    MemberDeleted,
}

impl Reason {
    /// All reasons; the ones that allow come first.
    pub const ALL: [Self; 11] = [
        Self::Entitled,
        Self::Ending,
        Self::Grace,
        Self::NotStarted,
        Self::Canceled,
        Self::PastDue,
        Self::Unpaid,
        Self::Paused,
        Self::Expired,
        Self::NoEntitlement,
        Self::MemberDeleted,
    ];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entitled => "entitled",
            Self::Ending => "ending",
            Self::Grace => "grace",
            Self::NotStarted => "not_started",
            Self::Canceled => "canceled",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::NoEntitlement => "no_entitlement",
            Self::MemberDeleted => "member_deleted",
        }
    }

    /// Whether it is a reason to allow.
    pub const fn allows(self) -> bool {
        matches!(self, Self::Entitled | Self::Ending | Self::Grace)
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
}

/// Decides over a member's entitlements at `now`; with a product only that product's count.
pub fn access(
    entitlements: Vec<EntitlementRow>,
    product: Option<&str>,
    deleted: bool,
    now: Timestamp,
) -> Access {
    if deleted {
        return Access { allowed: false, reasons: vec![Reason::MemberDeleted], rows: Vec::new() };
    }
    let mut rows: Vec<_> = entitlements
        .into_iter()
        .filter(|row| product.is_none_or(|product| row.product_id == product))
        .collect();
    let allowed = rows.iter().any(|row| row.is_active(now));
    if allowed {
        rows.retain(|row| row.is_active(now));
    }
    let mut reasons: Vec<_> = rows.iter().map(|row| reason(row, now)).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() {
        reasons.push(Reason::NoEntitlement);
    }
    Access { allowed, reasons, rows }
}

fn reason(row: &EntitlementRow, now: Timestamp) -> Reason {
    let note = row.note.as_deref();
    if row.is_active(now) {
        return match note {
            Some("past_due") => Reason::Grace,
            Some("cancels") => Reason::Ending,
            _ => Reason::Entitled,
        };
    }
    if now < row.started_at {
        return Reason::NotStarted;
    }
    match note {
        Some("cancels" | "canceled") => Reason::Canceled,
        Some("past_due") => Reason::PastDue,
        Some("unpaid") => Reason::Unpaid,
        Some("paused" | "collection_paused") => Reason::Paused,
        _ => Reason::Expired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(100);

    fn row(product: &str, from: i64, until: Option<i64>, note: Option<&str>) -> EntitlementRow {
        EntitlementRow {
            id: "ent_1".to_owned(),
            member_id: "mem_1".to_owned(),
            product_id: product.to_owned(),
            product_name: None,
            source_kind: "subscription".to_owned(),
            source_id: "sub_1".to_owned(),
            started_at: Timestamp(from),
            ended_at: until.map(Timestamp),
            note: note.map(str::to_owned),
            created_at: NOW,
            updated_at: NOW,
        }
    }

    #[test]
    fn each_row_gives_its_reason() {
        for (from, until, note, expected) in [
            (0, None, None, Reason::Entitled),
            (0, Some(101), Some("cancels"), Reason::Ending),
            (0, Some(101), Some("past_due"), Reason::Grace),
            (101, None, None, Reason::NotStarted),
            (0, Some(100), Some("cancels"), Reason::Canceled),
            (0, Some(50), Some("canceled"), Reason::Canceled),
            (0, Some(50), Some("past_due"), Reason::PastDue),
            (0, Some(50), Some("unpaid"), Reason::Unpaid),
            (0, Some(50), Some("collection_paused"), Reason::Paused),
            (0, Some(50), None, Reason::Expired),
        ] {
            let access = access(vec![row("a", from, until, note)], Some("a"), false, NOW);
            assert_eq!(access.reasons, [expected]);
            assert_eq!(access.allowed, expected.allows());
            assert_eq!(access.rows.len(), 1);
        }
    }

    #[test]
    fn what_allows_outweighs_what_does_not() {
        let rows = vec![row("a", 0, Some(50), Some("canceled")), row("a", 60, None, None)];
        let both = access(rows.clone(), Some("a"), false, NOW);
        assert!(both.allowed);
        assert_eq!((both.reasons, both.rows.len()), (vec![Reason::Entitled], 1));
        let other = access(rows.clone(), Some("b"), false, NOW);
        assert_eq!((other.allowed, other.reasons), (false, vec![Reason::NoEntitlement]));
        assert!(access(rows.clone(), None, false, NOW).allowed);
        let deleted = access(rows, Some("a"), true, NOW);
        assert_eq!((deleted.allowed, deleted.reasons), (false, vec![Reason::MemberDeleted]));
    }
}
