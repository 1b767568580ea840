//! Members deleted and restored, found again, and written twice over HTTP.

use std::time::Duration;

use axum::{body::Body, http::Method};
use memberd_jobs::{
    both,
    kernel::{Registry, db::Sql, idempotency},
};
use serde_json::{Value, json};

use super::{
    members_written::{MEMBERS, app, app_on, make, path_of, refusal, refused},
    mirror::fill,
    support::{Answered, App, request},
};

/// A write with one more header.
async fn with(
    app: &App,
    (method, key, path): (Method, &str, &str),
    header: (&str, &str),
    body: &Value,
) -> Answered {
    let request = request(method, path, key)
        .header("content-type", "application/json")
        .header(header.0, header.1);
    app.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

#[tokio::test]
async fn an_edit_may_name_the_version_that_it_is_for() {
    let (app, key) = app().await;
    let member = make(&app, &key, &json!({"email": "jane@example.com"})).await;
    let path = path_of(&member);
    let version = format!("\"{}\"", member["version"].as_str().unwrap());
    let rename = async |tag: &str, name: &str| {
        let header = ("if-match", tag);
        with(
            &app,
            (Method::PATCH, &key, &path),
            header,
            &json!({"name": name}),
        )
        .await
    };
    let first = rename(&version, "Jane").await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_ne!(first.headers["etag"], version.as_str());
    let late = rename(&version, "Joan").await;
    assert_eq!(
        (late.status.as_u16(), late.code()),
        (412, "precondition_failed".to_owned())
    );
    let delete = (Method::DELETE, key.as_str(), path.as_str());
    let late = with(&app, delete.clone(), ("if-match", &version), &json!({})).await;
    assert_eq!(late.code(), "precondition_failed");
    assert_eq!(rename("*", "June").await.status, 200);
    assert_eq!(rename("june", "Jill").await.code(), "invalid_request");
    let now = app.get(&key, &path).await;
    assert_eq!(now.json()["name"], "June");
    let tag = now.headers["etag"].to_str().unwrap();
    assert_eq!(
        with(&app, delete, ("if-match", tag), &json!({}))
            .await
            .status,
        204
    );
}

/// Seed rows 7, 23, 115, 122.
#[tokio::test]
async fn a_deleted_member_is_out_of_the_way_and_can_be_restored() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let path = "/v1/members/ext:stripe:cus_1";
    let before = app.get(&key, path).await.json();
    let email = json!({"email": before["email"]});
    for _ in 0..2 {
        let gone = app.delete(&key, path).await;
        assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    }
    let listed = |query: &'static str| {
        let (app, key) = (&app, &key);
        async move {
            let page = app.get(key, &format!("{MEMBERS}{query}")).await.json();
            page["data"].as_array().unwrap().len()
        }
    };
    assert_eq!(
        (listed("").await, listed("?include_deleted=true").await),
        (1, 2)
    );
    let shown = app.get(&key, path).await.json();
    assert!(shown["deleted_at"].is_string());
    assert_eq!(shown["entitlements"], json!([]));
    let access = app.get(&key, &format!("{path}/access")).await.json();
    assert_eq!(
        (&access["allowed"], &access["reasons"]),
        (&json!(false), &json!(["member_deleted"]))
    );
    for method in [Method::PUT, Method::PATCH] {
        let answer = app.write(method, &key, path, &email).await;
        assert_eq!(answer.code(), "member_not_found", "{}", answer.text);
    }
    // Her address is free, and while somebody has it she cannot come back.
    let other = make(&app, &key, &email).await;
    let restore = format!("{path}/restore");
    let refusal = app.act(&key, &restore).await;
    assert_eq!(
        (refusal.status.as_u16(), refusal.code()),
        (409, "email_taken".to_owned())
    );
    assert!(
        refusal.text.contains(other["id"].as_str().unwrap()),
        "{}",
        refusal.text
    );
    app.delete(&key, &path_of(&other)).await;
    let restored = app.act(&key, &restore).await;
    assert_eq!(restored.status, 200, "{}", restored.text);
    let mut after = restored.json();
    after["updated_at"] = before["updated_at"].clone();
    assert_eq!(after, before);
    assert_eq!(
        app.act(&key, &restore).await.json()["deleted_at"],
        Value::Null
    );
    let access = app.get(&key, &format!("{path}/access")).await.json();
    assert_eq!(access["allowed"], true);
    // Removing her for good is another matter, which this does not do by mistake.
    let purge = app.delete(&key, &format!("{path}?purge=now")).await;
    assert_eq!(purge.code(), "unknown_field");
}

