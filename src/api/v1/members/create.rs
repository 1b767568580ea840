//! `POST /v1/members`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::{
    kernel::{Timestamp, db},
    members::Details,
    roster::{self, NewMember},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    super::creators::CreatorId,
    fields::{Email, ForeignKeys, MetaBody, Name, Phone, Tags},
    model::{Around, Member},
    write::{RACE_TRIES_MAX, headed, refused, settle},
};
use crate::api::{Answer, ApiState, Begun, Caller, IdempotencyKey, Json, Kept, NoQuery, Once};

/// A member to make.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "jane@example.com", "name": "Jane Smith", "meta": {"customer_id": "cust_001"},
    "tags": ["vip"], "foreign_keys": [{"key": "crm", "value": "4711"}]}))]
pub(super) struct NewMemberBody {
    /// Her address. It is trimmed, and upper and lower case are the same; no other living member may have it.
    email: Email,
    /// Whether she has proved that it is hers; `false` unless said otherwise. A customer at Stripe with this address is
    /// linked to her only then.
    #[serde(default)]
    email_verified: bool,
    /// Her display name.
    name: Option<Name>,
    /// Her telephone number.
    phone: Option<Phone>,
    /// Free keys and values.
    meta: Option<MetaBody>,
    /// Words by which people find her.
    tags: Option<Tags>,
    /// How other systems call her. With `stripe` the customer is linked to her.
    foreign_keys: Option<ForeignKeys>,
    /// Whether she is archived; `false` unless said otherwise.
    #[serde(default)]
    archived: bool,
    /// The creator whose member she will be, by id or external id; a narrowed key's own unless said otherwise.
    creator_id: Option<CreatorId>,
    /// When she joined; now unless said otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    joined_at: Option<Timestamp>,
}

impl NewMemberBody {
    fn into_new(self, caller: &Caller) -> NewMember {
        NewMember {
            details: Details {
                email: Some(self.email.0),
                email_verified: self.email_verified,
                name: self.name.map(|text| text.0),
                phone: self.phone.map(|text| text.0),
                meta: self.meta.map(|meta| meta.0).unwrap_or_default(),
                tags: self.tags.map(|tags| tags.0).unwrap_or_default(),
                keys: self.foreign_keys.map(|keys| keys.0).unwrap_or_default(),
                archived: self.archived,
                creator: self
                    .creator_id
                    .map(|text| text.0)
                    .or_else(|| caller.creator.clone()),
            },
            joined_at: self.joined_at,
        }
    }
}

/// Make a member
///
/// Her address and her foreign keys must be free: one that another member has is refused with that member's id.
#[utoipa::path(post, path = "/v1/members", tag = "members", operation_id = "create_member",
    request_body = NewMemberBody,
    params(IdempotencyKey),
    responses((status = 201, description = "The member; `Location` and `ETag` are hers.", body = Member,
        headers(("ETag" = String, description = "Her version, for `If-Match`."), ("Location" = String, description = "Her place.")))))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<NewMemberBody>,
) -> Answer<Response> {
    let asked = json!({ "create_member": body });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return headed(response).await,
    };
    let made = make(&state, &caller, &body.into_new(&caller), &once).await;
    headed(once.ended(&state, made).await?.into_response()).await
}

async fn make(state: &ApiState, caller: &Caller, new: &NewMember, once: &Once) -> Answer<Kept> {
    let (env, organization) = (&state.env, &caller.organization);
    let mut tries = 1;
    loop {
        let around = Around::of_written(state, caller, None).await?;
        let mut tx = env.db.begin().await?;
        match roster::create(&mut tx, env, organization, new).await {
            Err(db::Error::Conflict(_)) if tries < RACE_TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(Err(why)) => return Err(refused(caller, &why, "new")),
            Ok(Ok(id)) => {
                let kept = settle(tx, caller, &id, around, (StatusCode::CREATED, once)).await?;
                tracing::info!(member = id, by = caller.key_id, "a member was made");
                return Ok(kept);
            }
        }
    }
}
