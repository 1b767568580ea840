//! Values with bounds: words of closed lists, whole numbers, short texts. Each carries its own schema, made from the
//! constants that it checks, so that the description cannot drift from the code.

use std::borrow::Cow;

use memberd_jobs::{
    access::Scope,
    entitlements::access::Reason,
    kernel::{
        queue::{Queue, admin::JobState},
        scoring::Level,
    },
    members::BillingStatus,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Type, schema::Schema},
};

use super::decode::unknown;

/// A closed list of words.
pub trait Closed: Copy + Send + Sync + 'static {
    /// The name of the list's schema.
    const NAME: &'static str;
    /// What the words are, for people.
    const ABOUT: &'static str;
    /// All of them.
    const ALL: &'static [Self];
    /// The word.
    fn word(self) -> &'static str;
}

/// One of a closed list of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

/// The state of a job.
pub type StateWord = Word<JobState>;
/// The name of a queue.
pub type QueueWord = Word<Queue>;
/// Where a member stands with her payments.
pub type BillingWord = Word<BillingStatus>;
/// How engaged a member is.
pub type LevelWord = Word<Level>;
/// Why a member may or may not use something.
pub type ReasonWord = Word<Reason>;
/// A scope.
pub type ScopeWord = Word<Scope>;

impl Closed for JobState {
    const NAME: &'static str = "JobState";
    const ABOUT: &'static str = "Where a job is in its life. `scheduled`, `available` and `retryable` wait; \
        `completed`, `cancelled` and `discarded` are final.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Closed for Queue {
    const NAME: &'static str = "QueueName";
    const ABOUT: &'static str = "A lane: jobs of one queue never wait behind those of another.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Closed for BillingStatus {
    const NAME: &'static str = "BillingStatus";
    const ABOUT: &'static str =
        "Where a member stands with her payments, over all her subscriptions.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Closed for Level {
    const NAME: &'static str = "EngagementLevel";
    const ABOUT: &'static str =
        "How engaged a member is, by her score; who never did anything is `inactive`.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Closed for Reason {
    const NAME: &'static str = "AccessReason";
    const ABOUT: &'static str = "Why a member may (`entitled` to `extended`) or may not use something; docs/access.md explains each.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Closed for Scope {
    const NAME: &'static str = "Scope";
    const ABOUT: &'static str = "The permission to use one group of routes.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl<T: Closed> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<'de, T: Closed> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = T::ALL.iter().find(|item| item.word() == text);
        found.copied().map(Self).ok_or_else(|| {
            let words: Vec<_> = T::ALL.iter().map(|item| item.word()).collect();
            D::Error::custom(unknown(&text, &words))
        })
    }
}

impl<T: Closed> PartialSchema for Word<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(T::ABOUT))
            .enum_values(Some(T::ALL.iter().map(|item| item.word())))
            .into()
    }
}

impl<T: Closed> ToSchema for Word<T> {
    fn name() -> Cow<'static, str> {
        T::NAME.into()
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Whole<const MIN: i64, const MAX: i64>(pub i64);

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        if (MIN..=MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(D::Error::custom(format!(
                "{number} is not from {MIN} to {MAX}"
            )))
        }
    }
}

impl<const MIN: i64, const MAX: i64> PartialSchema for Whole<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(MIN))
            .maximum(Some(MAX))
            .into()
    }
}

impl<const MIN: i64, const MAX: i64> ToSchema for Whole<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("WholeFrom{MIN}To{MAX}").into()
    }
}

/// Texts that PostgreSQL can store.
pub(super) const NO_NUL: &str = "^[^\\u0000]*$";

/// A text of one to `MAX` characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text<const MAX: usize>(pub String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if (1..=MAX).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!(
                "a text of 1 to {MAX} characters is expected"
            )))
        }
    }
}

impl<const MAX: usize> PartialSchema for Text<MAX> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX))
            .pattern(Some(NO_NUL))
            .into()
    }
}

impl<const MAX: usize> ToSchema for Text<MAX> {
    fn name() -> Cow<'static, str> {
        format!("TextUpTo{MAX}").into()
    }
}

/// A field that may be left out, but is not null.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A field of an edit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Change<T> {
    /// It is not given, and nothing changes.
    #[default]
    Keep,
    /// It is given; null takes away what was set.
    To(Option<T>),
}

impl<T> Change<T> {
    /// What was said, if anything was.
    #[expect(
        clippy::option_option,
        reason = "nothing said, null, and a value are three things"
    )]
    pub(super) fn said(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::To(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::To)
    }
}
