//! Money: an amount in minor units and its currency, never a float.
//!
//! The minor unit is the one Stripe's API takes. It is not always the one of ISO 4217: Stripe takes ISK and UGX with
//! two decimals although they have none, and MGA with none although it has two. Source: Stripe's documentation of
//! supported currencies, "zero-decimal", "three-decimal" and "special cases".

use std::fmt;

use serde::{Deserialize, Serialize};

/// Currencies whose minor unit is the currency itself.
const ZERO_DECIMAL: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];

/// Currencies with a thousandth as minor unit; Stripe wants their last digit to be 0.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// Charged with decimals, paid out in whole units only.
const WHOLE_PAYOUTS: [&str; 4] = ["huf", "isk", "twd", "ugx"];

/// Signs for the currencies that readers know by them.
const SIGNS: [(&str, &str); 8] = [
    ("usd", "$"),
    ("eur", "€"),
    ("gbp", "£"),
    ("jpy", "¥"),
    ("inr", "₹"),
    ("krw", "₩"),
    ("brl", "R$"),
    ("ils", "₪"),
];

/// A currency: three lower-case letters, as Stripe writes them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

/// What is wrong with an amount or a currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three letters.
    #[error("currency `{0}` is not a three-letter code such as usd")]
    Currency(String),
    /// Two amounts of different currencies met.
    #[error("cannot combine {0} with {1}: convert one of them first")]
    Mixed(Currency, Currency),
    /// The result does not fit an `i64` of minor units.
    #[error("the amount is too large")]
    Overflow,
    /// A decimal text that is not an amount of the currency.
    #[error("`{0}` is not an amount in {1}: it takes at most {2} decimals")]
    Decimal(String, Currency, u32),
}

