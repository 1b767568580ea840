//! `PATCH /v1/members/{id}`

use axum::{extract::State, response::Response};
use memberd_jobs::members::{Edit, KeysEdit, Meta, MetaEdit};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::creators::CreatorId,
    fields::{Email, ForeignKeys, MetaMerge, Name, Phone, Tags},
    model::Member,
    write::edit,
};
use crate::api::{
    Answer, ApiState, Caller, IfMatch, Json, NoQuery, Path,
    words::{Change, given},
};

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"meta": {"customer_id": "cust_002", "old_key": null}}))]
pub(super) struct MemberEditBody {
    /// Another address.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Email)]
    email: Option<Email>,
    /// Whether she has proved that the address is hers; left out, another address is not proved.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    email_verified: Option<bool>,
    /// Another display name; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<Name>)]
    name: Change<Name>,
    /// Another telephone number; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<Phone>)]
    phone: Change<Phone>,
    /// Free keys and values, added or written over; null takes one away, or all of them.
    #[serde(default)]
    #[schema(value_type = Option<MetaMerge>)]
    meta: Change<MetaMerge>,
    /// All her tags; null for none.
    #[serde(default)]
    #[schema(value_type = Option<Tags>)]
    tags: Change<Tags>,
    /// All her foreign keys; null for none. Those of customers at Stripe who are linked to her cannot go.
    #[serde(default)]
    #[schema(value_type = Option<ForeignKeys>)]
    foreign_keys: Change<ForeignKeys>,
    /// Whether she is archived.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    archived: Option<bool>,
    /// The creator whose member she is, by id or external id; left out, it stays; null: nobody's.
    #[serde(default)]
    #[schema(value_type = Option<CreatorId>)]
    creator_id: Change<CreatorId>,
}

impl MemberEditBody {
    fn into_edit(self) -> Edit {
        Edit {
            email: self.email.map(|email| Some(email.0)),
            email_verified: self.email_verified,
            name: self.name.said().map(|name| name.map(|text| text.0)),
            phone: self.phone.said().map(|phone| phone.map(|text| text.0)),
            meta: match self.meta.said() {
                None => MetaEdit::Keep,
                Some(None) => MetaEdit::Replace(Meta::new()),
                Some(Some(MetaMerge(changes))) => MetaEdit::Merge(changes),
            },
            tags: self
                .tags
                .said()
                .map(|tags| tags.map(|tags| tags.0).unwrap_or_default()),
            keys: self.foreign_keys.said().map_or(KeysEdit::Keep, |keys| {
                KeysEdit::Replace(keys.map(|keys| keys.0).unwrap_or_default())
            }),
            archived: self.archived,
            creator: self.creator_id.said().map(|id| id.map(|text| text.0)),
        }
    }
}

/// Change a member
///
/// Only what is given changes. `meta` is merged (RFC 7396); lists are replaced as a whole.
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "members", operation_id = "update_member",
    request_body = MemberEditBody,
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        IfMatch),
    responses((status = 200, description = "The member.", body = Member,
        headers(("ETag" = String, description = "Her version, for `If-Match`.")))))]
pub(super) async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    expected: IfMatch,
    Json(body): Json<MemberEditBody>,
) -> Answer<Response> {
    edit(&state, &caller, &id, &expected, &body.into_edit()).await
}
