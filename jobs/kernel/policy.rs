//! What the configuration says about access: which of Stripe's statuses give it, and for how long.

use std::{fmt, time::Duration};

/// What one status of a subscription means for access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// None: access ends where the state began that gives none.
    None,
    /// For [`AccessPolicy::past_due_grace`] after the first payment that failed.
    Grace,
    /// Until the trial ends, and [`AccessPolicy::renewal_leeway`] longer.
    UntilTrialEnd,
    /// Until the present period ends, and for a subscription that is renewed [`AccessPolicy::renewal_leeway`] longer.
    UntilPeriodEnd,
    /// Until the cancellation takes effect.
    UntilEnd,
    /// As long as the status lasts.
    Full,
}

impl Rule {
    /// All rules, the more generous later.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Grace,
        Self::UntilTrialEnd,
        Self::UntilPeriodEnd,
        Self::UntilEnd,
        Self::Full,
    ];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Grace => "grace",
            Self::UntilTrialEnd => "until_trial_end",
            Self::UntilPeriodEnd => "until_period_end",
            Self::UntilEnd => "until_end",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Rule {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.as_str() == word)
            .ok_or(())
    }
}

/// The policy of access: one rule for each state that a subscription can be in.
///
/// The defaults are those of `config/default.toml`; a test there compares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Access after the first failed payment, where a rule says [`Rule::Grace`].
    pub past_due_grace: Duration,
    /// Access after the end of a trial or a period, for Stripe to say what follows.
    pub renewal_leeway: Duration,
    /// `trialing`.
    pub trialing: Rule,
    /// `active`, not to be cancelled.
    pub active: Rule,
    /// `active` or `trialing`, to be cancelled at a known time.
    pub canceling: Rule,
    /// Collection paused, the invoices kept as drafts: they will be collected.
    pub paused_keep_as_draft: Rule,
    /// Collection paused, the invoices marked uncollectible.
    pub paused_mark_uncollectible: Rule,
    /// Collection paused, the invoices voided.
    pub paused_void: Rule,
    /// `paused`: a trial that ended without a payment method.
    pub paused: Rule,
    /// `past_due`.
    pub past_due: Rule,
    /// `unpaid`.
    pub unpaid: Rule,
    /// `incomplete`: the first payment is pending.
    pub incomplete: Rule,
    /// `incomplete_expired`: the first payment never came.
    pub incomplete_expired: Rule,
    /// `canceled`.
    pub canceled: Rule,
}

impl Default for AccessPolicy {
    fn default() -> Self {
        Self {
            past_due_grace: Duration::from_hours(7 * 24),
            renewal_leeway: Duration::from_hours(1),
            trialing: Rule::UntilTrialEnd,
            active: Rule::Full,
            canceling: Rule::UntilEnd,
            paused_keep_as_draft: Rule::Full,
            paused_mark_uncollectible: Rule::None,
            paused_void: Rule::None,
            paused: Rule::None,
            past_due: Rule::Grace,
            unpaid: Rule::None,
            incomplete: Rule::None,
            incomplete_expired: Rule::None,
            canceled: Rule::None,
        }
    }
}
