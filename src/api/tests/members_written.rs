//! Members made and changed over HTTP.

use axum::{body::Body, http::Method};
use memberd_jobs::{
    access::Scope,
    both,
    kernel::{outbox::NewJob, ports::ObjectType},
    sync::FetchObject,
    testing::TestDb,
};
use serde_json::{Value, json};

use super::support::{Answered, App, request};

pub(super) const MEMBERS: &str = "/v1/members";

pub(super) async fn app() -> (App, String) {
    app_on(TestDb::sqlite().await).await
}

/// The same on either database.
pub(super) async fn app_on(db: TestDb) -> (App, String) {
    let app = App::on(db).await;
    let key = app
        .key("default", &[Scope::MembersRead, Scope::MembersWrite])
        .await;
    (app, key)
}

pub(super) async fn make(app: &App, key: &str, body: &Value) -> Value {
    let made = app.post(key, MEMBERS, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()
}

pub(super) fn path_of(member: &Value) -> String {
    format!("{MEMBERS}/{}", member["id"].as_str().unwrap())
}

/// Status, code and the first field of a problem.
pub(super) fn refusal(answer: &Answered) -> (u16, String, String) {
    let pointer = answer.json()["errors"][0]["pointer"]
        .as_str()
        .map(str::to_owned);
    (
        answer.status.as_u16(),
        answer.code(),
        pointer.unwrap_or_default(),
    )
}

pub(super) fn refused(status: u16, code: &str, pointer: &str) -> (u16, String, String) {
    (status, code.to_owned(), pointer.to_owned())
}

/// Seed rows 15 to 19, 24, 25, 119, 157, 161.
#[tokio::test]
async fn a_member_is_made_with_everything_that_people_know_of_her() {
    let (app, key) = app().await;
    let body = json!({"email": " Jane@Example.com ", "name": "Jane Smith", "phone": "+44 7700 900123",
        "meta": {"customer_id": "cust_001", "seats": 2, "beta": true}, "tags": ["vip", "press", "vip"],
        "foreign_keys": [{"key": "crm", "value": "4711"}], "email_verified": true,
        "joined_at": "2025-06-15T00:00:00Z"});
    let made = app.post(&key, MEMBERS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let member = made.json();
    for (field, value) in [
        ("type", json!("member")),
        ("email", json!("Jane@Example.com")),
        ("email_verified", json!(true)),
        ("name", body["name"].clone()),
        ("phone", body["phone"].clone()),
        ("meta", body["meta"].clone()),
        ("tags", json!(["press", "vip"])),
        ("foreign_keys", body["foreign_keys"].clone()),
        ("joined_at", body["joined_at"].clone()),
        ("status", json!("none")),
        ("entitlements", json!([])),
        ("archived_at", Value::Null),
        ("deleted_at", Value::Null),
    ] {
        assert_eq!(member[field], value, "{field}");
    }
    assert_eq!(made.headers["location"], path_of(&member));
    let version = format!("\"{}\"", member["version"].as_str().unwrap());
    assert_eq!(made.headers["etag"], version);
    let shown = app.get(&key, &format!("{MEMBERS}/ext:crm:4711")).await;
    assert_eq!(
        (&shown.headers["etag"], shown.json()),
        (&made.headers["etag"], member)
    );
    let least = make(&app, &key, &json!({"email": "joan@example.com"})).await;
    assert_eq!(
        (&least["meta"], &least["email_verified"]),
        (&json!({}), &json!(false))
    );
    let archived = json!({"email": "june@example.com", "archived": true});
    assert!(make(&app, &key, &archived).await["archived_at"].is_string());
}

/// Seed rows 16 to 18, 163.
#[tokio::test]
async fn a_member_that_makes_no_sense_is_refused_with_its_field() {
    let (app, key) = app().await;
    let many: serde_json::Map<_, _> = (0..51).map(|n| (n.to_string(), json!(n))).collect();
    let with = |field: &str, value: Value| {
        let mut body = json!({"email": "jane@example.com"});
        body[field] = value;
        body
    };
    for (field, value, below) in [
        ("email", json!("jane"), ""),
        ("email", json!(null), ""),
        ("name", json!(""), ""),
        ("name", json!("x".repeat(256)), ""),
        ("phone", json!("1".repeat(41)), ""),
        ("meta", json!([]), ""),
        ("meta", json!(many), ""),
        ("meta", json!({"a": {"b": 1}}), ""),
        ("meta", json!({"a": null}), ""),
        ("meta", json!({"": 1}), ""),
        ("tags", json!([""]), "/0"),
        ("tags", json!(vec!["x"; 51]), ""),
        (
            "foreign_keys",
            json!([{"key": "a:b", "value": "1"}]),
            "/0/key",
        ),
        ("foreign_keys", json!([{"key": "crm"}]), "/0/value"),
    ] {
        let body = with(field, value);
        let answer = app.post(&key, MEMBERS, &body).await;
        let pointer = format!("#/{field}{below}");
        assert_eq!(
            refusal(&answer),
            refused(400, "invalid_request", &pointer),
            "{body}"
        );
    }
    for field in ["password", "avatar_url", "status", "id"] {
        let answer = app.post(&key, MEMBERS, &with(field, json!("x"))).await;
        let pointer = format!("#/{field}");
        assert_eq!(refusal(&answer), refused(400, "unknown_field", &pointer));
    }
    let answer = app.post(&key, MEMBERS, &json!({})).await;
    assert_eq!(refusal(&answer), refused(400, "invalid_request", "#/email"));
    let stripe = json!([{"key": "stripe", "value": "cus ä"}]);
    let answer = app.post(&key, MEMBERS, &with("foreign_keys", stripe)).await;
    assert_eq!(
        refusal(&answer),
        refused(422, "invalid_request", "#/foreign_keys")
    );
    assert_eq!(app.db.count("members").await, 0);
}

/// Seed rows 16, 119.
#[tokio::test]
async fn what_belongs_to_another_member_is_refused_with_her_id() {
    let (app, key) = app().await;
    let keys = json!([{"key": "crm", "value": "1"}]);
    let first = make(
        &app,
        &key,
        &json!({"email": "jane@example.com", "foreign_keys": keys}),
    )
    .await;
    let id = first["id"].as_str().unwrap();
    let second = make(&app, &key, &json!({"email": "joan@example.com"})).await;
    let taken = refused(409, "email_taken", "#/email");
    let email = json!({"email": "JANE@example.com"});
    for (method, path) in [
        (Method::POST, MEMBERS.to_owned()),
        (Method::PUT, path_of(&second)),
        (Method::PATCH, path_of(&second)),
    ] {
        let answer = app.write(method, &key, &path, &email).await;
        assert_eq!(refusal(&answer), taken, "{path}");
        assert!(answer.text.contains(id), "{}", answer.text);
        assert!(
            !answer.text.to_lowercase().contains("jane@"),
            "{}",
            answer.text
        );
    }
    let body = json!({"email": "june@example.com", "foreign_keys": keys});
    let answer = app.post(&key, MEMBERS, &body).await;
    assert_eq!(
        refusal(&answer),
        refused(422, "invalid_request", "#/foreign_keys")
    );
    assert!(answer.text.contains(id), "{}", answer.text);
    // In another organization both are free.
    let other = app.key("other", &[Scope::MembersWrite]).await;
    assert_eq!(app.post(&other, MEMBERS, &body).await.status, 201);
}

/// Seed rows 20, 121, 162, 164, 165.
#[tokio::test]
async fn a_put_replaces_what_it_names_and_name_and_address_in_any_case() {
    let (app, key) = app().await;
    let body = json!({"email": "jane@example.com", "name": "Jane", "phone": "1", "meta": {"a": 1, "b": 2},
        "tags": ["vip"], "foreign_keys": [{"key": "crm", "value": "1"}], "email_verified": true});
    let before = make(&app, &key, &body).await;
    let put = async |body: Value| {
        let answer = app.write(Method::PUT, &key, &path_of(&before), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(app.get(&key, &path_of(&before)).await.text, answer.text);
        answer.json()
    };
    // What was read can be written again, and nothing changes: not even the time of the last change.
    app.clock.advance(std::time::Duration::from_secs(5));
    let mut same = body.clone();
    same["archived"] = json!(false);
    assert_eq!(put(same).await, before);
    let replaced = put(json!({"email": "jane@example.com", "meta": {"c": 3}})).await;
    assert_eq!(
        (&replaced["name"], &replaced["meta"]),
        (&Value::Null, &json!({"c": 3}))
    );
    for stays in ["phone", "tags", "foreign_keys", "email_verified"] {
        assert_eq!(replaced[stays], before[stays], "{stays}");
    }
    assert_ne!(replaced["updated_at"], before["updated_at"]);
    assert_ne!(replaced["version"], before["version"]);
    let emptied = json!({"email": "j@example.com", "name": "J", "phone": null, "tags": [], "foreign_keys": []});
    let emptied = put(emptied).await;
    assert_eq!(emptied["meta"], json!({"c": 3}), "left out, meta stays");
    assert_eq!(
        (
            &emptied["phone"],
            &emptied["tags"],
            &emptied["foreign_keys"]
        ),
        (&Value::Null, &json!([]), &json!([]))
    );
    assert_eq!(
        emptied["email_verified"], false,
        "nobody has proved another address"
    );
    let nameless = app
        .write(Method::PUT, &key, &path_of(&before), &json!({"name": "J"}))
        .await;
    assert_eq!(
        refusal(&nameless),
        refused(400, "invalid_request", "#/email")
    );
    let taken = app
        .write(
            Method::PUT,
            &key,
            &path_of(&before),
            &json!({"email": null}),
        )
        .await;
    assert_eq!(refusal(&taken), refused(422, "invalid_request", "#/email"));
}

both! {
    /// A Stripe customer may have no address.
    async fn a_member_without_an_address_is_written_back_as_she_was_read(db: TestDb) {
        let (app, key) = app_on(db).await;
        let customer = json!({"id": "cus_9", "object": "customer", "created": 1_760_000_000, "livemode": false,
            "name": "Jane", "metadata": {}});
        app.db.stripe.put(&customer);
        let fetch = FetchObject::of(ObjectType::Customer, "cus_9");
        app.db.enqueue(NewJob::of("default", &fetch).unwrap()).await;
        app.db.drain(&app.state.registry).await;
        let read = app.get(&key, "/v1/members/ext:stripe:cus_9").await.json();
        assert_eq!(read["email"], Value::Null, "{read}");
        let fields = [
            "email",
            "name",
            "email_verified",
            "phone",
            "meta",
            "tags",
            "foreign_keys",
        ];
        let same: Value = fields
            .map(|field| (field.to_owned(), read[field].clone()))
            .into_iter()
            .collect();
        let written = app.write(Method::PUT, &key, &path_of(&read), &same).await;
        assert_eq!((written.status.as_u16(), written.json()), (200, read));
    }

    /// Neither longer nor shorter, and what cannot be held is refused.
    async fn numbers_come_back_as_they_were_written(db: TestDb) {
        let (app, key) = app_on(db).await;
        let body = |number: &str| format!(r#"{{"email":"jane@example.com","meta":{{"n":{number}}}}}"#);
        let write = async |number: &str| {
            let request =
                request(Method::POST, "/v1/members", &key).header("content-type", "application/json");
            app.send(request.body(Body::from(body(number))).unwrap())
                .await
        };
        for long in ["0.12345678901234567890", "123456789012345678901234567890.5"] {
            let answer = write(long).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, "invalid_request".to_owned()),
                "{long}"
            );
            assert!(answer.text.contains("rounded"), "{}", answer.text);
        }
        let made = write("9007199254740993").await;
        assert!(
            made.text.contains(r#""n":9007199254740993"#),
            "{}",
            made.text
        );
        let path = path_of(&made.json());
        for number in [
            "0.1",
            "1.1754943508222875e-38",
            "9.99",
            "-9223372036854775808",
        ] {
            let merge = request(Method::PATCH, &path, &key).header("content-type", "application/json");
            let merge = merge
                .body(Body::from(format!(r#"{{"meta":{{"n":{number}}}}}"#)))
                .unwrap();
            let text = app.send(merge).await.text;
            assert!(text.contains(&format!(r#""n":{number}"#)), "{text}");
        }
    }
}

/// Seed rows 21, 22, 123, 159.
#[tokio::test]
async fn a_patch_changes_what_it_names_and_merges_meta() {
    let (app, key) = app().await;
    let body = json!({"email": "jane@example.com", "name": "Jane", "meta": {"customer_id": "1", "old_key": "x"}});
    let before = make(&app, &key, &body).await;
    let patch = async |body: Value| {
        let answer = app
            .write(Method::PATCH, &key, &path_of(&before), &body)
            .await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        answer.json()
    };
    assert_eq!(patch(json!({})).await, before);
    let merged =
        patch(json!({"meta": {"customer_id": "cust_002", "old_key": null, "new": true}})).await;
    assert_eq!(
        merged["meta"],
        json!({"customer_id": "cust_002", "new": true})
    );
    assert_eq!(
        (&merged["name"], &merged["email"]),
        (&before["name"], &before["email"])
    );
    assert_eq!(patch(json!({"meta": null})).await["meta"], json!({}));
    assert_eq!(patch(json!({"name": null})).await["name"], Value::Null);
    assert_eq!(
        patch(json!({"tags": ["b", "a"]})).await["tags"],
        json!(["a", "b"])
    );
    let archived = patch(json!({"archived": true})).await;
    assert!(archived["archived_at"].is_string());
    app.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(patch(json!({"archived": true})).await, archived);
    assert_eq!(
        patch(json!({"archived": false})).await["archived_at"],
        Value::Null
    );
}

#[tokio::test]
async fn a_patch_that_makes_no_sense_is_refused_with_its_field() {
    let (app, key) = app().await;
    let keys =
        |n: usize| -> serde_json::Map<_, _> { (0..n).map(|n| (n.to_string(), json!(n))).collect() };
    let body = json!({"email": "jane@example.com", "meta": keys(50), "tags": ["vip"]});
    let before = make(&app, &key, &body).await;
    let patch = async |body: Value| {
        let (path, key) = (path_of(&before), key.as_str());
        app.write(Method::PATCH, key, &path, &body).await
    };
    let cleared = patch(json!({"tags": null, "foreign_keys": null})).await;
    assert_eq!(cleared.json()["tags"], json!([]));
    let fuller = patch(json!({"meta": {"one more": 1}})).await;
    assert_eq!(refusal(&fuller), refused(422, "invalid_request", "#/meta"));
    let nested = patch(json!({"meta": {"a": {"b": 1}}})).await;
    assert_eq!(refusal(&nested), refused(400, "invalid_request", "#/meta"));
    for field in ["email", "email_verified", "archived"] {
        let answer = patch(json!({field: null})).await;
        let pointer = format!("#/{field}");
        assert_eq!(refusal(&answer), refused(400, "invalid_request", &pointer));
    }
}
