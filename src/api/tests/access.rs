//! Keys: which work, what they see, making and revoking them.

use std::time::Duration;

use axum::{body::Body, http::Method};
use memberd_jobs::access::{self, Scope};
use serde_json::json;

use super::support::{App, request};

#[tokio::test]
async fn only_a_good_key_in_the_right_header_works() {
    let app = App::new().await;
    let key = app.admin().await;
    let good = app.get(&key, "/v1/info").await;
    assert_eq!(good.status, 200, "{}", good.text);
    assert_eq!(good.json()["organization"]["id"], "default");
    assert_eq!(good.headers["cache-control"], "no-store");
    let mistyped = format!("{}x", &key[..key.len() - 1]);
    let unknown = app.key("default", &[]).await;
    app.state.keys.forget("none");
    for bad in ["mbd", "sk_live_1", &mistyped] {
        let answer = app.get(bad, "/v1/info").await;
        assert_eq!(answer.status, 401, "{bad}");
        assert_eq!(answer.code(), "unauthorized");
    }
    assert_eq!(app.get(&unknown, "/v1/info").await.status, 200);
    for scheme in ["Basic", "bearer"] {
        let request =
            request(Method::GET, "/v1/info", "").header("authorization", format!("{scheme} {key}"));
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        let expected = if scheme == "Basic" { 401 } else { 200 };
        assert_eq!(answer.status, expected, "{scheme}");
    }
}

#[tokio::test]
async fn a_key_of_another_installation_is_unknown() {
    let app = App::new().await;
    let foreign = access::Key::draw(&memberd_jobs::kernel::Chance::seeded(99), false);
    let answer = app.get(&foreign.reveal(), "/v1/info").await;
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("unknown"), "{}", answer.text);
}

#[tokio::test]
async fn a_revoked_key_stops_at_once_and_an_expired_one_in_time() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body =
        json!({"name": "short", "scopes": ["jobs:read"], "expires_at": "2026-01-15T10:31:00Z"});
    let made = app.post(&admin, "/v1/keys", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(app.get(secret, "/v1/jobs").await.status, 200);
    app.clock.advance(Duration::from_secs(61));
    assert_eq!(app.get(secret, "/v1/jobs").await.status, 401);

    let body = json!({"name": "long", "scopes": ["jobs:read"]});
    let made = app.post(&admin, "/v1/keys", &body).await.json();
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(app.get(secret, "/v1/jobs").await.status, 200);
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    let revoked = app.delete(&admin, &path).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert!(revoked.json()["revoked_at"].is_string());
    assert_eq!(app.get(secret, "/v1/jobs").await.status, 401);
    app.clock.advance(Duration::from_secs(1));
    let again = app.delete(&admin, &path).await.json();
    assert_eq!(again["revoked_at"], revoked.json()["revoked_at"]);
}

#[tokio::test]
async fn a_key_revoked_elsewhere_stops_within_a_second() {
    let app = App::new().await;
    let key = app.key("default", &[Scope::JobsRead]).await;
    assert_eq!(app.get(&key, "/v1/jobs").await.status, 200);
    let id = access::Key::parse(&key).unwrap().id();
    let env = &app.state.env;
    let mut tx = env.db.begin().await.unwrap();
    let now = env.now();
    access::revoke_key(&mut tx, "default", None, &id, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.get(&key, "/v1/jobs").await.status, 401);
}

