//! The policy: what a subscription in its state gives, and until when. Pure.
//!
//! | Stripe's status | rule | access ends with the defaults |
//! |---|---|---|
//! | `active` | `active` | never |
//! | `trialing` | `trialing` | at the trial's end and a leeway, in which Stripe says what follows |
//! | … with `cancel_at` or `cancel_at_period_end` | `canceling` | then |
//! | … with `pause_collection` | one for each behaviour | drafts: as above; others: at once, until `resumes_at` |
//! | `past_due` | `past_due` | a grace after the oldest payment that failed was due |
//! | `unpaid` | `unpaid` | at the start of the unpaid period |
//! | `paused` (a trial ended without a payment method) | `paused` | at the trial's end |
//! | `canceled` | `canceled` | when it ended |
//! | `incomplete`, `incomplete_expired` | the same | never had |
//! | anything unknown | none | never had |
//!
//! Nothing here asks for the time: the same subscription gives the same entitlements whenever it is asked, so what
//! changes by the clock alone needs no writing.

use std::collections::BTreeMap;

use super::model::{GrantFacts, Source, Spans, SubscriptionFacts, Wanted};
use crate::kernel::{
    Timestamp,
    policy::{AccessPolicy, Rule},
};

/// How collection is paused when the invoices are kept.
const KEEP_AS_DRAFT: &str = "keep_as_draft";
/// How collection is paused when the invoices are given up.
const MARK_UNCOLLECTIBLE: &str = "mark_uncollectible";
/// How collection is paused when the invoices are voided.
const VOID: &str = "void";

/// What a state means: when access ends, from when it is given again until when, and a note that says why.
struct Meaning {
    ended_at: Option<Timestamp>,
    resumes_at: Option<Timestamp>,
    resumed_until: Option<Timestamp>,
    note: Option<&'static str>,
}

impl Meaning {
    const fn until(ended_at: Option<Timestamp>, note: Option<&'static str>) -> Self {
        Self { ended_at, resumes_at: None, resumed_until: None, note }
    }
}

/// The entitlements that a subscription gives: one for each product in it.
pub fn of_subscription(sub: &SubscriptionFacts, policy: &AccessPolicy) -> Vec<Wanted> {
    let Meaning { ended_at, resumes_at, resumed_until, note } = meaning(sub, policy);
    let spans = Spans {
        started_at: sub.started_at,
        ended_at: ended_at.map(|end| end.max(sub.started_at)),
        resumes_at,
        resumed_until,
    };
    let mut products: BTreeMap<&str, i64> = BTreeMap::new();
    for item in &sub.items {
        let amount = products.entry(&item.product_id).or_default();
        *amount = item.monthly_amount.max(*amount);
    }
    let wanted = products.into_iter().map(|(product_id, monthly_amount)| Wanted {
        product_id: product_id.to_owned(),
        source: Source::Subscription,
        source_id: sub.id.clone(),
        spans,
        monthly_amount,
        note,
    });
    wanted.collect()
}

/// The entitlement that a grant gives.
pub fn of_grant(grant: &GrantFacts) -> Wanted {
    let revoked = grant.revoked_at.filter(|at| grant.ends_at.is_none_or(|end| *at < end));
    let ended_at = revoked.or(grant.ends_at);
    Wanted {
        product_id: grant.product_id.clone(),
        source: grant.source,
        source_id: grant.id.clone(),
        spans: Spans {
            started_at: grant.starts_at,
            ended_at: ended_at.map(|end| end.max(grant.starts_at)),
            ..Spans::default()
        },
        monthly_amount: 0,
        note: revoked.map(|_| "revoked"),
    }
}

fn meaning(sub: &SubscriptionFacts, policy: &AccessPolicy) -> Meaning {
    let period_start = sub.period_start.unwrap_or(sub.started_at);
    // Where a rule denies, access ended where the present period began: what was paid before is over.
    let denied = Some(period_start);
    let late = |rule: Rule, note| match rule {
        Rule::Full => Meaning::until(planned_end(sub), note),
        Rule::Grace => {
            let grace = sub.unpaid_since.unwrap_or(period_start).plus(policy.past_due_grace);
            Meaning::until(earlier(Some(grace), planned_end(sub)), note)
        }
        _ => Meaning::until(denied, note),
    };
    let simple = |rule: Rule, end, note| match rule {
        Rule::Full => Meaning::until(planned_end(sub), note),
        _ => Meaning::until(end, note),
    };
    let never = Some(sub.started_at);
    match sub.status.as_str() {
        "active" | "trialing" => running(sub, policy, denied),
        "past_due" => late(policy.past_due, Some("past_due")),
        "unpaid" => late(policy.unpaid, Some("unpaid")),
        "paused" => simple(policy.paused, sub.trial_end.or(denied), Some("paused")),
        "incomplete" => simple(policy.incomplete, never, Some("incomplete")),
        "incomplete_expired" => {
            simple(policy.incomplete_expired, never, Some("incomplete_expired"))
        }
        "canceled" => {
            let ended = sub.ended_at.unwrap_or(period_start);
            let end = match policy.canceled {
                Rule::UntilPeriodEnd => sub.period_end.map_or(ended, |end| end.max(ended)),
                _ => ended,
            };
            Meaning::until(Some(end), Some("canceled"))
        }
        _ => Meaning::until(never, Some("unknown_status")),
    }
}

/// `active` and `trialing`, whose collection may be paused.
fn running(sub: &SubscriptionFacts, policy: &AccessPolicy, denied: Option<Timestamp>) -> Meaning {
    let unpaused = unpaused(sub, policy, denied);
    let Some(behavior) = sub.pause_behavior.as_deref() else { return unpaused };
    let rule = match behavior {
        KEEP_AS_DRAFT => policy.paused_keep_as_draft,
        MARK_UNCOLLECTIBLE => policy.paused_mark_uncollectible,
        VOID => policy.paused_void,
        _ => Rule::None,
    };
    Meaning {
        ended_at: if rule == Rule::Full { unpaused.ended_at } else { denied },
        resumes_at: sub.pause_resumes_at,
        // Also without a time to resume: a cancellation ends the pause, too.
        resumed_until: unpaused.ended_at,
        note: Some("collection_paused"),
    }
}

fn unpaused(sub: &SubscriptionFacts, policy: &AccessPolicy, denied: Option<Timestamp>) -> Meaning {
    let leeway = |end: Option<Timestamp>| end.map(|end| end.plus(policy.renewal_leeway));
    let rule = if sub.status == "trialing" { policy.trialing } else { policy.active };
    if rule == Rule::None {
        return Meaning::until(denied, None);
    }
    if let Some(end) = planned_end(sub) {
        let end = if policy.canceling == Rule::None { denied } else { Some(end) };
        return Meaning::until(end, Some("cancels"));
    }
    match rule {
        Rule::UntilTrialEnd if sub.trial_end.is_some() => {
            Meaning::until(leeway(sub.trial_end), Some("trial"))
        }
        Rule::UntilPeriodEnd => Meaning::until(leeway(sub.period_end), Some("period")),
        _ => Meaning::until(None, None),
    }
}

/// When it will be cancelled, if that is known.
fn planned_end(sub: &SubscriptionFacts) -> Option<Timestamp> {
    sub.cancel_at.or(sub.period_end.filter(|_| sub.cancel_at_period_end))
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
