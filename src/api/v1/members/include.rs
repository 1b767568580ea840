//! What may be shown besides a member's row: `?include=entitlements,purchases`.

use serde::{
    Deserialize, Deserializer,
    de::{IntoDeserializer as _, value::StrDeserializer},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, RefOr, schema::Schema},
};

use crate::api::{Closed, Word};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    Entitlements,
    Purchases,
    Engagement,
}

impl Closed for Include {
    const NAME: &'static str = "MemberInclude";
    const ABOUT: &'static str = "What to show besides the member.";
    const ALL: &'static [Self] = &[Self::Entitlements, Self::Purchases, Self::Engagement];

    fn word(self) -> &'static str {
        match self {
            Self::Entitlements => "entitlements",
            Self::Purchases => "purchases",
            Self::Engagement => "engagement",
        }
    }
}

/// Some of them, between commas.
#[derive(Clone, Debug, Default)]
pub(super) struct Includes(Vec<Include>);

impl Includes {
    /// Whether this one is wanted.
    pub(super) fn has(&self, include: Include) -> bool {
        self.0.contains(&include)
    }

    /// These and one more.
    pub(super) fn and(mut self, include: Include) -> Self {
        self.0.push(include);
        self
    }

    /// These but one.
    pub(super) fn without(self, include: Include) -> Self {
        let rest = self.0.into_iter().filter(|one| *one != include);
        Self(rest.collect())
    }
}

impl<'de> Deserialize<'de> for Includes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let one = |word: &str| {
            let word: StrDeserializer<'_, D::Error> = word.into_deserializer();
            Word::deserialize(word).map(|Word(include)| include)
        };
        text.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }
}

impl PartialSchema for Includes {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Word::<Include>::schema())
            .min_items(Some(1))
            .into()
    }
}

impl ToSchema for Includes {}
