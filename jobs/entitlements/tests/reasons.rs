//! The answer to the question of access: reasons, rows, and the next change.

use crate::{
    entitlements::{
        access::{Reason, access},
        store::EntitlementRow,
    },
    kernel::Timestamp,
};

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
        resumes_at: None,
        resumed_until: None,
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
        (0, Some(101), Some("trial"), Reason::Trialing),
        (0, None, Some("collection_paused"), Reason::Tolerated),
        (10_000_000, None, None, Reason::NotStarted),
        (0, Some(100), Some("cancels"), Reason::Canceled),
        (0, Some(50), Some("canceled"), Reason::Canceled),
        (0, Some(50), Some("past_due"), Reason::PastDue),
        (0, Some(50), Some("unpaid"), Reason::Unpaid),
        (0, Some(50), Some("collection_paused"), Reason::Paused),
        (0, Some(50), Some("trial"), Reason::TrialEnded),
        (0, Some(0), Some("incomplete"), Reason::Incomplete),
        (0, Some(0), Some("incomplete_expired"), Reason::IncompleteExpired),
        (0, Some(0), Some("unknown_status"), Reason::UnknownStatus),
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
    assert_eq!((other.allowed, other.reasons), (false, vec![Reason::OtherProduct]));
    let past = vec![row("a", 0, Some(50), Some("canceled"))];
    assert_eq!(access(past, Some("b"), false, NOW).reasons, [Reason::OtherProduct]);
    let none = access(Vec::new(), None, false, NOW);
    assert_eq!((none.allowed, none.reasons), (false, vec![Reason::NoEntitlement]));
    assert!(access(rows.clone(), None, false, NOW).allowed);
    let deleted = access(rows, Some("a"), true, NOW);
    assert_eq!((deleted.allowed, deleted.reasons), (false, vec![Reason::MemberDeleted]));
}

#[test]
fn grants_give_reasons_of_their_own() {
    for (kind, until, note, expected) in [
        ("complimentary", None, None, Reason::Complimentary),
        ("gift", Some(101), None, Reason::Gift),
        ("extension", Some(101), None, Reason::Extended),
        ("gift", Some(100), None, Reason::GrantEnded),
        ("complimentary", Some(99), Some("revoked"), Reason::GrantRevoked),
    ] {
        let mut row = row("a", 0, until, note);
        row.source_kind = kind.to_owned();
        assert_eq!(access(vec![row], None, false, NOW).reasons, [expected]);
    }
    // Taken back before it began: it will not begin any more.
    let mut never = row("a", 200, Some(200), Some("revoked"));
    never.source_kind = "gift".to_owned();
    assert_eq!(access(vec![never], None, false, NOW).reasons, [Reason::GrantRevoked]);
}

#[test]
fn the_next_change_is_the_next_moment_with_another_answer() {
    let next = |rows: Vec<EntitlementRow>| access(rows, None, false, NOW).next_change_at.map(|at| at.0);
    assert_eq!(next(vec![row("a", 0, None, None)]), None);
    assert_eq!(next(vec![row("a", 0, Some(150), None)]), Some(150));
    // Another one goes on when the first ends.
    assert_eq!(next(vec![row("a", 0, Some(150), None), row("b", 0, Some(200), None)]), Some(200));
    assert_eq!(next(vec![row("a", 0, Some(50), None)]), None);
    let mut paused = row("a", 0, Some(50), Some("collection_paused"));
    paused.resumes_at = Some(Timestamp(300));
    assert_eq!(next(vec![paused.clone()]), Some(300));
    let resumed = access(vec![paused], None, false, Timestamp(300));
    assert_eq!((resumed.allowed, resumed.reasons), (true, vec![Reason::Entitled]));
}

#[test]
fn the_reasons_are_documented_with_these_words() {
    let page = include_str!("../../../docs/access.md");
    let listed: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | yes |").or(line.strip_prefix("| `")?.split_once("` | no |")))
        .map(|(word, _)| word)
        .collect();
    let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(listed, known);
    assert!(Reason::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].allows() >= pair[1].allows()));
}