both! {
    async fn a_repeated_creation_makes_one_member_and_answers_the_same(db: TestDb) {
        let (app, key) = app_on(db).await;
        let body = json!({"email": "jane@example.com", "meta": {"a": 1}});
        let once = async |name: &str, body: &Value| {
            with(
                &app,
                (Method::POST, &key, MEMBERS),
                ("idempotency-key", name),
                body,
            )
            .await
        };
        let first = once("one", &body).await;
        assert_eq!(first.status, 201, "{}", first.text);
        let again = once("one", &body).await;
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        assert_eq!(again.headers["idempotency-replayed"], "true");
        for header in ["location", "etag"] {
            assert_eq!(again.headers[header], first.headers[header]);
        }
        let other = once("one", &json!({"email": "joan@example.com"})).await;
        assert_eq!(
            (other.status.as_u16(), other.code()),
            (422, "idempotency_key_reused".to_owned())
        );
        // A refused creation frees its key.
        assert_eq!(once("two", &body).await.code(), "email_taken");
        assert_eq!(
            once("two", &json!({"email": "joan@example.com"}))
                .await
                .status,
            201
        );
        assert_eq!(app.db.count("members").await, 2);
    }

    async fn twenty_creations_at_once_with_one_key_make_one_member(db: TestDb) {
        let (app, key) = app_on(db).await;
        let body = json!({"email": "jane@example.com"});
        let tries = (0..20).map(|_| {
            with(
                &app,
                (Method::POST, &key, MEMBERS),
                ("idempotency-key", "one"),
                &body,
            )
        });
        let answers = futures::future::join_all(tries).await;
        let made: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .collect();
        assert!(!made.is_empty());
        assert!(made.iter().all(|answer| answer.text == made[0].text));
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(answer.code(), "idempotency_in_progress");
        }
        assert_eq!(app.db.count("members").await, 1);
    }

    async fn a_crash_between_claim_and_answer_leaves_nothing_and_is_done_again(db: TestDb) {
        let (app, key) = app_on(db).await;
        let body = json!({"email": "jane@example.com"});
        let once = async || {
            with(
                &app,
                (Method::POST, &key, MEMBERS),
                ("idempotency-key", "one"),
                &body,
            )
            .await
        };
        let full = once().await.json();
        // As if the process had died after the claim: the member is not there, and the answer neither.
        app.db
            .execute(
                Sql::both("UPDATE idempotency_keys SET status = NULL, body = NULL"),
                &[],
            )
            .await;
        app.db.execute(Sql::both("DELETE FROM members"), &[]).await;
        assert_eq!(once().await.code(), "idempotency_in_progress");
        app.clock.advance(idempotency::KEEP / 12);
        let again = once().await;
        assert_eq!(again.status, 201, "{}", again.text);
        assert_ne!(again.json()["id"], full["id"]);
        assert_eq!(app.db.count("members").await, 1);
    }

    /// Seed rows 4 to 6, 40 to 45, 113, 114, 156, 159.
    async fn written_members_are_found_by_what_was_written(db: TestDb) {
        let (app, key) = app_on(db).await;
        for (email, rest) in [
            (
                "a@example.com",
                json!({"tags": ["vip"], "joined_at": "2025-01-01T00:00:00Z"}),
            ),
            (
                "b@example.com",
                json!({"tags": ["vip", "press"], "archived": true}),
            ),
            (
                "c@example.com",
                json!({"foreign_keys": [{"key": "crm", "value": "3"}]}),
            ),
        ] {
            let mut body = rest;
            body["email"] = json!(email);
            make(&app, &key, &body).await;
            app.clock.advance(Duration::from_secs(1));
        }
        for (query, expected) in [
            ("", "c b a"),
            ("tag=vip", "b a"),
            ("tag=press", "b"),
            ("tag=VIP", ""),
            ("archived=true", "b"),
            ("archived=false", "c a"),
            ("tag=vip&archived=false", "a"),
            ("foreign_key%5Bkey%5D=crm&foreign_key%5Bvalue%5D=3", "c"),
            (
                "joined_after=2025-01-01T00:00:00Z&joined_before=2025-01-02T00:00:00Z",
                "a",
            ),
            ("joined_before=2025-01-01T00:00:00Z", ""),
            ("created_after=2026-01-15T10:30:01Z", "c b"),
            ("created_before=2026-01-15T10:30:01Z", "a"),
            ("email=B@example.com", "b"),
        ] {
            let page = app.get(&key, &format!("{MEMBERS}?{query}")).await;
            assert_eq!(page.status, 200, "{query}: {}", page.text);
            let page = page.json();
            let rows = page["data"].as_array().unwrap().iter();
            let found: Vec<_> = rows
                .map(|row| &row["email"].as_str().unwrap()[..1])
                .collect();
            assert_eq!(found.join(" "), expected, "{query}");
        }
        let listed = app
            .get(&key, &format!("{MEMBERS}?limit=1&tag=press"))
            .await
            .json();
        assert_eq!(listed["data"][0]["tags"], json!(["press", "vip"]));
    }
}

#[tokio::test]
async fn a_change_here_is_looked_at_by_the_sync() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let linked = app
        .write(
            Method::PATCH,
            &key,
            "/v1/members/ext:stripe:cus_1",
            &json!({"foreign_keys": []}),
        )
        .await;
    assert_eq!(
        refusal(&linked),
        refused(422, "invalid_request", "#/foreign_keys")
    );
    let keys = json!([{"key": "stripe", "value": "cus_3"}]);
    let made = make(
        &app,
        &key,
        &json!({"email": "c@example.com", "foreign_keys": keys}),
    )
    .await;
    app.db.stripe.put(
        &json!({"id": "cus_3", "object": "customer", "created": 1_760_000_000, "livemode": false,
        "email": "elsewhere@example.com", "metadata": {}}),
    );
    app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
    let sync = app
        .get(&key, &format!("{}/sync", path_of(&made)))
        .await
        .json();
    assert_eq!(
        (&sync["state"], &sync["customers"][0]["id"]),
        (&json!("in_sync"), &json!("cus_3"))
    );
}

/// Seed row 12.
#[tokio::test]
async fn an_answer_is_json_whatever_is_accepted() {
    let (app, key) = app().await;
    for accept in ["application/json", "text/html", "application/json;q=0"] {
        let request = request(Method::GET, MEMBERS, &key).header("accept", accept);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            answer.headers["content-type"], "application/json",
            "{accept}"
        );
        assert_eq!(answer.json()["data"], json!([]));
    }
}
