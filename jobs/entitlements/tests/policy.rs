//! The policy line by line, and where a member stands by it.

use std::time::Duration;

use super::{item, rows, subscription};
use crate::{
    entitlements::{
        SubscriptionFacts,
        model::Spans,
        policy::of_subscription,
        state::{State, Transition, state, transition},
    },
    kernel::{
        Timestamp, millis,
        policy::{AccessPolicy, Rule},
    },
    members::BillingStatus,
};

const LATER: Timestamp = Timestamp(1_000_000_000_000);

fn spans(sub: &SubscriptionFacts, policy: &AccessPolicy) -> Spans {
    of_subscription(sub, policy)[0].spans
}

/// When what a subscription gives ends.
fn end(sub: &SubscriptionFacts, policy: &AccessPolicy) -> Option<i64> {
    spans(sub, policy).ended_at.map(|end| end.0)
}

fn status(subscriptions: &[SubscriptionFacts], at: i64) -> BillingStatus {
    state(&rows(subscriptions, &AccessPolicy::default()), Timestamp(at)).status
}

#[test]
fn each_status_ends_access_where_the_table_says() {
    let policy = AccessPolicy::default();
    let (grace, leeway) = (millis(policy.past_due_grace), millis(policy.renewal_leeway));
    for (status, ends) in [
        ("active", None),
        ("trialing", Some(6_000 + leeway)),
        ("past_due", Some(5_000 + grace)),
        ("unpaid", Some(5_000)),
        ("paused", Some(6_000)),
        ("canceled", Some(5_000)),
        ("incomplete", Some(1_000)),
        ("incomplete_expired", Some(1_000)),
        ("a_word_of_next_year", Some(1_000)),
    ] {
        let mut sub = subscription(status);
        sub.trial_end = Some(Timestamp(6_000));
        assert_eq!(end(&sub, &policy), ends, "{status}");
    }
}

#[test]
fn each_rule_can_be_changed() {
    let mut policy = AccessPolicy {
        trialing: Rule::Full,
        active: Rule::UntilPeriodEnd,
        canceling: Rule::None,
        paused_keep_as_draft: Rule::None,
        paused_void: Rule::Full,
        paused: Rule::Full,
        past_due: Rule::None,
        unpaid: Rule::Grace,
        incomplete: Rule::Full,
        incomplete_expired: Rule::Full,
        canceled: Rule::UntilPeriodEnd,
        ..AccessPolicy::default()
    };
    let (grace, leeway) = (millis(policy.past_due_grace), millis(policy.renewal_leeway));
    for (status, ends) in [
        ("active", Some(9_000 + leeway)),
        ("trialing", None),
        ("past_due", Some(5_000)),
        ("unpaid", Some(5_000 + grace)),
        ("paused", None),
        ("canceled", Some(9_000)),
        ("incomplete", None),
        ("incomplete_expired", None),
    ] {
        assert_eq!(end(&subscription(status), &policy), ends, "{status}");
    }
    let mut sub = subscription("active");
    sub.pause_behavior = Some("void".to_owned());
    assert_eq!(end(&sub, &policy), Some(9_000 + leeway));
    sub.pause_behavior = Some("keep_as_draft".to_owned());
    assert_eq!(end(&sub, &policy), Some(5_000));
    sub.pause_behavior = None;
    sub.cancel_at_period_end = true;
    assert_eq!(end(&sub, &policy), Some(5_000));
    policy.trialing = Rule::None;
    assert_eq!(end(&subscription("trialing"), &policy), Some(5_000));
}

#[test]
fn a_cancellation_ends_access_when_it_takes_effect() {
    let policy = AccessPolicy::default();
    let mut sub = subscription("active");
    sub.cancel_at_period_end = true;
    assert_eq!(end(&sub, &policy), Some(9_000));
    sub.cancel_at = Some(Timestamp(7_000));
    assert_eq!(end(&sub, &policy), Some(7_000));
    assert_eq!((status(&[sub.clone()], 6_999), status(&[sub], 7_000)), (BillingStatus::Active, BillingStatus::Churned));
    let mut sub = subscription("canceled");
    sub.ended_at = Some(Timestamp(6_000));
    assert_eq!(end(&sub, &policy), Some(6_000));
    // The grace after a failed payment does not outlast a cancellation.
    let mut sub = subscription("past_due");
    sub.cancel_at = Some(Timestamp(7_000));
    assert_eq!(end(&sub, &policy), Some(7_000));
}

