//! Tokens of an issuer that the configuration names, on a real daemon.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use reqwest::Method;
use ring::hmac;
use serde_json::json;

use crate::support::{Answer, Daemon, Node, World, id, on_both};

const SECRET: &str = "a secret of more than 32 bytes, as is demanded";

/// A token for ten minutes of a subject who is a creator's.
fn token(world: &World, audience: &str, creator: &str) -> String {
    let now = world.db.env.now().0 / 1_000;
    let claims = json!({ "iss": "https://login.example.com", "aud": audience, "sub": "ann@example.com", "iat": now,
        "exp": now + 600, "roles": "content_creator", "creator_id": creator });
    let parts = [json!({ "alg": "HS256" }), claims].map(|part| BASE64.encode(part.to_string()));
    let message = parts.join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!(
        "{message}.{}",
        BASE64.encode(hmac::sign(&key, message.as_bytes()))
    )
}

async fn make(daemon: &Daemon, key: &str, email: &str) -> Answer {
    let request = daemon.http.post(daemon.url("/v1/members")).bearer_auth(key);
    Answer::to(request.json(&json!({ "email": email })))
        .await
        .unwrap()
}

on_both! {
    async fn a_token_of_a_configured_issuer_works_for_its_creator_alone(world: World) {
        let node = Node::default()
            .set("jwt.login.issuer", "https://login.example.com")
            .set("jwt.login.audience", "memberd")
            .set("jwt.login.algorithms", "HS256")
            .set("jwt.login.secret", SECRET)
            .set("roles.content_creator.scopes", "members:read,members:write")
            .set("roles.content_creator.needs_creator", "true");
        let daemon = world.daemon_with(node).await;
        let creator = json!({ "name": "Ann Example", "external_id": "creator_ann" });
        let creator = id(&daemon.write(Method::POST, "/v1/creators", &creator, "ann").await.ok());
        let token_of_hers = token(&world, "memberd", "creator_ann");
        let hers = make(&daemon, &token_of_hers, "jane@example.com").await.ok();
        assert_eq!(hers["creator_id"], creator);
        make(&daemon, &world.key, "june@example.com").await.ok();
        let seen = daemon.get_as(&token_of_hers, "/v1/members").await.ok();
        let seen: Vec<_> = seen["data"].as_array().unwrap().iter().map(|one| &one["email"]).collect();
        assert_eq!(seen, ["jane@example.com"]);
        let queues = daemon.get_as(&token_of_hers, "/v1/queues").await;
        assert_eq!(queues.problem(), (403, "insufficient_scope"));
        for refused in [token(&world, "another", "creator_ann"), token(&world, "memberd", "nobody")] {
            assert_eq!(daemon.get_as(&refused, "/v1/members").await.problem(), (401, "unauthorized"));
        }
        let log = daemon.log_text();
        for hidden in ["Ann Example", "ann@example.com", SECRET, token_of_hers.as_str()] {
            assert!(!log.contains(hidden), "{hidden} is in the log");
        }
    }
}
