//! Interactions as requests have them, and what became of them.

use memberd_jobs::{
    engagement::{
        DEFAULT_SOURCE, DETAILS_BYTES_MAX, ID_CHARS_MAX, ITEMS_MAX, Item, Received, SECONDS_MAX,
        SOURCE_CHARS_MAX,
    },
    kernel::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Code, FieldError, Text, Whole, decode};

/// Characters of a member's id, or of `ext:<provider>:<id>`.
const MEMBER_CHARS_MAX: usize = 400;
/// Characters of a kind's name.
const KIND_CHARS_MAX: usize = 40;

/// A source's name.
type Source = Text<SOURCE_CHARS_MAX>;
/// An interaction's id.
type InteractionId = Text<ID_CHARS_MAX>;
/// A member's id, or `ext:<provider>:<id>`.
type MemberWord = Text<MEMBER_CHARS_MAX>;
/// A kind's name.
type Kind = Text<KIND_CHARS_MAX>;
/// How long an interaction lasts.
type Seconds = Whole<0, SECONDS_MAX>;

/// Interactions.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"interactions": [
    {"source": "app", "id": "view-1", "member_id": "ext:stripe:cus_123", "kind": "content_view"},
    {"source": "app", "id": "chat-7", "member_id": "ext:stripe:cus_123", "kind": "persona_chat", "seconds": 340,
     "details": {"persona": "luna"}}
]}))]
pub(super) struct InteractionsBody {
    /// In any order.
    #[schema(value_type = Vec<InteractionBody>, min_items = 1, max_items = 1_000)]
    pub(super) interactions: Vec<Value>,
}

/// An interaction: something that a member did.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InteractionBody {
    /// Which of your systems tells of it; without one it is `api`.
    source: Option<Source>,
    /// Its id there. Told again with the same source and id, it does not count again.
    id: InteractionId,
    /// The member's id, or `ext:<provider>:<id>`.
    member_id: MemberWord,
    /// A kind of the configuration, such as `content_view`, `comment`, `share` and `persona_chat`.
    kind: Kind,
    /// When it happened; without it, now. What is up to five minutes ahead happens now.
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    /// How long it lasted.
    seconds: Option<Seconds>,
    /// What else is to be seen of it in the member's timeline, as JSON of 2,048 bytes at the most. Never an address.
    details: Option<Map<String, Value>>,
    /// Whether it is taken back. Of one that was not told yet it is noted, so that it never counts.
    #[serde(default)]
    removed: bool,
}

/// What to do when some cannot be taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Partial {
    /// `true`: those that can be taken are, and the others are told. Otherwise one that cannot be taken refuses all.
    #[serde(default)]
    #[param(example = false)]
    pub(super) partial: bool,
}

/// What became of the interactions.
#[derive(Serialize, ToSchema)]
pub(super) struct InteractionsResult {
    /// New ones; they count within seconds.
    #[schema(minimum = 0, example = 2)]
    accepted: usize,
    /// Those that were known, or had been taken back.
    #[schema(minimum = 0, example = 0)]
    duplicates: usize,
    /// Those that were taken back by this request.
    #[schema(minimum = 0, example = 0)]
    removed: usize,
    /// Those that were not taken, by their places.
    refused: Vec<FieldError>,
}

/// Those that can be read, with their places, and what is wrong with the others.
pub(super) fn items(values: &[Value]) -> (Vec<(usize, Item)>, Vec<FieldError>) {
    let (mut items, mut errors) = (Vec::with_capacity(values.len()), Vec::new());
    for (index, value) in values.iter().enumerate() {
        match item(value) {
            Ok(item) => items.push((index, item)),
            Err(fault) => errors.push(fault.into_field(&place(index))),
        }
    }
    (items, errors)
}

fn place(index: usize) -> String {
    format!("#/interactions/{index}")
}

fn item(value: &Value) -> Result<Item, decode::Fault> {
    let body: InteractionBody = decode::from_json(value.clone())?;
    let details = body.details.filter(|details| !details.is_empty());
    let details = details.map(|details| Value::Object(details).to_string());
    if let Some(details) = details
        .as_ref()
        .filter(|text| text.len() > DETAILS_BYTES_MAX)
    {
        return Err(decode::Fault {
            pointer: "/details".to_owned(),
            code: Code::InvalidRequest,
            detail: format!(
                "{} bytes are given, at most {DETAILS_BYTES_MAX} are allowed: keep the rest in your own systems",
                details.len()
            ),
        });
    }
    Ok(Item {
        source: body
            .source
            .map_or_else(|| DEFAULT_SOURCE.to_owned(), |text| text.0),
        id: body.id.0,
        member: body.member_id.0,
        kind: body.kind.0,
        occurred_at: body.occurred_at,
        seconds: body.seconds.map_or(0, |seconds| seconds.0),
        details,
        removed: body.removed,
    })
}

/// What was refused, in the order of the request.
pub(super) fn refused(received: &Received, mut unread: Vec<FieldError>) -> Vec<FieldError> {
    let refused = received.refused.iter().map(|refusal| FieldError {
        pointer: format!("{}/{}", place(refusal.index), refusal.field),
        code: Code::InvalidRequest,
        detail: refusal.why.clone(),
    });
    unread.extend(refused);
    let index = |error: &FieldError| -> usize {
        let digits = error.pointer.split('/').nth(2).unwrap_or_default();
        digits.parse().unwrap_or(ITEMS_MAX)
    };
    unread.sort_by_key(index);
    unread
}

impl InteractionsResult {
    pub(super) fn of(received: &Received, refused: Vec<FieldError>) -> Self {
        Self {
            accepted: received.accepted,
            duplicates: received.duplicates,
            removed: received.removed,
            refused,
        }
    }
}
