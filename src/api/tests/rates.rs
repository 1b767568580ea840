//! How often a key may call, and what happens to keys that do not work.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request},
};
use memberd_jobs::{
    access::{self, NewKey, Scope, Scopes},
    kernel::Clock as _,
};
use serde_json::json;

use super::support::{Answered, App, request};
use crate::api::{HttpLimits, Peer, Rates, router};

/// Like the usual ones, but smaller.
const RATES: Rates = Rates {
    reads: 6,
    writes: 2,
    requests: 5,
};

async fn limited(limits: HttpLimits) -> App {
    let mut app = App::new().await;
    app.state.limits = limits;
    app.rebuild(router(app.state.clone()));
    app
}

async fn by_rates() -> App {
    limited(HttpLimits {
        rates: RATES,
        ..HttpLimits::default()
    })
    .await
}

#[tokio::test]
async fn the_strictest_limit_wins_the_answer_names_it_and_refused_requests_cost_nothing() {
    let app = by_rates().await;
    let key = app.key("default", &[Scope::JobsRead]).await;
    for left in (0..5).rev() {
        let answer = app.get(&key, "/v1/jobs").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            answer.headers["ratelimit-policy"],
            r#""reads";q=6;w=60, "requests";q=5;w=60"#
        );
        let limit = answer.headers["ratelimit"].to_str().unwrap();
        assert!(
            limit.starts_with(&format!("\"requests\";r={left};t=")),
            "{limit}"
        );
    }
    for _ in 0..20 {
        let refused = app.get(&key, "/v1/jobs").await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (429, "rate_limited".to_owned())
        );
        assert!(
            refused.text.contains("`requests`, 5 within 60 s"),
            "{}",
            refused.text
        );
        let pause: u64 = refused.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&pause), "{pause}");
    }
    let other = app.key("default", &[Scope::JobsRead]).await;
    assert_eq!(
        app.get(&other, "/v1/jobs").await.status,
        200,
        "each key by itself"
    );
}

#[tokio::test]
async fn what_is_forbidden_counts_and_writes_have_a_limit_of_their_own() {
    let app = by_rates().await;
    let key = app.key("default", &[Scope::JobsRead]).await;
    for expected in [403, 403, 429] {
        let answer = app.act(&key, "/v1/queues/stripe/pause").await;
        assert_eq!(answer.status, expected, "{}", answer.text);
    }
    let answer = app.get(&key, "/v1/jobs").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.headers["ratelimit"]
            .to_str()
            .unwrap()
            .starts_with("\"requests\";r=2;")
    );
}

async fn unlimited(app: &App) -> String {
    let env = &app.state.env;
    let scopes = Scopes::all();
    let new = NewKey {
        organization: "default",
        name: "ours",
        scopes: &scopes,
        expires_at: None,
        live: false,
        unlimited: true,
        creator: None,
    };
    let mut tx = env.db.begin().await.unwrap();
    let (_, key) = access::create_key(&mut tx, env, &new).await.unwrap();
    tx.commit().await.unwrap();
    key.reveal()
}

