//! Amounts for people, and fractions.

use memberd_jobs::kernel::{Currency, Money};

/// The amount as people write it; a currency that is none stands beside the plain number.
pub fn amount(minor: i64, currency: &str) -> String {
    match Currency::parse(currency) {
        Ok(known) => Money::new(minor, known).to_string(),
        Err(_) => format!("{minor} {currency}"),
    }
}

/// Places behind the point of shares and rates.
const PLACES: f64 = 10_000.0;

/// Thousandths as a number with a fraction.
#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^53")]
pub fn thousandths(of: i64) -> f64 {
    of as f64 / 1_000.0
}

/// A share or a rate, rounded to four places.
pub fn rounded(of: f64) -> f64 {
    (of * PLACES).round() / PLACES
}
