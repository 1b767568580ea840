//! Which types of events an endpoint wants.

use memberd_jobs::webhooks_out::EVENT_TYPES;
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, Ref, RefOr, schema::Schema},
};

use crate::api::{Closed, Word};

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api::v1) struct EventType(&'static str);

/// The type of an event.
pub(in crate::api::v1) type EventTypeWord = Word<EventType>;

/// All of them.
const ANY: &str = "*";

/// The types, and the word for all of them.
const WORDS: usize = EVENT_TYPES.len() + 1;

impl Closed for EventType {
    const NAME: &'static str = "WebhookEventType";
    const ABOUT: &'static str = "What an event tells; docs/webhooks.md explains each. `*`: all of them, also those that come \
        with a later version.";
    const ALL: &'static [Self] = &{
        let mut all = [Self(ANY); WORDS];
        let mut at = 0;
        while at < EVENT_TYPES.len() {
            all[at + 1] = Self(EVENT_TYPES[at].0);
            at += 1;
        }
        all
    };

    fn word(self) -> &'static str {
        self.0
    }
}

impl EventType {
    /// The type; `None`: any.
    pub(in crate::api::v1) fn one(self) -> Option<&'static str> {
        (self.0 != ANY).then_some(self.0)
    }
}

/// Types that are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct EventTypes(Vec<EventType>);

impl EventTypes {
    /// The types, each once; `None`: all.
    pub(super) fn some(&self) -> Option<Vec<&'static str>> {
        let mut types = self
            .0
            .iter()
            .map(|kind| kind.one())
            .collect::<Option<Vec<_>>>()?;
        types.sort_unstable();
        types.dedup();
        (!types.is_empty()).then_some(types)
    }
}

impl<'de> Deserialize<'de> for EventTypes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words: Vec<EventTypeWord> = Vec::deserialize(deserializer)?;
        if words.len() > WORDS {
            return Err(D::Error::custom(format!(
                "at most {WORDS} types are expected"
            )));
        }
        Ok(Self(words.into_iter().map(|Word(kind)| kind).collect()))
    }
}

impl PartialSchema for EventTypes {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Ref::from_schema_name(EventTypeWord::name()))
            .max_items(Some(WORDS))
            .into()
    }
}

impl ToSchema for EventTypes {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((EventTypeWord::name().into_owned(), EventTypeWord::schema()));
    }
}

/// What is stored, as it was given.
pub(super) fn shown(types: Option<Vec<&str>>) -> Vec<String> {
    types
        .unwrap_or_else(|| vec![ANY])
        .into_iter()
        .map(str::to_owned)
        .collect()
}
