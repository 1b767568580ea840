//! The fields of a tier that people write.

use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, RefOr, schema::Schema},
};

use crate::api::{
    Text, Whole,
    limits::{
        BENEFIT_CHARS_MAX, BENEFITS_MAX, DESCRIPTION_CHARS_MAX, MEMBER_LIMIT_MAX,
        TIER_NAME_CHARS_MAX,
    },
};

/// One thing a tier offers.
type Benefit = Text<BENEFIT_CHARS_MAX>;

/// The name of a tier.
pub(super) type Name = Text<TIER_NAME_CHARS_MAX>;

/// Its description.
pub(super) type Description = Text<DESCRIPTION_CHARS_MAX>;

/// Most members it may have.
pub(super) type MemberLimit = Whole<0, MEMBER_LIMIT_MAX>;

/// What a tier offers.
pub(super) struct Benefits(Vec<Benefit>);

impl Benefits {
    pub(super) fn into_texts(self) -> Vec<String> {
        self.0.into_iter().map(|benefit| benefit.0).collect()
    }
}

impl<'de> Deserialize<'de> for Benefits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let benefits = Vec::deserialize(deserializer)?;
        if benefits.len() > BENEFITS_MAX {
            return Err(D::Error::custom(format!(
                "at most {BENEFITS_MAX} benefits are allowed"
            )));
        }
        Ok(Self(benefits))
    }
}

impl PartialSchema for Benefits {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Benefit::schema())
            .max_items(Some(BENEFITS_MAX))
            .into()
    }
}

impl ToSchema for Benefits {}
