//! What entitlements are made of and what they look like. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::kernel::Timestamp;

/// How far Stripe's clock may be ahead of ours: a subscription that began in this near a future has begun.
const CLOCK_SKEW_MAX: Duration = Duration::from_hours(1);

/// What gives an entitlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A subscription; follows what Stripe says.
    Subscription,
    /// A grant of free access.
    Complimentary,
    /// A grant that somebody else gave her.
    Gift,
    /// A grant that prolongs a subscription which is over.
    Extension,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Subscription, Self::Complimentary, Self::Gift, Self::Extension];
    /// Those that are grants.
    pub const GRANTS: [Self; 3] = [Self::Complimentary, Self::Gift, Self::Extension];

    /// The word in table and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Complimentary => "complimentary",
            Self::Gift => "gift",
            Self::Extension => "extension",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// A subscription, as far as access depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionFacts {
    /// Stripe's id.
    pub id: String,
    /// Stripe's status, whatever word it is.
    pub status: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Start of the present period: the earliest of its items.
    pub period_start: Option<Timestamp>,
    /// End of the present period: the earliest of its items.
    pub period_end: Option<Timestamp>,
    /// When it will be cancelled.
    pub cancel_at: Option<Timestamp>,
    /// Whether it ends with the present period.
    pub cancel_at_period_end: bool,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When the trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// `behavior` of `pause_collection`, if collection is paused.
    pub pause_behavior: Option<String>,
    /// When collection resumes by itself.
    pub pause_resumes_at: Option<Timestamp>,
    /// When the oldest payment that failed was due. Only known, and only of use, while the status is `past_due` or
    /// `unpaid`.
    pub unpaid_since: Option<Timestamp>,
    /// What it contains.
    pub items: Vec<ItemFacts>,
}

/// One item of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemFacts {
    /// Stripe's product.
    pub product_id: String,
    /// What it costs in a month, in minor units, rounded: only for comparing tiers.
    pub monthly_amount: i64,
}

/// A product, as far as tiers depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductFacts {
    /// Stripe's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether it is on sale.
    pub active: bool,
    /// Whether its metadata has `memberd_default=true`.
    pub is_default: bool,
    /// The names of its marketing features.
    pub benefits: Vec<String>,
}

/// A grant, as far as access depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantFacts {
    /// `gra_…`
    pub id: String,
    /// The product it gives.
    pub product_id: String,
    /// Which sort of grant.
    pub source: Source,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when; `None` is a lifetime.
    pub ends_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// When an entitlement gives access: between two moments, and after a pause again between two others. A missing end is
/// open; an interval whose end is not after its start is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spans {
    /// From when.
    pub started_at: Timestamp,
    /// Until when.
    pub ended_at: Option<Timestamp>,
    /// From when again.
    pub resumes_at: Option<Timestamp>,
    /// Until when again. Without `resumes_at` it tells when the pause ends without a resumption.
    pub resumed_until: Option<Timestamp>,
}

impl Spans {
    /// From when, leaving room for the difference of the clocks where Stripe says that it has begun.
    fn begins(self, source: Source) -> Timestamp {
        let empty = self.ended_at.is_some_and(|end| end <= self.started_at);
        match source {
            Source::Subscription if !empty => self.started_at.minus(CLOCK_SKEW_MAX),
            _ => self.started_at,
        }
    }

    /// Whether they cover the moment.
    pub fn cover(self, source: Source, at: Timestamp) -> bool {
        let before = |end: Option<Timestamp>| end.is_none_or(|end| at < end);
        (self.begins(source) <= at && before(self.ended_at))
            || (self.resumes_at.is_some_and(|from| from <= at) && before(self.resumed_until))
    }

    /// Whether nothing of them has begun.
    pub fn is_ahead(self, source: Source, at: Timestamp) -> bool {
        at < self.begins(source) && self.resumes_at.is_none_or(|from| at < from)
    }

    /// Whether they ever give access.
    pub fn give(self) -> bool {
        self.ended_at.is_none_or(|end| end > self.started_at) || self.resumes_at.is_some()
    }

    /// Whether nothing of them is left at the moment or after it.
    pub fn are_over(self, at: Timestamp) -> bool {
        let over = |end: Option<Timestamp>| end.is_some_and(|end| end <= at);
        over(self.ended_at) && (self.resumes_at.is_none() || over(self.resumed_until))
    }

