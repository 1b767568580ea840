//! Callers with tokens instead of keys, through the whole router.

use std::{
    collections::BTreeMap,
    net::{IpAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{Method, header},
};
use jsonwebtoken::Algorithm;
use memberd_jobs::{
    access::{Key, Scope, Scopes},
    creators,
    kernel::Timestamp,
};
use ring::hmac;
use serde_json::{Value, json};

use super::support::{Answered, App, request};
use crate::{
    api::{Peer, router},
    jwt::{IssuerOptions, Issuers, Role, Source},
    testing::Log,
};

pub(super) const SECRET: &str = "a secret of more than 32 bytes, as is demanded";

/// An issuer for the organization `default` whose keys are there, and some roles.
pub(super) fn issuers(source: Source) -> Issuers {
    let role = |scopes: &str, needs_creator| Role {
        scopes: Scopes::parse(scopes).unwrap(),
        needs_creator,
    };
    let roles = [
        ("content_creator", role("members:read members:write", true)),
        (
            "manager",
            role("members:read members:write keys:write", false),
        ),
        ("system_admin", role("jobs:read queues:write", false)),
    ];
    let roles: BTreeMap<_, _> = roles.map(|(name, role)| (name.to_owned(), role)).into();
    let options = IssuerOptions {
        id: "login".to_owned(),
        issuer: "https://login.example.com".to_owned(),
        audience: "memberd".to_owned(),
        organization: "default".to_owned(),
        algorithms: vec![Algorithm::HS256],
        source,
        age_max: Duration::from_hours(1),
        roles_claim: "roles".to_owned(),
        creator_claim: "creator_id".to_owned(),
    };
    Issuers::new([options], roles).unwrap()
}

/// An app that takes tokens of one issuer.
async fn app(change: impl FnOnce(&mut App)) -> App {
    let mut app = App::new().await;
    app.state.issuers = Arc::new(issuers(Source::Secret(SECRET.into())));
    change(&mut app);
    app.rebuild(router(app.state.clone()));
    app
}

fn text(value: &Value) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token of this subject with this role, signed with this secret.
fn signed(app: &App, secret: &str, subject: &str, role: &str, creator: Option<&str>) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let now = app.state.env.now().0 / 1_000;
    let mut claims = json!({ "iss": "https://login.example.com", "aud": "memberd", "sub": subject,
        "iat": now, "exp": now + 600, "roles": [role] });
    if let Some(creator) = creator {
        claims["creator_id"] = json!(creator);
    }
    let message = format!("{}.{}", text(&json!({ "alg": "HS256" })), text(&claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

pub(super) fn token(app: &App, subject: &str, role: &str, creator: Option<&str>) -> String {
    signed(app, SECRET, subject, role, creator)
}

async fn creator(app: &App, external_id: &str) -> String {
    let env = &app.state.env;
    let mut tx = env.db.begin().await.unwrap();
    let new = creators::New {
        name: "A Name",
        external_id: Some(external_id),
        time_zone: None,
    };
    let made = creators::create(&mut tx, env, "default", new).await;
    tx.commit().await.unwrap();
    made.unwrap().unwrap().id
}

/// Seed rows 29, 35, 38.
#[tokio::test]
async fn a_token_is_as_good_as_a_key_with_the_scopes_of_its_roles() {
    let app = app(|_| {}).await;
    let manager = token(&app, "jane@example.com", "manager", None);
    let info = app.get(&manager, "/v1/info").await;
    assert_eq!(info.status, 200, "{}", info.text);
    let info = info.json();
    assert_eq!(info["organization"]["id"], "default");
    assert_eq!(info["key"]["id"], "jwt:b9818fa3fc243c32401d60257cb8e35c");
    assert_eq!(
        info["key"]["scopes"],
        json!(["members:read", "members:write", "keys:write"])
    );
    let made = app
        .post(
            &manager,
            "/v1/members",
            &json!({"email": "june@example.com"}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        app.get(&manager, "/v1/jobs").await.code(),
        "insufficient_scope"
    );
    let operator = token(&app, "ops", "system_admin", None);
    assert_eq!(app.get(&operator, "/v1/jobs").await.status, 200);
    assert_eq!(
        app.get(&operator, "/v1/members").await.code(),
        "insufficient_scope"
    );
    let more = json!({"name": "x", "scopes": ["jobs:read"]});
    assert_eq!(
        app.post(&manager, "/v1/keys", &more).await.code(),
        "insufficient_scope"
    );
    app.clock.advance(Duration::from_secs(661));
    let late = app.get(&manager, "/v1/info").await;
    assert_eq!(late.status, 401);
    assert!(late.text.contains("expired"), "{}", late.text);
}

/// Seed row 32.
#[tokio::test]
async fn a_creators_token_sees_her_members_and_one_without_a_creator_is_refused() {
    let app = app(|_| {}).await;
    let (ann, bea) = (
        creator(&app, "creator_ann").await,
        creator(&app, "creator_bea").await,
    );
    let anns = token(&app, "ann", "content_creator", Some("creator_ann"));
    let beas = token(&app, "bea", "content_creator", Some(&bea));
    let made = app
        .post(&anns, "/v1/members", &json!({"email": "jane@example.com"}))
        .await;
    assert_eq!(made.json()["creator_id"], ann, "{}", made.text);
    let path = format!("/v1/members/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(app.get(&anns, &path).await.status, 200);
    assert_eq!(app.get(&beas, &path).await.code(), "member_not_found");
    assert_eq!(
        app.get(&anns, "/v1/webhook-endpoints").await.code(),
        "insufficient_scope"
    );
    // A manager's token that names a creator is narrowed as well, and her keys with it.
    let narrow = token(&app, "boss", "manager", Some("creator_bea"));
    assert_eq!(app.get(&narrow, &path).await.status, 404);
    let soon = app.state.env.now().plus(Duration::from_mins(5)).to_string();
    let new = json!({"name": "x", "scopes": ["members:read"], "expires_at": soon});
    let key = app.post(&narrow, "/v1/keys", &new).await;
    assert_eq!(key.json()["creator_id"], bea, "{}", key.text);
    for creator in [None, Some("nobody")] {
        let refused = app
            .get(&token(&app, "x", "content_creator", creator), "/v1/info")
            .await;
        assert_eq!(refused.code(), "unauthorized");
        assert!(refused.text.contains("creator"), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_token_for_an_archived_creator_is_refused() {
    let app = app(|_| {}).await;
    let ann = creator(&app, "creator_ann").await;
    let anns = token(&app, "ann", "content_creator", Some("creator_ann"));
    assert_eq!(app.get(&anns, "/v1/members").await.status, 200);
    let manager = token(&app, "jane", "manager", None);
    let path = format!("/v1/creators/{ann}");
    let archive = async |archived: bool| {
        let edit = json!({"archived": archived});
        let done = app.write(Method::PATCH, &manager, &path, &edit).await;
        assert_eq!(done.status, 200, "{}", done.text);
    };
    archive(true).await;
    let refused = app.get(&anns, "/v1/members").await;
    assert_eq!(refused.code(), "unauthorized");
    assert!(refused.text.contains("creator"), "{}", refused.text);
    archive(false).await;
    assert_eq!(app.get(&anns, "/v1/members").await.status, 200);
}

/// What a token makes works no longer than the token, also through a key that makes keys.
#[tokio::test]
async fn a_token_makes_and_rotates_no_key_that_outlives_it() {
    let app = app(|_| {}).await;
    let manager = token(&app, "jane", "manager", None);
    let end = Timestamp::from_seconds(app.state.env.now().seconds() + 600);
    let key = |at: Option<Timestamp>| json!({"name": "x", "scopes": ["keys:write"], "expires_at": at.map(|at| at.to_string())});
    for at in [None, Some(end.plus(Duration::from_secs(1)))] {
        let refused = app.post(&manager, "/v1/keys", &key(at)).await;
        assert_eq!(refused.code(), "insufficient_scope", "{}", refused.text);
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/expires_at");
    }
    let made = app.post(&manager, "/v1/keys", &key(Some(end))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let child = made.json()["secret"].as_str().unwrap().to_owned();
    let refused = app.post(&child, "/v1/keys", &key(None)).await;
    assert_eq!(refused.code(), "insufficient_scope", "{}", refused.text);
    let lasting = app.key("default", &[Scope::MembersRead]).await;
    let id = Key::parse(&lasting).unwrap().id();
    let path = format!("/v1/keys/{id}/rotate");
    for caller in [&manager, &child] {
        let refused = app.act(caller, &path).await;
        assert_eq!(refused.code(), "insufficient_scope", "{}", refused.text);
    }
    assert_eq!(app.get(&lasting, "/v1/members").await.status, 200);
    let own = format!("/v1/keys/{}/rotate", made.json()["id"].as_str().unwrap());
    let rotated = app.act(&manager, &own).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    assert_eq!(rotated.json()["expires_at"], end.to_string());
    assert_eq!(
        app.delete(&manager, &format!("/v1/keys/{id}")).await.status,
        200
    );
}

#[tokio::test]
async fn a_token_is_refused_without_telling_what_would_do() {
    let app = app(|_| {}).await;
    let good = token(&app, "jane", "manager", None);
    let forged = signed(
        &app,
        "another secret of more than 32 bytes",
        "jane",
        "manager",
        None,
    );
    for bad in [
        forged.as_str(),
        &good[..good.len() - 2],
        "a.b.c",
        "...",
        "mbd_live.x",
    ] {
        let answer = app.get(bad, "/v1/info").await;
        assert_eq!(answer.code(), "unauthorized", "{bad}");
        for told in ["HS256", "login.example.com", "jane", "memberd\""] {
            assert!(!answer.text.contains(told), "{told}: {}", answer.text);
        }
    }
    let plain = App::new().await;
    let answer = plain.get(&good, "/v1/info").await;
    assert_eq!(answer.code(), "unauthorized");
    assert!(answer.text.contains("mbd_live_"), "{}", answer.text);
}

#[tokio::test]
async fn limits_are_of_the_subject_whatever_token_she_comes_with() {
    let app = app(|app| app.state.limits.rates.writes = 2).await;
    let write = async |token: &str| {
        let answer = app.post(token, "/v1/members", &json!({})).await;
        answer.status.as_u16()
    };
    let first = token(&app, "jane", "manager", None);
    app.clock.advance(Duration::from_secs(1));
    let second = token(&app, "jane", "manager", None);
    assert_ne!(first, second);
    assert_eq!((write(&first).await, write(&second).await), (400, 400));
    assert_eq!((write(&first).await, write(&second).await), (429, 429));
    assert_eq!(write(&token(&app, "june", "manager", None)).await, 400);
}

async fn from(app: &App, address: &str, token: &str) -> Answered {
    let mut request = request(Method::GET, "/v1/info", "")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let address: IpAddr = address.parse().unwrap();
    request.extensions_mut().insert(Peer(address));
    app.send(request).await
}

#[tokio::test]
async fn tokens_that_do_not_work_make_their_address_wait_but_not_those_that_have_worked() {
    let app = app(|app| app.state.limits.unauthorized = 3).await;
    let (known, new) = (
        token(&app, "jane", "manager", None),
        token(&app, "june", "manager", None),
    );
    let forged = signed(
        &app,
        "another secret of more than 32 bytes",
        "jane",
        "manager",
        None,
    );
    let here = "203.0.113.9";
    assert_eq!(from(&app, here, &known).await.status, 200);
    for _ in 0..3 {
        assert_eq!(from(&app, here, &forged).await.status, 401);
    }
    for token in [&forged, &new] {
        assert_eq!(from(&app, here, token).await.status, 429);
    }
    assert_eq!(from(&app, here, &known).await.status, 200);
    assert_eq!(from(&app, "203.0.113.10", &new).await.status, 200);
}

/// A tab that goes on with a token of yesterday is no stranger, and locks nobody out who comes from the same address.
#[tokio::test]
async fn tokens_whose_signature_is_good_do_not_count_for_their_address() {
    let app = app(|app| app.state.limits.unauthorized = 3).await;
    let here = "203.0.113.9";
    let old = token(&app, "jane", "manager", None);
    assert_eq!(from(&app, here, &old).await.status, 200);
    app.clock.advance(Duration::from_secs(661));
    let good_but = [
        old.clone(),
        token(&app, "jane", "nobody", None),
        token(&app, "jane", "manager", Some("nobody")),
    ];
    for token in good_but.iter().cycle().take(9) {
        assert_eq!(from(&app, here, token).await.status, 401);
    }
    let new = token(&app, "june", "manager", None);
    assert_eq!(from(&app, here, &new).await.status, 200);
    // Once the address waits for others, a token that is over has worked no more than they.
    for _ in 0..3 {
        assert_eq!(from(&app, here, "a.b.c").await.status, 401);
    }
    assert_eq!(from(&app, here, &old).await.status, 429);
    assert_eq!(from(&app, here, &new).await.status, 200);
}

/// Nobody can tell whether they are good.
#[tokio::test]
async fn tokens_whose_keys_cannot_be_had_are_not_called_forged_and_lock_nobody_out() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/keys?secret", port.local_addr().unwrap());
    drop(port);
    let app = app(|app| {
        app.state.limits.unauthorized = 1;
        app.state.issuers = Arc::new(issuers(Source::Url(nobody.parse().unwrap())));
    })
    .await;
    let log = Log::default();
    let _hears = log.hear();
    let (here, token) = ("203.0.113.9", token(&app, "jane", "manager", None));
    for _ in 0..3 {
        let answer = from(&app, here, &token).await;
        assert_eq!(answer.code(), "overloaded");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(from(&app, here, &app.admin().await).await.status, 200);
    let told = log.text();
    for word in [
        "jwt.login.jwks_url",
        "127.0.0.1",
        "Connection refused",
        "503",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains("secret"), "{told}");
}

/// A role is no more than its scopes.
#[tokio::test]
async fn a_token_of_an_organization_sees_nothing_of_another() {
    let app = app(|_| {}).await;
    let other = app.key("other", &Scope::ALL).await;
    let made = app
        .post(&other, "/v1/members", &json!({"email": "jane@example.com"}))
        .await;
    let path = format!("/v1/members/{}", made.json()["id"].as_str().unwrap());
    let manager = token(&app, "jane", "manager", None);
    assert_eq!(app.get(&manager, &path).await.status, 404);
    assert!(
        app.get(&manager, "/v1/members").await.json()["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}
