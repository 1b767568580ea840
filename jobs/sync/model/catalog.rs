//! What is sold: products and prices. A plan of the time before prices is read as the price that Stripe shows it as.

use serde_json::Value;

use super::{created, first, flag, id_at, number, text};
use crate::{entitlements::ProductFacts, kernel::Timestamp};

/// A price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// `prod_…`
    pub product_id: String,
    /// Its name for people.
    pub nickname: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Minor units for one interval; `None` when Stripe computes it.
    pub unit_amount: Option<i64>,
    /// `day`, `week`, `month` or `year`; `None` for a one-time price.
    pub interval: Option<String>,
    /// Intervals between two charges.
    pub interval_count: Option<i64>,
    /// `one_time` or `recurring`.
    pub kind: String,
    /// Days of a trial that comes with it.
    pub trial_period_days: Option<i64>,
    /// Whether the payer decides how much: a donation.
    pub custom_amount: bool,
    /// Whether it can be bought.
    pub active: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A product as a tier, and when it was created.
pub fn product(value: &Value) -> Option<(ProductFacts, Timestamp)> {
    let features = value.get("marketing_features").or_else(|| value.get("features"));
    let benefits = features.and_then(Value::as_array).map_or_else(Vec::new, |features| {
        features.iter().filter_map(|feature| text(feature, "/name")).collect()
    });
    let id = text(value, "/id")?;
    let facts = ProductFacts {
        name: text(value, "/name").unwrap_or_else(|| id.clone()),
        description: text(value, "/description"),
        active: flag(value, "/active"),
        is_default: text(value, "/metadata/memberd_default").as_deref() == Some("true"),
        benefits,
        id,
    };
    Some((facts, created(value)))
}

/// A price, or a plan of the time before prices.
pub fn price(value: &Value) -> Option<Price> {
    let interval = first(value, &["/recurring/interval", "/interval"], text);
    let kind = if interval.is_some() { "recurring" } else { "one_time" };
    Some(Price {
        id: text(value, "/id")?,
        product_id: id_at(value, "/product").unwrap_or_default(),
        nickname: text(value, "/nickname"),
        currency: text(value, "/currency").unwrap_or_default(),
        unit_amount: first(value, &["/unit_amount", "/amount"], number),
        interval,
        interval_count: first(value, &["/recurring/interval_count", "/interval_count"], number),
        kind: text(value, "/type").unwrap_or_else(|| kind.to_owned()),
        trial_period_days: first(value, &["/recurring/trial_period_days", "/trial_period_days"], number),
        custom_amount: value.get("custom_unit_amount").is_some_and(Value::is_object),
        active: flag(value, "/active"),
        created_at: created(value),
    })
}
