//! For any subscription, any policy and any moment, what is answered is what the rules say in plain words; and the
//! timers name every moment at which it changes.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::{item, rows};
use crate::{
    entitlements::{
        SubscriptionFacts,
        access::access,
        model::{Present, Source},
        state::state,
        store::EntitlementRow,
    },
    kernel::{
        Timestamp, millis,
        policy::{AccessPolicy, Rule},
    },
};

const HOUR: i64 = 3_600_000;
/// Stripe's clock may be ahead by this.
const SKEW: i64 = HOUR;

/// Times on a small grid, so that many of them are equal.
fn time() -> impl Strategy<Value = Timestamp> {
    (0..40_i64).prop_map(|step| Timestamp(10 * HOUR + step * HOUR / 2))
}

fn subscription() -> impl Strategy<Value = SubscriptionFacts> {
    let word = "active|active|trialing|past_due|unpaid|paused|canceled|incomplete|incomplete_expired|odd";
    let pause = prop::option::weighted(0.4, "keep_as_draft|void|mark_uncollectible|odd");
    let at = || prop::option::of(time());
    let words = (word, pause, any::<bool>(), prop::collection::btree_set("prod_[ab]", 1..3));
    let times = (time(), at(), at(), at(), at(), at(), at(), at());
    (words, times).prop_map(|((status, pause_behavior, cancel_at_period_end, products), times)| {
        let (started_at, period_start, period_end, cancel_at, ended_at, trial_end, pause_resumes_at, unpaid_since) =
            times;
        SubscriptionFacts {
            id: "sub_1".to_owned(),
            status,
            started_at,
            period_start,
            period_end,
            cancel_at,
            cancel_at_period_end,
            ended_at,
            trial_end,
            pause_behavior,
            pause_resumes_at,
            unpaid_since,
            items: products.iter().map(|product| item(product, 100)).collect(),
        }
    })
}

/// Every policy that the configuration lets through.
fn policy() -> impl Strategy<Value = AccessPolicy> {
    use Rule::{Full, Grace, None as Never, UntilEnd, UntilPeriodEnd, UntilTrialEnd};
    let of = |rules: &'static [Rule]| prop::sample::select(rules);
    let yes_or_no: &'static [Rule] = &[Full, Never];
    let late: &'static [Rule] = &[Full, Grace, Never];
    let running = (of(&[Full, UntilTrialEnd, Never]), of(&[Full, UntilPeriodEnd]), of(&[UntilEnd, Never]));
    let pauses = (of(yes_or_no), of(yes_or_no), of(yes_or_no), of(yes_or_no));
    let rest = (of(late), of(late), of(yes_or_no), of(yes_or_no), of(&[UntilPeriodEnd, Never]));
    (running, pauses, rest, 0..8_u64, 0..3_u64).prop_map(|(running, pauses, rest, grace, leeway)| AccessPolicy {
        past_due_grace: Duration::from_hours(grace),
        renewal_leeway: Duration::from_hours(leeway),
        trialing: running.0,
        active: running.1,
        canceling: running.2,
        paused_keep_as_draft: pauses.0,
        paused_mark_uncollectible: pauses.1,
        paused_void: pauses.2,
        paused: pauses.3,
        past_due: rest.0,
        unpaid: rest.1,
        incomplete: rest.2,
        incomplete_expired: rest.3,
        canceled: rest.4,
    })
}

/// Whether the moment is before an end; without one it always is.
fn before(at: i64, end: Option<Timestamp>) -> bool {
    end.is_none_or(|end| at < end.0)
}

/// Until when `active` and `trialing` give access while nothing is paused, `None` for ever.
fn running_until(sub: &SubscriptionFacts, policy: &AccessPolicy, denied: Timestamp) -> Option<Timestamp> {
    let planned = sub.cancel_at.or(if sub.cancel_at_period_end { sub.period_end } else { None });
    let rule = if sub.status == "trialing" { policy.trialing } else { policy.active };
    let leeway = |end: Timestamp| Timestamp(end.0 + millis(policy.renewal_leeway));
    match (rule, planned) {
        (Rule::None, _) => Some(denied),
        (_, Some(_)) if policy.canceling == Rule::None => Some(denied),
        (_, Some(end)) => Some(end),
        (Rule::UntilTrialEnd, None) => sub.trial_end.map(leeway),
        (Rule::UntilPeriodEnd, None) => sub.period_end.map(leeway),
        (_, None) => None,
    }
}

