//! Amounts for people.

use memberd_jobs::kernel::{Currency, Money};

/// The amount as people write it; a currency that is none stands beside the plain number.
pub fn amount(minor: i64, currency: &str) -> String {
    match Currency::parse(currency) {
        Ok(known) => Money::new(minor, known).to_string(),
        Err(_) => format!("{minor} {currency}"),
    }
}