#[tokio::test]
async fn a_key_cannot_give_what_it_lacks_nor_make_nonsense() {
    let app = App::new().await;
    let key = app
        .key("default", &[Scope::KeysWrite, Scope::JobsRead])
        .await;
    let post = async |body| app.post(&key, "/v1/keys", &body).await;
    let more = post(json!({"name": "x", "scopes": ["jobs:read", "payouts:approve"]})).await;
    assert_eq!(more.status, 403);
    assert_eq!(more.code(), "insufficient_scope");
    assert!(more.text.contains("payouts:approve"));
    for (body, status, pointer) in [
        (json!({"name": "", "scopes": ["jobs:read"]}), 400, "#/name"),
        (json!({"name": "x", "scopes": []}), 400, "#/scopes"),
        (
            json!({"name": "x", "scopes": ["jobs:reed"]}),
            400,
            "#/scopes/0",
        ),
        (json!({"name": "x", "scope": ["jobs:read"]}), 400, "#/scope"),
        (json!({"scopes": ["jobs:read"]}), 400, "#/name"),
        (
            json!({"name": "x", "scopes": ["jobs:read"], "expires_at": "2020-01-01T00:00:00Z"}),
            422,
            "#/expires_at",
        ),
    ] {
        let answer = post(body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test]
async fn keys_are_listed_without_secrets_page_by_page() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.key("other", &Scope::ALL).await;
    for n in 0..3 {
        app.clock.advance(Duration::from_secs(1));
        let body = json!({"name": format!("key {n}"), "scopes": ["jobs:read"]});
        assert_eq!(app.post(&admin, "/v1/keys", &body).await.status, 201);
    }
    let first = app.get(&admin, "/v1/keys?limit=3").await;
    assert!(!first.text.contains("secret"), "{}", first.text);
    let first = first.json();
    assert_eq!(first["data"][0]["name"], "key 2");
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app
        .get(&admin, &format!("/v1/keys?limit=3&cursor={cursor}"))
        .await
        .json();
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    assert!(rest["next_cursor"].is_null());
    let other = app.key("other", &[Scope::KeysWrite]).await;
    let foreign = app.get(&other, &format!("/v1/keys?cursor={cursor}")).await;
    assert_eq!(foreign.code(), "invalid_cursor");
    let id = first["data"][0]["id"].as_str().unwrap();
    let missing = app.delete(&other, &format!("/v1/keys/{id}")).await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn a_key_that_ends_makes_and_rotates_no_key_that_outlives_it() {
    let app = App::new().await;
    let admin = app.admin().await;
    let in_an_hour = app.state.env.now().plus(Duration::from_hours(1));
    let key =
        |end: Option<String>| json!({"name": "x", "scopes": ["keys:write"], "expires_at": end});
    let made = app
        .post(&admin, "/v1/keys", &key(Some(in_an_hour.to_string())))
        .await;
    let ending = made.json()["secret"].as_str().unwrap().to_owned();
    for end in [None, Some(in_an_hour.plus(Duration::from_millis(1)))] {
        let refused = app
            .post(&ending, "/v1/keys", &key(end.map(|end| end.to_string())))
            .await;
        assert_eq!(refused.code(), "insufficient_scope", "{end:?}");
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/expires_at");
    }
    let as_long = app
        .post(&ending, "/v1/keys", &key(Some(in_an_hour.to_string())))
        .await;
    assert_eq!(as_long.status, 201, "{}", as_long.text);
    let own = format!("/v1/keys/{}/rotate", made.json()["id"].as_str().unwrap());
    assert_eq!(app.act(&ending, &own).await.status, 201);
    let lasting = app.key("default", &[Scope::KeysWrite]).await;
    let id = access::Key::parse(&lasting).unwrap().id();
    let refused = app.act(&ending, &format!("/v1/keys/{id}/rotate")).await;
    assert_eq!(refused.code(), "insufficient_scope", "{}", refused.text);
    assert_eq!(
        app.act(&lasting, &format!("/v1/keys/{id}/rotate"))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let app = App::new().await;
    let key = app.key("default", &[Scope::KeysWrite]).await;
    let last_used = async || {
        app.state.tasks.close();
        app.state.tasks.wait().await;
        app.state.tasks.reopen();
        let id = access::Key::parse(&key).unwrap().id();
        let row = access::find_key(&app.state.env.db, &id).await.unwrap();
        row.unwrap().last_used_at
    };
    app.get(&key, "/v1/keys").await;
    let first = last_used().await.unwrap();
    app.clock.advance(Duration::from_secs(30));
    app.get(&key, "/v1/keys").await;
    assert_eq!(last_used().await, Some(first));
    app.clock.advance(Duration::from_secs(31));
    app.get(&key, "/v1/keys").await;
    assert!(last_used().await > Some(first));
}
