//! `PUT /v1/members/{id}`

use axum::{extract::State, response::Response};
use memberd_jobs::members::{Edit, KeysEdit, MetaEdit};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::creators::CreatorId,
    fields::{Email, ForeignKeys, MetaBody, Name, Phone, Tags},
    model::Member,
    write::edit,
};
use crate::api::{
    Answer, ApiState, Caller, IfMatch, Json, NoQuery, Path,
    words::{Change, given},
};

/// A member as she is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "jane@example.com", "name": "Jane Smith", "meta": {"customer_id": "cust_001"}}))]
pub(super) struct MemberBody {
    /// Her address; null only if she has none.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    email: Option<Email>,
    /// Her display name; left out or null, she has none.
    name: Option<Name>,
    /// Whether she has proved that the address is hers; left out, another address is not proved.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    email_verified: Option<bool>,
    /// Her telephone number; left out, it stays; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<Phone>)]
    phone: Change<Phone>,
    /// Free keys and values, which take the place of all that were; left out, those stay.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = MetaBody)]
    meta: Option<MetaBody>,
    /// All her tags; left out, they stay.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Tags)]
    tags: Option<Tags>,
    /// All her foreign keys; left out, they stay. Those of customers at Stripe who are linked to her cannot go.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = ForeignKeys)]
    foreign_keys: Option<ForeignKeys>,
    /// Whether she is archived; left out, it stays.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    archived: Option<bool>,
    /// The creator whose member she is, by id or external id; left out, it stays; null: nobody's.
    #[serde(default)]
    #[schema(value_type = Option<CreatorId>)]
    creator_id: Change<CreatorId>,
}

impl MemberBody {
    fn into_edit(self) -> Edit {
        Edit {
            email: Some(self.email.map(|email| email.0)),
            email_verified: self.email_verified,
            name: Some(self.name.map(|text| text.0)),
            phone: self.phone.said().map(|phone| phone.map(|text| text.0)),
            meta: self
                .meta
                .map_or(MetaEdit::Keep, |meta| MetaEdit::Replace(meta.0)),
            tags: self.tags.map(|tags| tags.0),
            keys: self
                .foreign_keys
                .map_or(KeysEdit::Keep, |keys| KeysEdit::Replace(keys.0)),
            archived: self.archived,
            creator: self.creator_id.said().map(|id| id.map(|text| text.0)),
        }
    }
}

/// Replace a member
///
/// Her address and name become these; if `meta` is there, all of it is replaced, else it stays, and so do the other
/// fields. What is worked out for her, such as `status`, cannot be written.
#[utoipa::path(put, path = "/v1/members/{id}", tag = "members", operation_id = "replace_member",
    request_body = MemberBody,
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        IfMatch),
    responses((status = 200, description = "The member.", body = Member,
        headers(("ETag" = String, description = "Her version, for `If-Match`.")))))]
pub(super) async fn replace(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    expected: IfMatch,
    Json(body): Json<MemberBody>,
) -> Answer<Response> {
    edit(&state, &caller, &id, &expected, &body.into_edit()).await
}
