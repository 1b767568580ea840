//! Keys that are narrowed to a creator meet nothing of another's, whatever route they take.

use axum::{
    body::Body,
    http::{Method, header},
};
use memberd_jobs::{
    access::{self, NewKey, Scope, Scopes},
    both, creators,
};
use serde_json::{Value, json};

use super::{
    document::operations,
    organizations::{Ours, app, body, gentlest_first, rows, send},
    support::{Answered, App, request},
};

/// What the description of a route says that a narrowed key may use.
const NARROWED: [&str; 2] = ["keeps to her members", "Any key may use it"];

/// A key with every scope that is narrowed to a creator.
pub(super) async fn narrowed(app: &App, creator: &str) -> String {
    let env = &app.state.env;
    let new = NewKey {
        organization: "default",
        name: "narrowed",
        scopes: &Scopes::all(),
        expires_at: None,
        live: false,
        unlimited: true,
        creator: Some(creator),
    };
    let mut tx = env.db.begin().await.unwrap();
    let (_, key) = access::create_key(&mut tx, env, &new).await.unwrap();
    tx.commit().await.unwrap();
    key.reveal()
}

/// Makes a creator; answers her id and a key that is narrowed to her.
pub(super) async fn creator(app: &App, external_id: &str) -> (String, String) {
    let env = &app.state.env;
    let mut tx = env.db.begin().await.unwrap();
    let new = creators::New {
        name: "A Name",
        external_id: Some(external_id),
        time_zone: None,
    };
    let made = creators::create(&mut tx, env, "default", new).await;
    tx.commit().await.unwrap();
    let id = made.unwrap().unwrap().id;
    let key = narrowed(app, &id).await;
    (id, key)
}

fn id(answer: &Answered) -> String {
    let id = &answer.json()["id"];
    id.as_str()
        .unwrap_or_else(|| panic!("{}", answer.text))
        .to_owned()
}

pub(super) fn may_be_narrowed(operation: &Value) -> bool {
    let about = operation["description"].as_str().unwrap();
    NARROWED.iter().any(|words| about.contains(words))
}

/// Of the objects that are the organization's own, and so every creator's to see.
fn is_of_all(group: &str) -> bool {
    matches!(group, "tiers" | "plans")
}

both! {
    async fn a_narrowed_key_finds_nothing_of_another_creators_on_any_route_and_changes_nothing(db: TestDb) {
        let app = app(db).await;
        let admin = app.admin().await;
        let ours = Ours::make(&app, &admin).await;
        let (_, other) = creator(&app, "other").await;
        app.get(&other, "/v1/info").await;
        let before = rows(&app).await;
        let (mut allowed, mut refused) = (0, 0);
        for (method, template, operation) in operations() {
            if !template.starts_with("/v1/") {
                continue;
            }
            let path = ours.path(&template);
            let answer = send(&app, &other, &method, &path, body(&operation).as_deref()).await;
            let place = format!("{method} {path}: {}", answer.text);
            if !may_be_narrowed(&operation) {
                assert_eq!(answer.code(), "insufficient_scope", "{place}");
                assert!(answer.text.contains("narrowed"), "{place}");
                refused += 1;
                continue;
            }
            if template.contains('{') {
                assert_eq!(answer.status, 404, "{place}");
            }
            assert!(!answer.status.is_server_error(), "{place}");
            let told = ours
                .ids
                .iter()
                .find(|(group, id)| !is_of_all(group) && answer.text.contains(&format!("\"{id}\"")));
            assert_eq!(told, None, "{place}");
            allowed += 1;
        }
        assert!(
            allowed > 25 && refused > 30,
            "{allowed} and {refused} routes"
        );
        let after = rows(&app).await;
        for (table, was) in &before {
            let gone: Vec<_> = was.difference(&after[table]).collect();
            assert!(gone.is_empty(), "{table} has changed: {gone:?}");
        }
    }

    /// Without this, the walk would prove nothing: the same routes work with the right creator's key.
    async fn the_right_creators_key_finds_what_the_walk_asks_for(db: TestDb) {
        let app = app(db).await;
        let admin = app.admin().await;
        let ours = Ours::make(&app, &admin).await;
        let key = narrowed(&app, &ours.ids["creators"]).await;
        for (method, template, operation) in gentlest_first() {
            if template.contains("{id}") && may_be_narrowed(&operation) {
                let path = ours.path(&template);
                let answer = send(&app, &key, &method, &path, body(&operation).as_deref()).await;
                assert_ne!(answer.status, 404, "{method} {path}: {}", answer.text);
                assert_ne!(answer.status, 403, "{method} {path}: {}", answer.text);
            }
        }
        for (list, filter) in [
            ("members", "&include_deleted=true"),
            ("subscriptions", ""),
            ("operations", ""),
            ("keys", ""),
            ("creators", ""),
        ] {
            let answer = app
                .get(&key, &format!("/v1/{list}?limit=100{filter}"))
                .await;
            assert!(
                answer.text.contains(&ours.ids[list]),
                "{list}: {}",
                answer.text
            );
        }
    }
}