/// The rules in plain words: whether the subscription gives access at the moment.
fn says(sub: &SubscriptionFacts, policy: &AccessPolicy, at: i64) -> bool {
    let denied = sub.period_start.unwrap_or(sub.started_at);
    let planned = sub.cancel_at.or(if sub.cancel_at_period_end { sub.period_end } else { None });
    // From its start, with room for the clocks, unless it ends before it starts.
    let until = |end: Option<Timestamp>| {
        let ever = end.is_none_or(|end| end > sub.started_at);
        ever && at >= sub.started_at.0 - SKEW && before(at, end)
    };
    let late = |rule: Rule| match rule {
        Rule::Full => until(planned),
        Rule::Grace => {
            let grace = sub.unpaid_since.unwrap_or(denied).0 + millis(policy.past_due_grace);
            until(Some(planned.map_or(Timestamp(grace), |end| end.min(Timestamp(grace)))))
        }
        _ => until(Some(denied)),
    };
    let first_payment = |rule: Rule| rule == Rule::Full && until(planned);
    match sub.status.as_str() {
        "active" | "trialing" => {
            let usual = running_until(sub, policy, denied);
            let Some(behavior) = &sub.pause_behavior else { return until(usual) };
            let rule = match behavior.as_str() {
                "keep_as_draft" => policy.paused_keep_as_draft,
                "mark_uncollectible" => policy.paused_mark_uncollectible,
                "void" => policy.paused_void,
                _ => Rule::None,
            };
            let left = if rule == Rule::Full { until(usual) } else { until(Some(denied)) };
            let resumed = sub.pause_resumes_at.is_some_and(|from| at >= from.0);
            left || (resumed && before(at, usual))
        }
        "past_due" => late(policy.past_due),
        "unpaid" => late(policy.unpaid),
        "paused" if policy.paused == Rule::Full => until(planned),
        "paused" => until(Some(sub.trial_end.unwrap_or(denied))),
        "incomplete" => first_payment(policy.incomplete),
        "incomplete_expired" => first_payment(policy.incomplete_expired),
        "canceled" => {
            let ended = sub.ended_at.unwrap_or(denied);
            let paid = sub.period_end.filter(|_| policy.canceled == Rule::UntilPeriodEnd);
            until(Some(paid.map_or(ended, |end| end.max(ended))))
        }
        _ => false,
    }
}

/// A row as people read it.
fn shown(row: &Present) -> EntitlementRow {
    EntitlementRow {
        id: format!("ent_{}_{}", row.source_id, row.product_id),
        member_id: "mem_1".to_owned(),
        product_id: row.product_id.clone(),
        product_name: None,
        source_kind: Source::Subscription.as_str().to_owned(),
        source_id: row.source_id.clone(),
        started_at: row.spans.started_at,
        ended_at: row.spans.ended_at,
        resumes_at: row.spans.resumes_at,
        resumed_until: row.spans.resumed_until,
        note: row.note.clone(),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_answer_at_every_moment_is_what_the_rules_say(
        one in subscription(), other in subscription(), policy in policy(), jitter in -1..=1_i64,
    ) {
        let two = SubscriptionFacts { id: "sub_2".to_owned(), ..other };
        let subscriptions = [one, two];
        let rows = rows(&subscriptions, &policy);
        let shown: Vec<_> = rows.iter().map(shown).collect();
        for step in 0..110_i64 {
            let at = step * HOUR / 2 + jitter;
            let gives = |product: &str| subscriptions.iter().any(|sub| {
                sub.items.iter().any(|item| item.product_id == product) && says(sub, &policy, at)
            });
            for product in ["prod_a", "prod_b"] {
                let answer = access(shown.clone(), Some(product), false, Timestamp(at));
                prop_assert_eq!(answer.allowed, gives(product), "{} at {}", product, at);
                prop_assert!(answer.reasons.iter().all(|reason| reason.allows() == answer.allowed));
                prop_assert!(!answer.reasons.is_empty());
                let deleted = access(shown.clone(), Some(product), true, Timestamp(at));
                prop_assert!(!deleted.allowed);
            }
            let any = access(shown.clone(), None, false, Timestamp(at));
            prop_assert_eq!(any.allowed, gives("prod_a") || gives("prod_b"));
            let written: BTreeSet<_> = state(&rows, Timestamp(at)).products;
            let may: BTreeSet<_> =
                ["prod_a", "prod_b"].into_iter().filter(|product| gives(product)).map(str::to_owned).collect();
            prop_assert_eq!(written, may);
        }
    }

    /// Whoever looks only when a timer says so misses nothing.
    #[test]
    fn between_two_timers_nothing_changes(
        one in subscription(), other in subscription(), policy in policy(),
    ) {
        let two = SubscriptionFacts { id: "sub_2".to_owned(), ..other };
        let rows = rows(&[one, two], &policy);
        let shown: Vec<_> = rows.iter().map(shown).collect();
        let mut held = state(&rows, Timestamp(0));
        for step in 0..220_i64 {
            for at in [step * HOUR / 4 - 1, step * HOUR / 4] {
                if held.changes_at.is_some_and(|due| due.0 <= at) {
                    held = state(&rows, held.changes_at.unwrap_or_default());
                    // Ends that lie on one moment are one timer; more than these there cannot be.
                    for _ in 0..8 {
                        match held.changes_at {
                            Some(due) if due.0 <= at => held = state(&rows, due),
                            _ => break,
                        }
                    }
                }
                prop_assert_eq!(&held, &state(&rows, Timestamp(at)), "at {}", at);
                let answer = access(shown.clone(), None, false, Timestamp(at));
                if let Some(next) = answer.next_change_at {
                    prop_assert!(next.0 > at);
                    prop_assert_eq!(access(shown.clone(), None, false, next).allowed, !answer.allowed);
                    let just_before = access(shown.clone(), None, false, Timestamp(next.0 - 1));
                    prop_assert_eq!(just_before.allowed, answer.allowed);
                }
            }
        }
    }
}