    /// The moments at which something may change.
    pub fn edges(self, source: Source) -> impl Iterator<Item = Timestamp> {
        let all = [Some(self.begins(source)), self.ended_at, self.resumes_at, self.resumed_until];
        all.into_iter().flatten()
    }
}

/// An entitlement as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The product she may use.
    pub product_id: String,
    /// What gives it.
    pub source: Source,
    /// The id of the subscription or the grant.
    pub source_id: String,
    /// When it gives access.
    pub spans: Spans,
    /// What it costs in a month, in minor units; 0 for a grant.
    pub monthly_amount: i64,
    /// Why it ends, or what is special about it.
    pub note: Option<&'static str>,
}

impl Wanted {
    /// As it will stand in the table, without an id.
    pub fn as_present(&self) -> Present {
        Present {
            id: String::new(),
            product_id: self.product_id.clone(),
            source: self.source,
            source_id: self.source_id.clone(),
            spans: self.spans,
            monthly_amount: self.monthly_amount,
            note: self.note.map(str::to_owned),
        }
    }
}

/// An entitlement as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// `ent_…`
    pub id: String,
    /// The product.
    pub product_id: String,
    /// What gave it.
    pub source: Source,
    /// The id of the subscription or the grant.
    pub source_id: String,
    /// When it gives access.
    pub spans: Spans,
    /// What it costs in a month.
    pub monthly_amount: i64,
    /// Why it ends.
    pub note: Option<String>,
}

impl Present {
    /// Whether it gives access at the moment.
    pub fn is_active(&self, at: Timestamp) -> bool {
        self.spans.cover(self.source, at)
    }

    /// Whether the subscription, or its collection, is paused: it is not over, whatever it gives.
    pub fn is_paused(&self) -> bool {
        matches!(self.note.as_deref(), Some("paused" | "collection_paused"))
    }

    fn is(&self, want: &Wanted) -> bool {
        self.spans == want.spans
            && self.monthly_amount == want.monthly_amount
            && self.note.as_deref() == want.note
    }
}

/// What has to be done to the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows to insert.
    pub add: Vec<Wanted>,
    /// Rows to correct, by id.
    pub set: Vec<(String, Wanted)>,
    /// Rows to remove, by id.
    pub remove: Vec<String>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.add.is_empty() && self.set.is_empty() && self.remove.is_empty()
    }
}

/// What turns the `present` rows from subscriptions into the `wanted` ones. Rows are matched by product and
/// subscription; those of grants are left alone.
pub fn diff(present: &[Present], wanted: Vec<Wanted>) -> Changes {
    let mut rows: BTreeMap<(String, String), &Present> = present
        .iter()
        .filter(|row| row.source == Source::Subscription)
        .map(|row| ((row.product_id.clone(), row.source_id.clone()), row))
        .collect();
    let mut changes = Changes::default();
    for want in wanted {
        match rows.remove(&(want.product_id.clone(), want.source_id.clone())) {
            None => changes.add.push(want),
            Some(row) if row.is(&want) => {}
            Some(row) => changes.set.push((row.id.clone(), want)),
        }
    }
    changes.remove = rows.into_values().map(|row| row.id.clone()).collect();
    changes
}

/// The rows as they are once the changes are written; new ones have no id yet.
pub fn changed(mut present: Vec<Present>, changes: &Changes) -> Vec<Present> {
    let gone = |id: &String| changes.remove.contains(id) || changes.set.iter().any(|(set, _)| set == id);
    present.retain(|row| !gone(&row.id));
    present.extend(changes.set.iter().map(|(id, want)| Present { id: id.clone(), ..want.as_present() }));
    present.extend(changes.add.iter().map(Wanted::as_present));
    present
}

/// A price in a month: a year is 12 months, a week is 84/365 of a month and a day 12/365, Stripe's own proportions.
/// Rounded down; used only to compare.
pub fn monthly_amount(unit_amount: i64, quantity: i64, interval: &str, count: i64) -> i64 {
    let total = i128::from(unit_amount).saturating_mul(i128::from(quantity));
    let count = i128::from(count.max(1));
    let monthly = match interval {
        "year" => total / (12 * count),
        "week" => total.saturating_mul(365) / (84 * count),
        "day" => total.saturating_mul(365) / (12 * count),
        _ => total / count,
    };
    i64::try_from(monthly).unwrap_or(i64::MAX)
}
