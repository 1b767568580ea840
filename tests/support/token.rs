//! Tokens of an issuer that the configuration names.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;
use serde_json::{Value, json};

use super::{Node, webhook::seconds_now};

/// What the issuer signs with.
pub(crate) const TOKEN_SECRET: &str = "a secret of more than 32 bytes, as is demanded";

/// A node that takes the issuer's tokens. Their role may read and write the members of the creator whom they name.
pub(crate) fn taking(node: Node) -> Node {
    node.set("jwt.login.issuer", "https://login.example.com")
        .set("jwt.login.audience", "memberd")
        .set("jwt.login.algorithms", "HS256")
        .set("jwt.login.secret", TOKEN_SECRET)
        .set("roles.content_creator.scopes", "members:read,members:write")
        .set("roles.content_creator.needs_creator", "true")
}

/// What a token for ten minutes says of a subject who is a creator's.
pub(crate) fn claims(subject: &str, creator: &str) -> Value {
    let now = seconds_now();
    json!({ "iss": "https://login.example.com", "aud": "memberd", "sub": subject, "iat": now, "exp": now + 600,
        "roles": "content_creator", "creator_id": creator })
}

/// The token that says so.
pub(crate) fn token(claims: &Value) -> String {
    let parts = [&json!({ "alg": "HS256" }), claims].map(|part| BASE64.encode(part.to_string()));
    let message = parts.join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, TOKEN_SECRET.as_bytes());
    let signature = BASE64.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}
