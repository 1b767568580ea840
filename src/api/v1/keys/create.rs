//! `POST /v1/keys`

use axum::{extract::State, response::Response};
use memberd_jobs::{
    access::{self, NAME_CHARS_MAX, NewKey, Scope, Scopes},
    kernel::Timestamp,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, Ref, RefOr, schema::Schema},
};

use super::model::CreatedKey;
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Json, Kept, NoQuery, Once, Problem,
    ScopeWord, Text,
    v1::creators::{CreatorId, creator_to_be},
};

/// The name of a key.
type Name = Text<NAME_CHARS_MAX>;

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "the website", "scopes": ["members:read"]}))]
pub(super) struct NewKeyBody {
    /// What it is for.
    name: Name,
    /// What it may do: at most what the key of this request may do.
    #[schema(value_type = SomeScopes)]
    scopes: Vec<ScopeWord>,
    /// From when on it does not work any more; without it the key works until it is revoked. What ends itself must give it, and
    /// not later than its own end.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Whether it may call as often as it likes; only a key that may itself can make such a one.
    #[serde(default)]
    unlimited: bool,
    /// The creator, by id or external id, whose members' rows alone it will see and touch. What a narrowed key makes is
    /// narrowed to the same creator.
    creator_id: Option<CreatorId>,
}

/// At least one scope.
struct SomeScopes;

impl PartialSchema for SomeScopes {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Ref::from_schema_name(ScopeWord::name()))
            .min_items(Some(1))
            .max_items(Some(Scope::ALL.len()))
            .into()
    }
}

impl ToSchema for SomeScopes {}

/// Make a key
///
/// The answer shows the secret, once. A key cannot make one that may do or see more than itself, or works longer; nor can a
/// token.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", operation_id = "create_key", request_body = NewKeyBody,
    params(IdempotencyKey),
    responses((status = 201, description = "The key and its secret.", body = CreatedKey)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<NewKeyBody>,
) -> Answer<Response> {
    let scopes: Scopes = body.scopes.iter().map(|word| word.0).collect();
    check(&body, &scopes, &caller)?;
    let asked = json!({ "create_key": body.name, "scopes": scopes.to_string(), "expires_at": body.expires_at,
        "unlimited": body.unlimited, "creator_id": body.creator_id });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let made = make(&state, &caller, &body, &scopes, &once).await;
    Ok(once.ended(&state, made).await?.into_response())
}

async fn make(
    state: &ApiState,
    caller: &Caller,
    body: &NewKeyBody,
    scopes: &Scopes,
    once: &Once,
) -> Answer<Kept> {
    let env = &state.env;
    if body.expires_at.is_some_and(|at| at <= env.now()) {
        let detail = "this moment has passed: name one in the future, or leave it out";
        return Err(Problem::field(Code::InvalidRequest, "#/expires_at", detail).unprocessable());
    }
    let creator = creator_to_be(state, caller, body.creator_id.as_ref()).await?;
    let settings = env.settings.organizations.get(&caller.organization);
    let new = NewKey {
        organization: &caller.organization,
        name: &body.name.0,
        scopes,
        expires_at: body.expires_at,
        live: settings.is_some_and(|organization| organization.livemode),
        unlimited: body.unlimited,
        creator: creator.as_deref(),
    };
    let mut tx = env.db.begin().await?;
    let (row, key) = access::create_key(&mut tx, env, &new).await?;
    let id = row.id.clone();
    let kept = CreatedKey::settle(tx, row, &key, once).await?;
    tracing::info!(key = id, by = caller.key_id, "a key was made");
    Ok(kept)
}

fn check(body: &NewKeyBody, scopes: &Scopes, caller: &Caller) -> Answer<()> {
    if !(1..=Scope::ALL.len()).contains(&body.scopes.len()) {
        return Err(Problem::field(
            Code::InvalidRequest,
            "#/scopes",
            format!("1 to {} scopes are expected", Scope::ALL.len()),
        ));
    }
    if let Some(scope) = scopes.beyond(&caller.scopes) {
        return Err(Problem::field(
            Code::InsufficientScope,
            "#/scopes",
            format!("your key lacks the scope {scope}, so it cannot give it"),
        ));
    }
    if body.unlimited && !caller.unlimited {
        let detail = "your key has limits, so it cannot make one without";
        return Err(Problem::field(
            Code::InsufficientScope,
            "#/unlimited",
            detail,
        ));
    }
    if let Some(end) = caller.ends_at.filter(|_| !caller.lasts(body.expires_at)) {
        let detail =
            format!("what you call with ends at {end}, and what it makes must end by then");
        return Err(Problem::field(
            Code::InsufficientScope,
            "#/expires_at",
            detail,
        ));
    }
    Ok(())
}
