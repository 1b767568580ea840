//! What is paid for and with what, as the API shows it wherever something is paid.

use memberd_jobs::sync::store::read::Paying;
use serde::Serialize;
use utoipa::ToSchema;

/// The plan that something is for.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct PlanName {
    /// Stripe's price.
    #[schema(example = "price_123")]
    id: String,
    /// What it is called: its nickname, else its product's name.
    #[schema(example = "Gold monthly")]
    name: String,
}

impl PlanName {
    /// The plan of a price that is called `name`, if it has a name.
    pub(super) fn of(price: String, name: Option<String>) -> Self {
        Self {
            name: name.unwrap_or_else(|| price.clone()),
            id: price,
        }
    }
}

/// What pays: never more of it than tells people which one it is.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentMethod {
    /// Stripe's id.
    #[schema(example = "pm_123")]
    id: String,
    /// Stripe's type; null while the payment method has not been mirrored.
    #[serde(rename = "type")]
    #[schema(example = "card")]
    kind: Option<String>,
    /// The card's brand, or the bank's name.
    #[schema(example = "visa")]
    brand: Option<String>,
    /// The last four digits.
    #[schema(example = "4242")]
    last4: Option<String>,
    /// Month in which the card expires.
    #[schema(minimum = 1, maximum = 12, example = 3)]
    exp_month: Option<i64>,
    /// Year in which the card expires.
    #[schema(example = 2030)]
    exp_year: Option<i64>,
    /// All of it for people.
    #[schema(example = "Visa •••• 4242")]
    label: String,
}

impl PaymentMethod {
    /// The payment method, if there is one.
    pub(super) fn of(row: Paying) -> Option<Self> {
        Some(Self {
            label: label(&row),
            id: row.id?,
            kind: row.kind,
            brand: row.brand,
            last4: row.last4,
            exp_month: row.exp_month,
            exp_year: row.exp_year,
        })
    }
}

/// `Visa •••• 4242`; where there is no number, Stripe's words for what it is.
fn label(row: &Paying) -> String {
    let kind = row.kind.as_deref().unwrap_or("payment method");
    let name = row.brand.as_deref().unwrap_or(kind).replace('_', " ");
    let mut letters = name.chars();
    let name: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    match &row.last4 {
        Some(last4) => format!("{name} •••• {last4}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_named_as_people_know_it() {
        let row = |kind: &str, brand: Option<&str>, last4: Option<&str>| Paying {
            id: Some("pm_1".to_owned()),
            kind: Some(kind.to_owned()),
            brand: brand.map(str::to_owned),
            last4: last4.map(str::to_owned),
            ..Paying::default()
        };
        for (row, expected) in [
            (row("card", Some("visa"), Some("4242")), "Visa •••• 4242"),
            (
                row("sepa_debit", None, Some("3000")),
                "Sepa debit •••• 3000",
            ),
            (row("link", None, None), "Link"),
        ] {
            assert_eq!(PaymentMethod::of(row).unwrap().label, expected);
        }
        assert!(PaymentMethod::of(Paying::default()).is_none());
    }
}
