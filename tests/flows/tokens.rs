//! Tokens of an issuer that the configuration names, on a real daemon.

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Answer, Daemon, Node, World, id, on_both,
    token::{self, claims, token},
};

async fn make(daemon: &Daemon, key: &str, email: &str) -> Answer {
    let request = daemon.http.post(daemon.url("/v1/members")).bearer_auth(key);
    Answer::to(request.json(&json!({ "email": email })))
        .await
        .unwrap()
}

on_both! {
    async fn a_token_of_a_configured_issuer_works_for_its_creator_alone(world: World) {
        let daemon = world.daemon_with(token::taking(Node::default())).await;
        let creator = json!({ "name": "Ann Example", "external_id": "creator_ann" });
        let creator = id(&daemon.write(Method::POST, "/v1/creators", &creator, "ann").await.ok());
        let said = claims("ann@example.com", "creator_ann");
        let hers = make(&daemon, &token(&said), "jane@example.com").await.ok();
        assert_eq!(hers["creator_id"], creator);
        make(&daemon, &world.key, "june@example.com").await.ok();
        let seen = daemon.get_as(&token(&said), "/v1/members").await.ok();
        let seen: Vec<_> = seen["data"].as_array().unwrap().iter().map(|one| &one["email"]).collect();
        assert_eq!(seen, ["jane@example.com"]);
        let queues = daemon.get_as(&token(&said), "/v1/queues").await;
        assert_eq!(queues.problem(), (403, "insufficient_scope"));
        for (claim, other) in [("aud", "another"), ("creator_id", "nobody")] {
            let mut refused = said.clone();
            refused[claim] = json!(other);
            let refused = daemon.get_as(&token(&refused), "/v1/members").await;
            assert_eq!(refused.problem(), (401, "unauthorized"), "{claim}");
        }
    }
}