impl Currency {
    /// Reads a code; upper case is accepted.
    ///
    /// # Errors
    /// When it is not three ASCII letters.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let lower = code.to_ascii_lowercase();
        match <[u8; 3]>::try_from(lower.as_bytes()) {
            Ok(bytes) if bytes.iter().all(u8::is_ascii_lowercase) => Ok(Self(bytes)),
            _ => Err(MoneyError::Currency(code.to_owned())),
        }
    }

    /// The code in lower case.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Decimals of the amounts that Stripe's API takes: 0, 2 or 3.
    pub fn decimals(self) -> u32 {
        if ZERO_DECIMAL.contains(&self.code()) {
            0
        } else if THREE_DECIMAL.contains(&self.code()) {
            3
        } else {
            2
        }
    }

    /// The smallest step, in minor units, of an amount that can be charged.
    pub fn charge_step(self) -> i64 {
        match self.code() {
            "isk" | "ugx" => 100,
            _ if self.decimals() == 3 => 10,
            _ => 1,
        }
    }

    /// The smallest step, in minor units, of an amount that can be paid out.
    pub fn payout_step(self) -> i64 {
        if WHOLE_PAYOUTS.contains(&self.code()) {
            100
        } else {
            self.charge_step()
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// An amount of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units; negative amounts are owed the other way.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// An amount in minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        let minor = self
            .minor
            .checked_add(other.minor)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The difference.
    ///
    /// # Errors
    /// When the currencies differ or the difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        let minor = other.minor.checked_neg().ok_or(MoneyError::Overflow)?;
        self.plus(Self { minor, ..other })
    }

    /// `bps` ten-thousandths of the amount, rounded half away from zero: Stripe's rule for its own fees.
    ///
    /// # Errors
    /// When the result does not fit.
    pub fn basis_points(self, bps: u32) -> Result<Self, MoneyError> {
        let exact = i128::from(self.minor) * i128::from(bps);
        let half = if exact < 0 { -5_000 } else { 5_000 };
        let minor = i64::try_from((exact + half) / 10_000).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Reads a decimal text such as `9.99`. The digits are read one by one, never through a float.
    ///
    /// # Errors
    /// When it is not a number or has more decimals than the currency.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let decimals = currency.decimals();
        let refuse = || MoneyError::Decimal(text.to_owned(), currency, decimals);
        let (negative, digits) = text
            .strip_prefix('-')
            .map_or((false, text), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let width = usize::try_from(decimals).map_err(|_| refuse())?;
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > width {
            return Err(refuse());
        }
        let minor: i64 = format!("{whole}{fraction:0<width$}")
            .parse()
            .map_err(|_| MoneyError::Overflow)?;
        Ok(Self::new(if negative { -minor } else { minor }, currency))
    }

    /// The amount with its decimals and without a currency, such as `9.99`.
    pub fn decimal(self) -> String {
        let decimals = self.currency.decimals();
        let unit = 10_u64.pow(decimals);
        let (sign, magnitude) = (
            if self.minor < 0 { "-" } else { "" },
            self.minor.unsigned_abs(),
        );
        if decimals == 0 {
            return format!("{sign}{magnitude}");
        }
        let width = usize::try_from(decimals).unwrap_or(2);
        format!("{sign}{}.{:0width$}", magnitude / unit, magnitude % unit)
    }
}

/// For people: `$9.99`, `-€5.00`, `¥500`, `12.500 KWD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = self.decimal();
        let sign = SIGNS.iter().find(|(code, _)| *code == self.currency.code());
        match (sign, decimal.strip_prefix('-')) {
            (Some((_, sign)), Some(magnitude)) => write!(f, "-{sign}{magnitude}"),
            (Some((_, sign)), None) => write!(f, "{sign}{decimal}"),
            (None, _) => write!(f, "{decimal} {}", self.currency.code().to_ascii_uppercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, Currency::parse(code).unwrap())
    }

    #[test]
    fn stripes_unit_table_and_its_exceptions() {
        for (code, decimals, charge, payout) in [
            ("usd", 2, 1, 1),
            ("jpy", 0, 1, 1),
            ("mga", 0, 1, 1),
            ("isk", 2, 100, 100),
            ("ugx", 2, 100, 100),
            ("huf", 2, 1, 100),
            ("twd", 2, 1, 100),
            ("kwd", 3, 10, 10),
        ] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!(
                (
                    currency.decimals(),
                    currency.charge_step(),
                    currency.payout_step()
                ),
                (decimals, charge, payout),
                "{code}"
            );
        }
    }

    #[test]
    fn amounts_print_for_people() {
        assert_eq!(money(999, "usd").to_string(), "$9.99");
        assert_eq!(money(-500, "EUR").to_string(), "-€5.00");
        assert_eq!(money(500, "jpy").to_string(), "¥500");
        assert_eq!(money(12_500, "kwd").to_string(), "12.500 KWD");
        assert_eq!(money(-7, "chf").to_string(), "-0.07 CHF");
        assert_eq!(money(i64::MIN, "usd").decimal(), "-92233720368547758.08");
    }

    #[test]
    fn bad_amounts_are_named() {
        let usd = Currency::parse("usd").unwrap();
        for text in ["", ".5", "1.999", "1e3", "+1", "1.-5", "--1", "1 000"] {
            assert!(Money::parse_decimal(text, usd).is_err(), "{text}");
        }
        assert_eq!(
            Money::parse_decimal("1.5", Currency::parse("jpy").unwrap())
                .unwrap_err()
                .to_string(),
            "`1.5` is not an amount in jpy: it takes at most 0 decimals"
        );
        assert!(Currency::parse("dollar").is_err() && Currency::parse("u5d").is_err());
    }

    #[test]
    fn a_fee_of_ten_percent_rounds_half_away_from_zero() {
        for (amount, fee) in [
            (2500, 250),
            (499, 50),
            (5, 1),
            (4, 0),
            (-5, -1),
            (3333, 333),
        ] {
            assert_eq!(money(amount, "usd").basis_points(1000).unwrap().minor, fee);
        }
    }

    proptest! {
        #[test]
        fn decimals_read_back(minor in -1_000_000_000_i64..1_000_000_000, code in "usd|jpy|kwd|isk") {
            let amount = money(minor, &code);
            prop_assert_eq!(Money::parse_decimal(&amount.decimal(), amount.currency), Ok(amount));
        }

        #[test]
        fn a_fee_and_its_rest_are_the_whole(minor in any::<i32>(), bps in 0_u32..=10_000) {
            let gross = money(i64::from(minor), "usd");
            let fee = gross.basis_points(bps).unwrap();
            prop_assert_eq!(gross.minus(fee).unwrap().plus(fee).unwrap(), gross);
            prop_assert!(fee.minor.abs() <= gross.minor.abs());
        }
    }
}