#[tokio::test]
async fn a_key_without_limits_has_none_and_only_such_a_one_makes_another() {
    let app = by_rates().await;
    let free = unlimited(&app).await;
    for _ in 0..20 {
        let answer = app.get(&free, "/v1/jobs").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
    let body = json!({"name": "x", "scopes": ["jobs:read"], "unlimited": true});
    let made = app.post(&free, "/v1/keys", &body).await;
    assert_eq!(
        (made.status.as_u16(), &made.json()["unlimited"]),
        (201, &json!(true))
    );
    let limited = app.admin().await;
    let refused = app.post(&limited, "/v1/keys", &body).await;
    assert_eq!(refused.code(), "insufficient_scope");
    assert_eq!(refused.json()["errors"][0]["pointer"], "#/unlimited");
}

async fn from(app: &App, address: &str, key: &str) -> Answered {
    let mut request: Request<Body> = request(Method::GET, "/v1/info", key)
        .body(Body::empty())
        .unwrap();
    request
        .extensions_mut()
        .insert(Peer(address.parse().unwrap()));
    app.send(request).await
}

#[tokio::test]
async fn an_address_with_too_many_wrong_keys_waits_and_keys_that_work_do_not() {
    let app = limited(HttpLimits {
        unauthorized: 3,
        ..HttpLimits::default()
    })
    .await;
    let (known, unused) = (app.admin().await, app.admin().await);
    let (bad, good) = ("192.0.2.1", "192.0.2.2");
    assert_eq!(from(&app, bad, &known).await.status, 200);
    for _ in 0..3 {
        assert_eq!(from(&app, bad, "mbd_test_nonsense").await.status, 401);
    }
    for key in ["mbd_test_nonsense", "", &unused] {
        let answer = from(&app, bad, key).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (429, "rate_limited".to_owned()),
            "{key}"
        );
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(
        from(&app, bad, &known).await.status,
        200,
        "it has worked before"
    );
    assert_eq!(
        from(&app, good, &unused).await.status,
        200,
        "another address"
    );
    assert_eq!(
        from(&app, bad, &unused).await.status,
        200,
        "by now it has worked"
    );
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap() {
    let app = App::new().await;
    let admin = app.admin().await;
    let old = app.key("default", &[Scope::JobsRead]).await;
    let id = access::Key::parse(&old).unwrap().id();
    let path = format!("/v1/keys/{id}/rotate");
    let rotated = app
        .post(&admin, &path, &json!({"overlap_seconds": 60}))
        .await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    let rotated = rotated.json();
    let new = rotated["secret"].as_str().unwrap();
    assert_eq!(
        (&rotated["name"], &rotated["scopes"]),
        (&json!("test"), &json!(["jobs:read"]))
    );
    assert_ne!(rotated["id"], json!(id));
    app.clock.advance(Duration::from_secs(59));
    for key in [&old, new] {
        assert_eq!(app.get(key, "/v1/jobs").await.status, 200);
    }
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.get(&old, "/v1/jobs").await.status, 401);
    assert_eq!(app.get(new, "/v1/jobs").await.status, 200);
    let ended = app.act(&admin, &path).await;
    assert_eq!(
        (ended.status.as_u16(), ended.code()),
        (422, "invalid_request".to_owned())
    );
    assert_eq!(
        app.act(&admin, "/v1/keys/key_none0000/rotate").await.status,
        404
    );
    let long = app
        .post(&admin, &path, &json!({"overlap_seconds": 2_592_001}))
        .await;
    assert_eq!(long.json()["errors"][0]["pointer"], "#/overlap_seconds");
}

#[tokio::test]
async fn a_key_cannot_rotate_one_that_may_do_more() {
    let app = App::new().await;
    let admin = app.admin().await;
    let keeper = app.key("default", &[Scope::KeysWrite]).await;
    let id = access::Key::parse(&admin).unwrap().id();
    let refused = app.act(&keeper, &format!("/v1/keys/{id}/rotate")).await;
    assert_eq!(refused.code(), "insufficient_scope");
    assert!(refused.text.contains("jobs:read"), "{}", refused.text);
    let other = app.key("other", &Scope::ALL).await;
    assert_eq!(
        app.act(&other, &format!("/v1/keys/{id}/rotate"))
            .await
            .status,
        404
    );
    assert_eq!(app.get(&admin, "/v1/info").await.status, 200);
}

#[tokio::test]
async fn a_rotated_key_keeps_its_end_and_stops_at_once_without_an_overlap() {
    let app = App::new().await;
    let admin = app.admin().await;
    let at = app.clock.now().plus(Duration::from_secs(30)).to_string();
    let body = json!({"name": "short", "scopes": ["jobs:read"], "expires_at": at});
    let short = app.post(&admin, "/v1/keys", &body).await.json();
    let path = format!("/v1/keys/{}/rotate", short["id"].as_str().unwrap());
    let body = json!({"overlap_seconds": 60});
    let next = app.post(&admin, &path, &body).await.json();
    assert_eq!(next["expires_at"], json!(at));
    let listed = app.get(&admin, "/v1/keys").await.json();
    let old = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["id"] == short["id"]);
    assert_eq!(old.unwrap()["expires_at"], json!(at));

    let old = app.key("default", &[Scope::JobsRead]).await;
    assert_eq!(app.get(&old, "/v1/jobs").await.status, 200);
    let id = access::Key::parse(&old).unwrap().id();
    let body = json!({"overlap_seconds": 0});
    let path = format!("/v1/keys/{id}/rotate");
    assert_eq!(app.post(&admin, &path, &body).await.status, 201);
    assert_eq!(app.get(&old, "/v1/jobs").await.status, 401);
}