/// Seed rows 41, 46.
#[tokio::test]
async fn members_whom_a_narrowed_key_makes_are_its_creators_and_stay_hers() {
    let app = App::new().await;
    let (ann, anns) = creator(&app, "creator_ann").await;
    let (bea, beas) = creator(&app, "creator_bea").await;
    let made = app
        .post(&anns, "/v1/members", &json!({"email": "jane@example.com"}))
        .await;
    assert_eq!(made.json()["creator_id"], ann, "{}", made.text);
    let jane = format!("/v1/members/{}", id(&made));
    assert_eq!(app.get(&beas, &jane).await.code(), "member_not_found");
    // Nobody is given away, nor made for another creator.
    for wish in [
        json!(null),
        json!(bea),
        json!("creator_bea"),
        json!("nobody"),
    ] {
        let answer = app
            .write(Method::PATCH, &anns, &jane, &json!({"creator_id": wish}))
            .await;
        assert_eq!(answer.code(), "insufficient_scope", "{wish}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/creator_id");
        if !wish.is_null() {
            let new = json!({"email": "new@example.com", "creator_id": wish});
            let answer = app.post(&anns, "/v1/members", &new).await;
            assert_eq!(answer.code(), "insufficient_scope", "{wish}");
        }
    }
    let own = json!({"email": "june@example.com", "creator_id": "creator_ann"});
    assert_eq!(
        app.post(&anns, "/v1/members", &own).await.json()["creator_id"],
        ann
    );
    // An address that is taken is not told whose.
    let taken = app
        .post(&beas, "/v1/members", &json!({"email": "jane@example.com"}))
        .await;
    assert_eq!(taken.code(), "email_taken");
    assert!(!taken.text.contains("mem_"), "{}", taken.text);
}

/// Seed row 41.
#[tokio::test]
async fn members_are_listed_by_creator_and_moved_by_the_organizations_own_keys() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (ann, anns) = creator(&app, "creator_ann").await;
    let (bea, beas) = creator(&app, "creator_bea").await;
    let made = app
        .post(&anns, "/v1/members", &json!({"email": "jane@example.com"}))
        .await;
    let jane = format!("/v1/members/{}", id(&made));
    let second = json!({"email": "june@example.com"});
    assert_eq!(app.post(&anns, "/v1/members", &second).await.status, 201);
    let listed = async |key: &str, query: &str| {
        let page = app.get(key, &format!("/v1/members{query}")).await.json();
        page["data"].as_array().unwrap().len()
    };
    assert_eq!((listed(&anns, "").await, listed(&beas, "").await), (2, 0));
    for (key, word, found) in [
        (&admin, "creator_ann", 2),
        (&admin, &ann, 2),
        (&admin, "nobody", 0),
        (&anns, &ann, 2),
        (&beas, &ann, 0),
    ] {
        assert_eq!(
            listed(key, &format!("?creator_id={word}")).await,
            found,
            "{word}"
        );
    }
    // The organization's own keys move her.
    let moved = app
        .write(Method::PATCH, &admin, &jane, &json!({"creator_id": bea}))
        .await;
    assert_eq!(moved.json()["creator_id"], bea);
    assert_eq!(app.get(&anns, &jane).await.status, 404);
    assert_eq!(app.get(&beas, &jane).await.status, 200);
    let unknown = app
        .write(
            Method::PATCH,
            &admin,
            &jane,
            &json!({"creator_id": "nobody"}),
        )
        .await;
    assert_eq!(unknown.status, 422, "{}", unknown.text);
    assert_eq!(unknown.json()["errors"][0]["pointer"], "#/creator_id");
}

