//! A creator as the API shows her, and as it is told of her.

use memberd_jobs::{
    creators::{self, EXTERNAL_ID_CHARS_MAX, NAME_CHARS_MAX, Refused, TIME_ZONE_CHARS_MAX},
    kernel::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Caller, Code, Problem, Text};

/// A creator's id or external id.
pub(in crate::api::v1) type CreatorId = Text<EXTERNAL_ID_CHARS_MAX>;
/// A creator's name.
pub(super) type Name = Text<NAME_CHARS_MAX>;
/// How the organization's own systems call her.
pub(super) type ExternalId = Text<EXTERNAL_ID_CHARS_MAX>;

/// Where a creator's days begin and end.
pub(super) type TimeZone = Text<TIME_ZONE_CHARS_MAX>;

/// A creator: a person or a brand within the organization.
#[derive(Serialize, ToSchema)]
pub(super) struct Creator {
    /// Her id.
    #[schema(example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// Her name.
    #[schema(example = "Ann Example")]
    name: String,
    /// How the organization's own systems call her; wherever a creator is named, it does as well as the id.
    #[schema(example = "creator_xyz")]
    external_id: Option<String>,
    /// Where her days begin and end; null: where the organization's do.
    #[schema(example = "Europe/Paris")]
    time_zone: Option<String>,
    /// When she became known here.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    created_at: Timestamp,
    /// When her row last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    updated_at: Timestamp,
    /// Since when she gets no new members and keys.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
}

impl From<creators::Creator> for Creator {
    fn from(row: creators::Creator) -> Self {
        Self {
            id: row.id,
            name: row.name,
            external_id: row.external_id,
            time_zone: row.time_zone,
            created_at: row.created_at,
            updated_at: row.updated_at,
            archived_at: row.archived_at,
        }
    }
}

/// A refusal of what a request says about a creator herself.
pub(super) fn refused(why: &Refused) -> Problem {
    match why {
        Refused::NoCreator => Problem::new(Code::NotFound, why.to_string()),
        Refused::Bounds(field, _) => unprocessable(field, why),
        Refused::TimeZone(_) => unprocessable("time_zone", why),
        Refused::LooksLikeAnId | Refused::ExternalIdTaken(_) => unprocessable("external_id", why),
        Refused::Archived(_) => unprocessable("archived", why),
    }
}

fn unprocessable(field: &str, why: &Refused) -> Problem {
    let pointer = format!("#/{field}");
    Problem::field(Code::InvalidRequest, pointer, why.to_string()).unprocessable()
}

/// The creator to whom a key is to be narrowed: the caller's own if the caller is. An archived one gets no key.
pub(in crate::api::v1) async fn creator_to_be(
    state: &ApiState,
    caller: &Caller,
    word: Option<&CreatorId>,
) -> Answer<Option<String>> {
    let word = word.map(|Text(word)| word).or(caller.creator.as_ref());
    let Some(word) = word else {
        return Ok(None);
    };
    let found = match creators::open(&state.env.db, &caller.organization, word).await? {
        Ok(found) if caller.sees(Some(&found.id)) => Ok(found.id),
        Err(Refused::Archived(id)) if caller.sees(Some(&id)) => Err(Refused::Archived(id)),
        _ => Err(Refused::NoCreator),
    };
    found
        .map(Some)
        .map_err(|why| unprocessable("creator_id", &why))
}