#[tokio::test]
async fn a_key_with_limits_cannot_rotate_one_without() {
    let app = App::new().await;
    let free = unlimited(&app).await;
    let id = access::Key::parse(&free).unwrap().id();
    let path = format!("/v1/keys/{id}/rotate");
    let refused = app.act(&app.admin().await, &path).await;
    assert_eq!(refused.code(), "insufficient_scope");
    let rotated = app.act(&free, &path).await.json();
    assert_eq!(rotated["unlimited"], json!(true));
}

#[tokio::test]
async fn a_start_remembers_which_keys_have_worked() {
    let mut app = limited(HttpLimits {
        unauthorized: 1,
        ..HttpLimits::default()
    })
    .await;
    let (used, revoked) = (app.admin().await, app.admin().await);
    for key in [&used, &revoked] {
        assert_eq!(from(&app, "192.0.2.1", key).await.status, 200);
    }
    app.state.tasks.close();
    app.state.tasks.wait().await;
    let id = access::Key::parse(&revoked).unwrap().id();
    app.delete(&used, &format!("/v1/keys/{id}")).await;
    app.state = crate::api::ApiState {
        limits: app.state.limits,
        ..crate::api::ApiState::new(
            app.state.env.clone(),
            app.state.registry.clone(),
            app.state.metrics.0.clone(),
        )
    };
    app.state.keys.remember(&app.state.env.db).await.unwrap();
    app.rebuild(router(app.state.clone()));
    assert_eq!(
        from(&app, "192.0.2.1", "mbd_test_nonsense").await.status,
        401
    );
    assert_eq!(from(&app, "192.0.2.1", &revoked).await.status, 429);
    // The same id with another secret is not the same key.
    let forged = forge(&used);
    assert_eq!(from(&app, "192.0.2.1", &forged).await.status, 429);
    assert_eq!(from(&app, "192.0.2.1", &used).await.status, 200);
}

/// A key with the id of another, and a secret that somebody made up; its checksum fits.
fn forge(key: &str) -> String {
    let other = access::Key::draw(&memberd_jobs::kernel::Chance::seeded(7), false).reveal();
    let parts: Vec<_> = key.split('_').collect();
    let theirs: Vec<_> = other.split('_').collect();
    let body = format!("mbd_{}_{}_{}", parts[1], parts[2], theirs[3]);
    // The checksum is the CRC-32 in six digits of base 62.
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = usize::try_from(crc32fast::hash(body.as_bytes())).unwrap();
    let mut checksum = Vec::new();
    for _ in 0..6 {
        checksum.insert(0, char::from(digits[crc % 62]));
        crc /= 62;
    }
    format!("{body}_{}", checksum.into_iter().collect::<String>())
}

#[tokio::test]
async fn scopes_that_should_stand_alone_are_warned_of() {
    let app = App::new().await;
    let admin = app.admin().await;
    let make = async |scopes: &[&str]| {
        let body = json!({"name": "x", "scopes": scopes});
        app.post(&admin, "/v1/keys", &body).await.json()["warning"].clone()
    };
    assert!(make(&["access:grant", "members:read"]).await.is_null());
    let warning = make(&["access:grant", "campaigns:write"]).await;
    assert!(
        warning.as_str().unwrap().contains("access:grant"),
        "{warning}"
    );
}
