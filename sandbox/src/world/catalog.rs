//! What an account sells: four tiers and their prices.

use serde_json::{Value, json};

use super::members::call;
use crate::{
    account::{Account, Kind},
    stripe::{error::ApiError, payments},
};

/// A tier: its slug, name, description, what it promises, and its prices per month and year in US
/// cents (none for the default tier).
struct Tier {
    slug: &'static str,
    name: &'static str,
    about: &'static str,
    features: &'static [&'static str],
    prices: Option<(i64, i64)>,
}

const TIERS: [Tier; 4] = [
    Tier {
        slug: "reader",
        name: "Reader",
        about: "Free for everybody who signs up.",
        features: &["Weekly letter", "Comments"],
        prices: None,
    },
    Tier {
        slug: "supporter",
        name: "Supporter",
        about: "Keeps the lights on.",
        features: &["Weekly letter", "Comments", "Archive"],
        prices: Some((500, 5_000)),
    },
    Tier {
        slug: "premium",
        name: "Premium",
        about: "Everything we write.",
        features: &[
            "Weekly letter",
            "Comments",
            "Archive",
            "Long reads",
            "Podcast",
        ],
        prices: Some((1_200, 12_000)),
    },
    Tier {
        slug: "patron",
        name: "Patron",
        about: "For those who want to give more.",
        features: &["Everything in Premium", "Print edition", "Yearly meeting"],
        prices: Some((3_000, 30_000)),
    },
];

/// The ids of the paid recurring prices, cheapest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    /// Per month.
    pub(crate) monthly: Vec<String>,
    /// Per year.
    pub(crate) yearly: Vec<String>,
}

impl Catalog {
    /// The monthly price of a tier, counted round from the cheapest.
    pub(crate) fn monthly(&self, tier: usize) -> &str {
        self.monthly
            .get(tier % self.monthly.len().max(1))
            .map_or("", String::as_str)
    }

    /// The yearly price of a tier, counted round from the cheapest.
    pub(crate) fn yearly(&self, tier: usize) -> &str {
        self.yearly
            .get(tier % self.yearly.len().max(1))
            .map_or("", String::as_str)
    }

    /// The catalog of an account, made when it is not there yet.
    pub(crate) fn of(account: &mut Account) -> Result<Self, ApiError> {
        let mut catalog = Self::default();
        payments::offer(account, "WELCOME", "Welcome", 25, "HELLO25");
        for tier in &TIERS {
            let month_key = format!("{}_monthly", tier.slug);
            let year_key = format!("{}_yearly", tier.slug);
            if account
                .table(Kind::Price)
                .count_with("lookup_key", &month_key)
                == 0
            {
                make_tier(account, tier)?;
            }
            if tier.prices.is_some() {
                catalog.monthly.extend(
                    account
                        .table(Kind::Price)
                        .ids_with("lookup_key", &month_key),
                );
                catalog
                    .yearly
                    .extend(account.table(Kind::Price).ids_with("lookup_key", &year_key));
            }
        }
        Ok(catalog)
    }
}

fn make_tier(account: &mut Account, tier: &Tier) -> Result<(), ApiError> {
    let features: Vec<Value> = tier
        .features
        .iter()
        .map(|name| json!({"name": name}))
        .collect();
    let mut metadata = json!({"memberd_tier": tier.slug});
    if tier.prices.is_none() {
        metadata["memberd_default"] = json!("true");
    }
    let product = call(
        account,
        "POST",
        "/v1/products",
        json!({
            "name": tier.name, "description": tier.about, "marketing_features": features,
            "metadata": metadata,
        }),
    )?;
    let (month, year) = tier.prices.unwrap_or((0, 0));
    let mut first = Value::Null;
    for (interval, word, amount) in [("month", "monthly", month), ("year", "yearly", year)] {
        if interval == "year" && tier.prices.is_none() {
            continue;
        }
        let price = call(
            account,
            "POST",
            "/v1/prices",
            json!({
                "product": product["id"], "currency": "usd", "unit_amount": amount,
                "recurring": {"interval": interval}, "lookup_key": format!("{}_{word}", tier.slug),
                "nickname": format!("{} {word}", tier.name),
            }),
        )?;
        if first.is_null() {
            first = price["id"].clone();
        }
    }
    let path = format!(
        "/v1/products/{}",
        product["id"].as_str().unwrap_or_default()
    );
    call(account, "POST", &path, json!({"default_price": first}))?;
    Ok(())
}