#[test]
fn the_grace_begins_with_the_oldest_payment_that_failed() {
    let mut sub = subscription("past_due");
    sub.unpaid_since = Some(Timestamp(2_000));
    let grace = Duration::from_secs(3);
    let policy = AccessPolicy { past_due_grace: grace, ..AccessPolicy::default() };
    assert_eq!(end(&sub, &policy), Some(5_000));
    // Another period begins, and the first invoice is still unpaid: no second grace.
    sub.period_start = Some(Timestamp(9_000));
    assert_eq!(end(&sub, &policy), Some(5_000));
}

#[test]
fn paused_collection_keeps_access_only_where_it_is_collected_later() {
    let policy = AccessPolicy::default();
    let mut sub = subscription("active");
    sub.pause_behavior = Some("keep_as_draft".to_owned());
    assert_eq!(end(&sub, &policy), None);
    for behavior in ["void", "mark_uncollectible", "a_word_of_next_year"] {
        sub.pause_behavior = Some(behavior.to_owned());
        assert_eq!(end(&sub, &policy), Some(5_000), "{behavior}");
    }
    assert_eq!(status(&[sub], 6_000), BillingStatus::Paused);
}

#[test]
fn a_pause_ends_when_collection_resumes() {
    let mut sub = subscription("active");
    sub.pause_behavior = Some("void".to_owned());
    sub.pause_resumes_at = Some(Timestamp(7_000));
    let at = |sub: &SubscriptionFacts, at| {
        let state = state(&rows(std::slice::from_ref(sub), &AccessPolicy::default()), Timestamp(at));
        (state.status, state.products.len(), state.changes_at.map(|at| at.0), state.tier_id)
    };
    let tier = || Some("prod_a".to_owned());
    assert_eq!(at(&sub, 6_999), (BillingStatus::Paused, 0, Some(7_000), tier()));
    assert_eq!(at(&sub, 7_000), (BillingStatus::Active, 1, None, tier()));
    sub.cancel_at = Some(Timestamp(8_000));
    assert_eq!(at(&sub, 7_000), (BillingStatus::Active, 1, Some(8_000), tier()));
    assert_eq!(at(&sub, 8_000), (BillingStatus::Churned, 0, None, None));
    sub.pause_resumes_at = None;
    assert_eq!(at(&sub, 7_999).0, BillingStatus::Paused);
    assert_eq!(at(&sub, 8_000).0, BillingStatus::Churned);
}

#[test]
fn the_best_subscription_counts_and_the_dearest_product_is_the_tier() {
    let mut dear = subscription("active");
    dear.id = "sub_2".to_owned();
    dear.items.extend([item("prod_b", 900), item("prod_c", 900), item("prod_b", 100)]);
    let mut third = subscription("incomplete");
    third.id = "sub_3".to_owned();
    let all = [subscription("canceled"), dear, third];
    let best = state(&rows(&all, &AccessPolicy::default()), LATER);
    assert_eq!((best.status, best.tier_id.as_deref()), (BillingStatus::Active, Some("prod_b")));
    assert_eq!((best.tier_amount, best.products.len()), (900, 3));
    let over = state(&rows(&all[..1], &AccessPolicy::default()), LATER);
    assert_eq!((over.status, over.tier_id), (BillingStatus::Churned, None));
    assert_eq!(status(&[], 0), BillingStatus::None);
    assert_eq!(status(&all[2..], 10_000), BillingStatus::None);
}

#[test]
fn churn_and_upgrade_are_rises_and_ends() {
    use BillingStatus::{Active, Churned, None as Never, Paused};
    let is = |status, tier: Option<&str>, tier_amount| State {
        status,
        tier_id: tier.map(str::to_owned),
        tier_amount,
        products: std::collections::BTreeSet::new(),
        changes_at: None,
    };
    let old = Some(("a", Some(500)));
    for (was, old_tier, is, expected) in [
        (Active, old, is(Churned, None, 0), Some(Transition::Churned)),
        (Paused, old, is(Churned, None, 0), Some(Transition::Churned)),
        (Active, old, is(Never, None, 0), Some(Transition::Churned)),
        (Churned, None, is(Churned, None, 0), None),
        (Never, None, is(Churned, None, 0), None),
        (Never, None, is(Active, Some("a"), 500), Some(Transition::Upgraded)),
        (Churned, None, is(Active, Some("a"), 500), Some(Transition::Upgraded)),
        (Active, old, is(Active, Some("a"), 900), None),
        (Active, old, is(Active, Some("b"), 900), Some(Transition::Upgraded)),
        (Active, old, is(Active, Some("b"), 100), None),
        (Active, old, is(Paused, Some("a"), 500), None),
        (Paused, old, is(Active, Some("a"), 500), None),
    ] {
        assert_eq!(transition(was, old_tier, &is), expected, "{was:?} to {is:?}");
    }
}
