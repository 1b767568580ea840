//! The fields of a plan that people write.

use memberd_jobs::{kernel::Currency, operations::Interval};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Type, schema::Schema},
};

use crate::api::{
    Closed, Text, Whole, Word,
    decode::repeated,
    limits::{AMOUNT_MAX, INTERVALS_MAX, NICKNAME_CHARS_MAX},
};

/// Minor units.
pub(in crate::api::v1) type Amount = Whole<0, AMOUNT_MAX>;

/// Every so many intervals.
pub(super) type Intervals = Whole<1, INTERVALS_MAX>;

/// The name of a plan among those of its tier.
pub(super) type Nickname = Text<NICKNAME_CHARS_MAX>;

/// How often a plan is paid.
pub(in crate::api::v1) type IntervalWord = Word<Interval>;

impl Closed for Interval {
    const NAME: &'static str = "Interval";
    const ABOUT: &'static str = "How often a plan is paid.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// A currency's code in small letters, as Stripe writes it.
pub(in crate::api::v1) struct CurrencyCode(pub(in crate::api::v1) String);

impl<'de> Deserialize<'de> for CurrencyCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().all(|byte| byte.is_ascii_lowercase()) && Currency::parse(&text).is_ok() {
            Ok(Self(text))
        } else {
            let text = repeated(&text);
            Err(D::Error::custom(format!(
                "{text} is no currency code such as usd, in small letters"
            )))
        }
    }
}

impl PartialSchema for CurrencyCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z]{3}$"))
            .into()
    }
}

impl ToSchema for CurrencyCode {}
