//! `[entitlements]`: what a member may use.

use super::problem::Fault;
use super::reader::{Reader, Section};
use super::typed::{duration, one_of};
use memberd_jobs::kernel::policy::{AccessPolicy, Rule};

/// What a member may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlements {
    /// Which of Stripe's statuses give access, and for how long.
    pub policy: AccessPolicy,
}

impl Entitlements {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["entitlements"]);
        let past_due_grace = section.required("past_due_grace", duration);
        let renewal_leeway = section.required("renewal_leeway", duration);
        let mut section = reader.section(&["entitlements", "policy"]);
        let mut rule = |name| section.required(name, one_of);
        let policy = AccessPolicy {
            past_due_grace,
            renewal_leeway,
            trialing: rule("trialing"),
            active: rule("active"),
            canceling: rule("canceling"),
            paused_keep_as_draft: rule("paused_keep_as_draft"),
            paused_mark_uncollectible: rule("paused_mark_uncollectible"),
            paused_void: rule("paused_void"),
            paused: rule("paused"),
            past_due: rule("past_due"),
            unpaid: rule("unpaid"),
            incomplete: rule("incomplete"),
            incomplete_expired: rule("incomplete_expired"),
            canceled: rule("canceled"),
        };
        check(&policy, &mut section);
        Self { policy }
    }
}

/// What no rule alone can say.
fn check(policy: &AccessPolicy, section: &mut Section<'_, '_>) {
    for (name, rule, milder_name, milder) in [
        ("unpaid", policy.unpaid, "past_due", policy.past_due),
        (
            "incomplete_expired",
            policy.incomplete_expired,
            "incomplete",
            policy.incomplete,
        ),
    ] {
        if rule > milder {
            let what =
                format!("gives more than {milder_name} = \"{milder}\", which comes before it");
            let fix = format!("write \"{milder}\" or less, or raise {milder_name}");
            section.problem(name, Fault::new(what, fix));
        }
    }
    for (name, rule) in [
        ("unpaid", policy.unpaid),
        ("incomplete", policy.incomplete),
        ("paused", policy.paused),
    ] {
        if rule == Rule::Full {
            section.warn(name, "gives access that nobody pays for, without an end");
        }
    }
}
