//! What a member may see: the policy line by line, the reasons, the clock, and the laws of the difference.

mod clock;
mod covers;
mod grants;
mod history;
mod oracle;
mod policy;
mod reasons;

use proptest::prelude::*;

use super::{
    model::{
        Changes, ItemFacts, Present, Source, Spans, SubscriptionFacts, Wanted, changed, diff, monthly_amount,
    },
    policy::of_subscription,
};
use crate::kernel::{Timestamp, policy::AccessPolicy};

fn item(product: &str, monthly_amount: i64) -> ItemFacts {
    ItemFacts { product_id: product.to_owned(), monthly_amount }
}

/// Began at 1,000; its present period is from 5,000 to 9,000.
fn subscription(status: &str) -> SubscriptionFacts {
    SubscriptionFacts {
        id: "sub_1".to_owned(),
        status: status.to_owned(),
        started_at: Timestamp(1_000),
        period_start: Some(Timestamp(5_000)),
        period_end: Some(Timestamp(9_000)),
        items: vec![item("prod_a", 500)],
        ..SubscriptionFacts::default()
    }
}

/// The rows that subscriptions give, as they would stand in the table.
fn rows(subscriptions: &[SubscriptionFacts], policy: &AccessPolicy) -> Vec<Present> {
    let add = subscriptions.iter().flat_map(|one| of_subscription(one, policy)).collect();
    changed(Vec::new(), &Changes { add, ..Changes::default() })
}

#[test]
fn prices_compare_by_the_month() {
    assert_eq!(monthly_amount(12_000, 1, "year", 1), 1_000);
    assert_eq!(monthly_amount(84, 1, "week", 1), 365);
    assert_eq!(monthly_amount(500, 3, "month", 3), 500);
    assert_eq!(monthly_amount(i64::MAX, i64::MAX, "day", 1), i64::MAX);
}

#[test]
fn a_subscription_that_stripes_clock_has_begun_has_begun() {
    let spans = Spans { started_at: Timestamp(4_000_000), ..Spans::default() };
    assert!(spans.cover(Source::Subscription, Timestamp(400_000)));
    assert!(!spans.cover(Source::Subscription, Timestamp(399_999)));
    assert!(!spans.cover(Source::Gift, Timestamp(3_999_999)));
    let never = Spans { ended_at: Some(spans.started_at), ..spans };
    assert!((0..5_000_000).step_by(1_000).all(|at| !never.cover(Source::Subscription, Timestamp(at))));
}

#[test]
fn a_difference_leaves_grants_alone() {
    let gift = Wanted {
        product_id: "prod_a".to_owned(),
        source: Source::Gift,
        source_id: "gra_1".to_owned(),
        spans: Spans::default(),
        monthly_amount: 0,
        note: None,
    };
    let present = changed(Vec::new(), &Changes { add: vec![gift], ..Changes::default() });
    assert!(diff(&present, Vec::new()).is_empty());
}

proptest! {
    #[test]
    fn applying_a_difference_leaves_none(
        old in proptest::collection::btree_map("prod_[a-d]", 0_i64..3, 0..4),
        status in "active|past_due|canceled|incomplete",
        products in proptest::collection::vec("prod_[a-d]", 0..4),
    ) {
        let mut sub = subscription(&status);
        sub.items = products.iter().map(|product| item(product, 1)).collect();
        let present: Vec<Present> = old
            .into_iter()
            .map(|(product_id, end)| Present {
                id: format!("ent_{product_id}"),
                product_id,
                source: Source::Subscription,
                source_id: "sub_1".to_owned(),
                spans: Spans { ended_at: Some(Timestamp(end)), ..Spans::default() },
                monthly_amount: 1,
                note: None,
            })
            .collect();
        let wanted = || of_subscription(&sub, &AccessPolicy::default());
        let changes = diff(&present, wanted());
        prop_assert!(diff(&changed(present, &changes), wanted()).is_empty());
    }
}
