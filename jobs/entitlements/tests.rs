//! The policy table line by line, and the laws of the difference.

use std::time::Duration;

use proptest::prelude::*;

use super::model::{
    ItemFacts, Present, SubscriptionFacts, billing_status, diff, monthly_amount, tier, transition,
    wanted,
};
use crate::{kernel::Timestamp, members::BillingStatus};

const GRACE: Duration = Duration::from_hours(7 * 24);

fn subscription(status: &str) -> SubscriptionFacts {
    SubscriptionFacts {
        id: "sub_1".to_owned(),
        status: status.to_owned(),
        started_at: Timestamp(1_000),
        period_start: Some(Timestamp(5_000)),
        period_end: Some(Timestamp(9_000)),
        items: vec![ItemFacts { product_id: "prod_a".to_owned(), monthly_amount: 500 }],
        ..SubscriptionFacts::default()
    }
}

/// The ends of what a subscription gives: none at all, or one that may be open.
fn ends_of(subscription: &SubscriptionFacts) -> Vec<Option<i64>> {
    wanted(subscription, GRACE).iter().map(|want| want.ended_at.map(|end| end.0)).collect()
}

#[test]
fn each_status_ends_access_where_the_table_says() {
    let grace = i64::try_from(GRACE.as_millis()).unwrap();
    for (status, end) in [
        ("active", vec![None]),
        ("trialing", vec![None]),
        ("past_due", vec![Some(5_000 + grace)]),
        ("unpaid", vec![Some(5_000)]),
        ("paused", vec![Some(5_000)]),
        ("canceled", vec![Some(5_000)]),
        ("incomplete", vec![]),
        ("incomplete_expired", vec![]),
        ("a_word_of_next_year", vec![]),
    ] {
        assert_eq!(ends_of(&subscription(status)), end, "{status}");
    }
}

#[test]
fn a_cancellation_ends_access_when_it_takes_effect() {
    let mut sub = subscription("active");
    sub.cancel_at_period_end = true;
    assert_eq!(ends_of(&sub), vec![Some(9_000)]);
    sub.cancel_at = Some(Timestamp(7_000));
    assert_eq!(ends_of(&sub), vec![Some(7_000)]);
    let mut sub = subscription("canceled");
    sub.ended_at = Some(Timestamp(6_000));
    assert_eq!(ends_of(&sub), vec![Some(6_000)]);
}

#[test]
fn paused_collection_keeps_access_only_where_it_is_collected_later() {
    let mut sub = subscription("active");
    sub.pause_behavior = Some("keep_as_draft".to_owned());
    assert_eq!(ends_of(&sub), vec![None]);
    sub.pause_behavior = Some("void".to_owned());
    assert_eq!(ends_of(&sub), vec![Some(5_000)]);
    assert_eq!(billing_status(&[sub]), BillingStatus::Paused);
}

#[test]
fn the_best_subscription_counts_and_the_dearest_product_is_the_tier() {
    let mut dear = subscription("active");
    dear.items.push(ItemFacts { product_id: "prod_b".to_owned(), monthly_amount: 900 });
    dear.items.push(ItemFacts { product_id: "prod_c".to_owned(), monthly_amount: 900 });
    let all = [subscription("canceled"), dear, subscription("incomplete")];
    assert_eq!(billing_status(&all), BillingStatus::Active);
    assert_eq!(tier(&all).as_deref(), Some("prod_b"));
    assert_eq!(tier(&all[..1]), None);
    assert_eq!(billing_status(&[]), BillingStatus::None);
}

#[test]
fn churn_and_upgrade_are_told_once_each() {
    use BillingStatus::{Active, Churned, None as Never, Paused};
    assert_eq!(transition(Active, Some("a"), Churned, None), Some("audience.member_churned"));
    assert_eq!(transition(Never, None, Active, Some("a")), Some("audience.member_upgraded"));
    assert_eq!(transition(Active, Some("a"), Active, Some("a")), None);
    assert_eq!(transition(Active, Some("a"), Paused, None), None);
    assert_eq!(transition(Never, None, Churned, None), None);
}

#[test]
fn prices_compare_by_the_month() {
    assert_eq!(monthly_amount(12_000, 1, "year", 1), 1_000);
    assert_eq!(monthly_amount(84, 1, "week", 1), 365);
    assert_eq!(monthly_amount(500, 3, "month", 3), 500);
    assert_eq!(monthly_amount(i64::MAX, i64::MAX, "day", 1), i64::MAX);
}

proptest! {
    #[test]
    fn applying_a_difference_leaves_none(
        old in proptest::collection::btree_map("prod_[a-d]", 0_i64..3, 0..4),
        status in "active|past_due|canceled|incomplete",
        products in proptest::collection::vec("prod_[a-d]", 0..4),
    ) {
        let mut sub = subscription(&status);
        sub.items = products
            .into_iter()
            .map(|product_id| ItemFacts { product_id, monthly_amount: 1 })
            .collect();
        let mut rows: Vec<Present> = old
            .into_iter()
            .map(|(product_id, end)| Present {
                id: format!("ent_{product_id}"),
                product_id,
                source_id: "sub_1".to_owned(),
                started_at: Timestamp(1_000),
                ended_at: Some(Timestamp(end)),
                note: None,
            })
            .collect();
        let changes = diff(&rows, wanted(&sub, GRACE));
        rows.retain(|row| !changes.remove.contains(&row.id));
        let write = |row: &mut Present, want: &super::model::Wanted| {
            row.started_at = want.started_at;
            row.ended_at = want.ended_at;
            row.note = want.note.map(str::to_owned);
        };
        for (id, want) in &changes.set {
            rows.iter_mut().filter(|row| row.id == *id).for_each(|row| write(row, want));
        }
        for want in &changes.add {
            let mut row = Present {
                id: format!("new_{}", want.product_id),
                product_id: want.product_id.clone(),
                source_id: want.subscription_id.clone(),
                started_at: want.started_at,
                ended_at: None,
                note: None,
            };
            write(&mut row, want);
            rows.push(row);
        }
        prop_assert!(diff(&rows, wanted(&sub, GRACE)).is_empty());
    }
}
