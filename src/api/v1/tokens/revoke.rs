//! `POST /v1/tokens/revoke`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::{
    access::{self, TOKEN_CALLER_DIGITS, TOKEN_CALLER_PREFIX, is_token_caller},
    kernel::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Type, schema::Schema},
};

use crate::{
    api::{Answer, ApiState, Begun, Caller, IdempotencyKey, Json, Kept, NoQuery, Once},
    jwt::LEEWAY,
};

/// Who comes with tokens.
#[derive(Clone, Debug, Serialize)]
struct TokenCaller(String);

impl<'de> Deserialize<'de> for TokenCaller {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if is_token_caller(&text) {
            return Ok(Self(text));
        }
        let expected = format!(
            "{TOKEN_CALLER_PREFIX} and {TOKEN_CALLER_DIGITS} digits are expected, as the activity log shows them"
        );
        Err(D::Error::custom(expected))
    }
}

impl PartialSchema for TokenCaller {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!(
                "^{TOKEN_CALLER_PREFIX}[0-9a-f]{{{TOKEN_CALLER_DIGITS}}}$"
            )))
            .into()
    }
}

impl ToSchema for TokenCaller {}

/// Whose tokens to revoke.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"caller_id": "jwt:b9818fa3fc243c32401d60257cb8e35c"}))]
pub(super) struct TokenRevocation {
    /// `jwt:…`, as the activity log has it in `key_id`.
    caller_id: TokenCaller,
}

/// Tokens that were revoked.
#[derive(Serialize, ToSchema)]
pub(super) struct RevokedTokens {
    /// Whose they are.
    #[schema(example = "jwt:b9818fa3fc243c32401d60257cb8e35c")]
    id: String,
    /// Those that were issued until this moment work no more.
    #[schema(value_type = String, format = DateTime)]
    issued_until: Timestamp,
}

/// Revoke a caller's tokens
///
/// All tokens of this subject that were issued until now stop working, at once on this node and within a second on the others;
/// so do those of the next minute, because the clocks of issuers may be so far apart. Later ones work: who should get none is
/// for the issuer to say.
#[utoipa::path(post, path = "/v1/tokens/revoke", tag = "keys", operation_id = "revoke_tokens",
    request_body = TokenRevocation, params(IdempotencyKey),
    responses((status = 200, description = "Until when they are revoked.", body = RevokedTokens)))]
pub(super) async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<TokenRevocation>,
) -> Answer<Response> {
    let whose = body.caller_id.0;
    let asked = json!({ "revoke_tokens": whose });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let revoked = end(&state, &caller, whose, &once).await;
    Ok(once.ended(&state, revoked).await?.into_response())
}

async fn end(state: &ApiState, caller: &Caller, whose: String, once: &Once) -> Answer<Kept> {
    let (env, organization) = (&state.env, &caller.organization);
    let issued_until = env.now().plus(LEEWAY);
    let mut tx = env.db.begin().await?;
    access::revoke_tokens(&mut tx, organization, &whose, issued_until).await?;
    let revoked = RevokedTokens {
        id: whose,
        issued_until,
    };
    let kept = Kept::json(StatusCode::OK, &revoked)?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    state.revocations.forget(organization, &revoked.id);
    tracing::info!(
        tokens = revoked.id,
        by = caller.key_id,
        "tokens were revoked"
    );
    Ok(kept)
}