#[tokio::test]
async fn keys_that_a_narrowed_key_makes_are_narrowed_like_it() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (ann, anns) = creator(&app, "ann").await;
    let (_, beas) = creator(&app, "bea").await;
    let new =
        |creator: Value| json!({"name": "x", "scopes": ["members:read"], "creator_id": creator});
    let child = app
        .post(
            &anns,
            "/v1/keys",
            &json!({"name": "x", "scopes": ["members:read"]}),
        )
        .await;
    assert_eq!(child.json()["creator_id"], ann, "{}", child.text);
    let secret = child.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(
        app.get(&secret, "/v1/info").await.json()["key"]["creator_id"],
        ann
    );
    for (key, creator) in [(&anns, "bea"), (&anns, "nobody"), (&admin, "nobody")] {
        let refused = app.post(key, "/v1/keys", &new(json!(creator))).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/creator_id");
    }
    assert_eq!(
        app.post(&admin, "/v1/keys", &new(json!("ann")))
            .await
            .json()["creator_id"],
        ann
    );
    let path = format!("/v1/keys/{}", id(&child));
    let rotated = app.act(&admin, &format!("{path}/rotate")).await;
    assert_eq!(rotated.json()["creator_id"], ann, "{}", rotated.text);
    assert_eq!(app.act(&beas, &format!("{path}/rotate")).await.status, 404);
    assert_eq!(app.delete(&beas, &path).await.status, 404);
    let seen = |answer: Answered| answer.json()["data"].as_array().unwrap().len();
    assert_eq!(seen(app.get(&anns, "/v1/keys").await), 4);
    assert_eq!(seen(app.get(&beas, "/v1/keys").await), 1);
    assert_eq!(app.delete(&anns, &path).await.status, 200);
    // An archived creator keeps her keys and gets no new ones.
    let archived = app
        .write(
            Method::PATCH,
            &admin,
            "/v1/creators/ann",
            &json!({"archived": true}),
        )
        .await;
    assert_eq!(archived.status, 200, "{}", archived.text);
    let unnamed = json!({"name": "x", "scopes": ["members:read"]});
    for (key, body) in [
        (&admin, &new(json!("ann"))),
        (&anns, &new(json!("ann"))),
        (&anns, &unnamed),
    ] {
        let refused = app.post(key, "/v1/keys", body).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
    }
    assert_eq!(app.get(&anns, "/v1/members").await.status, 200);
}

#[tokio::test]
async fn an_answer_kept_for_one_creator_is_not_given_to_another() {
    let app = App::new().await;
    let admin = app.key("default", &Scope::ALL).await;
    let (_, anns) = creator(&app, "ann").await;
    let (_, beas) = creator(&app, "bea").await;
    let new = json!({"email": "jane@example.com"}).to_string();
    let ask = async |key: &str| {
        let request = request(Method::POST, "/v1/members", key)
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "k");
        app.send(request.body(Body::from(new.clone())).unwrap())
            .await
    };
    let made = ask(&anns).await;
    assert_eq!(made.status, 201, "{}", made.text);
    for other in [&beas, &admin] {
        let answer = ask(other).await;
        assert_eq!(answer.code(), "email_taken", "{}", answer.text);
    }
    let again = ask(&anns).await;
    assert_eq!(id(&again), id(&made));
    assert_eq!(again.headers["idempotency-replayed"], "true");
}

#[tokio::test]
async fn creators_are_made_once_shown_and_changed() {
    let app = App::new().await;
    let admin = app.admin().await;
    let new = json!({"name": "Ann", "external_id": "creator_ann"});
    let ask = async || {
        let request = request(Method::POST, "/v1/creators", &admin)
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "k");
        app.send(request.body(Body::from(new.to_string())).unwrap())
            .await
    };
    let made = ask().await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(ask().await.text, made.text);
    let taken = app.post(&admin, "/v1/creators", &new).await;
    assert_eq!(
        (taken.status.as_u16(), taken.code()),
        (422, "invalid_request".to_owned())
    );
    assert_eq!(taken.json()["errors"][0]["pointer"], "#/external_id");
    let shown = app.get(&admin, "/v1/creators/creator_ann").await;
    assert_eq!(shown.text, made.text);
    let second = app
        .post(&admin, "/v1/creators", &json!({"name": "Bea"}))
        .await;
    let listed = app.get(&admin, "/v1/creators?limit=1").await.json();
    assert_eq!(listed["data"][0]["id"], second.json()["id"]);
    assert!(listed["next_cursor"].is_string());
    let path = format!("/v1/creators/{}", id(&made));
    let edit = json!({"name": "Anna", "external_id": null});
    let changed = app.write(Method::PATCH, &admin, &path, &edit).await.json();
    assert_eq!(
        (&changed["name"], &changed["external_id"]),
        (&json!("Anna"), &json!(null))
    );
    assert_eq!(
        app.get(&admin, "/v1/creators/creator_ann").await.status,
        404
    );
    let nameless = app
        .write(Method::PATCH, &admin, &path, &json!({"name": null}))
        .await;
    assert_eq!(nameless.status, 400, "{}", nameless.text);
}
