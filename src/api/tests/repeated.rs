//! Every `POST` with an `Idempotency-Key`: repeated it has no effect and the same answer, and the key is good for nothing else.

use std::collections::{BTreeMap, BTreeSet};

use axum::{body::Body, http::Method};
use memberd_jobs::{
    args, both,
    kernel::{
        CatchUp, Registry,
        db::Sql,
        outbox::NewJob,
        ports::ObjectType,
        queue::schedules::{Wanted, declare},
    },
    members::Details,
    roster::{self, NewMember},
    sync::FetchObject,
    testing::TestDb,
};
use serde_json::{Value, json};

use super::{
    document::operations,
    mirror::price,
    organizations::{self, Ours},
    support::{Answered, App, request},
};

const SCHEDULE: &str = "housekeeping.prune_jobs";
const BEGUN: Sql =
    Sql::both("UPDATE idempotency_keys SET status = NULL, body = NULL WHERE key = $1");

async fn keyed(app: &App, key: &str, path: &str, once: &str, body: Option<&Value>) -> Answered {
    let request = request(Method::POST, path, key)
        .header("content-type", "application/json")
        .header("idempotency-key", once);
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    app.send(request.body(body).unwrap()).await
}

/// How many of the calls of a route that did something do not say in the activity log what they are about.
async fn nameless(app: &App, template: &str) -> i64 {
    app.settle().await;
    let sql = Sql::both(
        "SELECT count(*) FROM activity WHERE method = 'POST' AND route = $1 AND status < 300
           AND object_id IS NULL AND made_id IS NULL",
    );
    let rows: Vec<(i64,)> = app.db.rows(sql, args![template]).await;
    rows[0].0
}

/// A subscription that will end, and a schedule, so that there is something to resume and to run.
async fn more(app: &App) {
    let customer = json!({"id": "cus_3", "object": "customer", "created": 1_760_000_000, "livemode": false,
        "email": "cus_3@example.com", "metadata": {}});
    let subscription = json!({"id": "sub_2", "object": "subscription", "created": 1_760_000_100, "livemode": false,
        "customer": "cus_3", "status": "active", "start_date": 1_760_000_100, "currency": "usd",
        "cancel_at_period_end": true, "collection_method": "charge_automatically",
        "items": {"object": "list", "data": [{"id": "si_2", "object": "subscription_item", "quantity": 1,
            "price": price(), "current_period_start": 1_760_000_100, "current_period_end": 1_790_000_000}]}});
    for (kind, object) in [
        (ObjectType::Customer, customer),
        (ObjectType::Subscription, subscription),
    ] {
        app.db.stripe.put(&object);
        let fetch = FetchObject::of(kind, object["id"].as_str().unwrap());
        app.db.enqueue(NewJob::of("default", &fetch).unwrap()).await;
        app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
    }
    let schedule = Wanted {
        name: SCHEDULE.to_owned(),
        kind: SCHEDULE.to_owned(),
        args: "{}".to_owned(),
        cron: "0 17 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        catch_up: CatchUp::One,
        enabled: true,
    };
    let now = app.state.env.now();
    declare(&app.state.env.db, &[schedule], now).await.unwrap();
}

/// Where to send what, so that it is done.
async fn wanted(
    app: &App,
    ours: &Ours,
    template: &str,
    operation: &Value,
) -> (String, Option<Value>) {
    let path = match template {
        "/v1/members/{id}/checkout" => {
            let session = json!({"id": "cs_1", "object": "checkout.session", "url": "https://pay/cs_1",
                "status": "open", "expires_at": 1_800_000_000, "created": 1_768_473_000, "livemode": false,
                "customer": "cus_2", "mode": "subscription"});
            app.db.stripe.answer_next(&session);
            "/v1/members/ext:stripe:cus_2/checkout".to_owned()
        }
        "/v1/subscriptions/{id}/resume" => template.replace("{id}", "sub_2"),
        "/v1/jobs/{id}/cancel" => template.replace("{id}", &app.nap("default", "b").await),
        _ => ours.path(&template.replace("{schedule}", SCHEDULE)),
    };
    let body = match template {
        "/v1/jobs/bulk" => {
            Some(json!({"action": "cancel", "ids": [app.nap("default", "c").await]}))
        }
        "/v1/interactions" => Some(json!({"interactions": [
            {"id": "1", "member_id": "ext:stripe:cus_2", "kind": "share"}
        ]})),
        _ => organizations::body(operation).map(|text| serde_json::from_str(&text).unwrap()),
    };
    (path, body)
}

/// All rows of the organization but those of the activity log, which does grow.
async fn rows(app: &App) -> BTreeMap<String, BTreeSet<String>> {
    let mut rows = organizations::rows_now(app).await;
    rows.remove("activity");
    rows
}

/// The bodies that differ from this one in one value.
fn others(body: &Value) -> Vec<Value> {
    let fields = body.as_object().unwrap();
    let changed = fields.iter().filter_map(|(name, value)| {
        let other = match value {
            Value::String(text) => json!(format!("{text}1")),
            Value::Number(number) => json!(number.as_i64()? + 1),
            Value::Bool(flag) => json!(!flag),
            _ => return None,
        };
        let mut body = body.clone();
        body[name] = other;
        Some(body)
    });
    changed.collect()
}

/// The answer without the secret of a key, which nobody can show twice.
fn comparable(answer: &Answered, path: &str) -> Value {
    let mut json = answer.json();
    if path.starts_with("/v1/keys") {
        json["secret"] = Value::Null;
    }
    json
}

/// A request that was done, with its answer.
struct Done<'a> {
    path: &'a str,
    once: &'a str,
    body: Option<&'a Value>,
    first: &'a Answered,
}

/// The same again changes nothing and is answered the same, and the key is good for nothing else.
async fn takes_effect_once(app: &App, key: &str, done: Done<'_>) {
    let Done {
        path,
        once,
        body,
        first,
    } = done;
    let before = rows(app).await;
    let again = keyed(app, key, path, once, body).await;
    assert_eq!(again.status, first.status, "{path}: {}", again.text);
    assert_eq!(comparable(&again, path), comparable(first, path), "{path}");
    assert_eq!(again.headers["idempotency-replayed"], "true", "{path}");
    for other in body.map(others).unwrap_or_default() {
        let answer = keyed(app, key, path, once, Some(&other)).await;
        let place = format!("{path} {other}: {}", answer.text);
        assert!(answer.status.is_client_error(), "{place}");
    }
    let elsewhere = if path.contains("/queues/") {
        "/v1/sync/backfill"
    } else {
        "/v1/queues/email/pause"
    };
    let other = keyed(app, key, elsewhere, once, None).await;
    let reused = (422, "idempotency_key_reused".to_owned());
    assert_eq!((other.status.as_u16(), other.code()), reused, "{path}");
    let after = rows(app).await;
    for (table, was) in &before {
        let is = after.get(table);
        assert_eq!(is, Some(was), "{path}: a repetition has changed {table}");
    }
    app.db.execute(BEGUN, args![once]).await;
    let early = keyed(app, key, path, once, body).await;
    let busy = (409, "idempotency_in_progress".to_owned());
    assert_eq!((early.status.as_u16(), early.code()), busy, "{path}");
}

both! {
    async fn every_post_takes_effect_once_for_its_key(db: TestDb) {
        let app = organizations::app(db).await;
        let admin = app.admin().await;
        more(&app).await;
        let ours = Ours::make(&app, &admin).await;
        let mut walked = 0;
        for (method, template, operation) in operations() {
            if method != Method::POST || !template.starts_with("/v1/") {
                continue;
            }
            let parameters = operation["parameters"].to_string();
            assert!(
                parameters.contains("Idempotency-Key"),
                "{template} does not tell of it"
            );
            let conflict = operation["responses"]["409"]["description"].to_string();
            assert!(
                conflict.contains("idempotency_in_progress"),
                "{template}: {conflict}"
            );
            let (path, body) = wanted(&app, &ours, &template, &operation).await;
            let once = format!("k-{walked}");
            let first = keyed(&app, &admin, &path, &once, body.as_ref()).await;
            assert!(
                first.status.is_success(),
                "{path} is not done: {} {}",
                first.status,
                first.text
            );
            assert!(
                !first.headers.contains_key("idempotency-replayed"),
                "{path}"
            );
            // Many are no one object.
            let of_many = ["/v1/jobs/bulk", "/v1/interactions"];
            let expected = i64::from(of_many.contains(&template.as_str()));
            assert_eq!(nameless(&app, &template).await, expected, "{template}: {}", first.text);
            let done = Done {
                path: &path,
                once: &once,
                body: body.as_ref(),
                first: &first,
            };
            takes_effect_once(&app, &admin, done).await;
            walked += 1;
        }
        assert!(walked >= 30, "only {walked} operations");
    }
}

/// As when it takes too long, or its caller hangs up: nothing was done, so the next one does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_given_up_frees_its_key_at_once() {
    let app = App::on(TestDb::postgres().await).await;
    let (env, admin) = (&app.state.env, app.admin().await);
    let jane = json!({"email": "jane@example.com"});
    let details = Details {
        email: Some("jane@example.com".to_owned()),
        ..Details::default()
    };
    let new = NewMember {
        details,
        joined_at: None,
    };
    let mut tx = env.db.begin().await.unwrap();
    let _first = roster::create(&mut tx, env, "default", &new).await.unwrap();
    {
        let mut asking = Box::pin(keyed(&app, &admin, "/v1/members", "k-1", Some(&jane)));
        tokio::select! {
            early = &mut asking => panic!("nobody is waited for: {}", early.text),
            () = app.db.until_one_waits() => {}
        }
        let busy = keyed(&app, &admin, "/v1/members", "k-1", Some(&jane)).await;
        assert_eq!(busy.code(), "idempotency_in_progress");
        assert!(busy.headers.contains_key("retry-after"));
    }
    drop(tx);
    app.settle().await;
    let made = keyed(&app, &admin, "/v1/members", "k-1", Some(&jane)).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

/// The whole key is shown to whoever asked first; what is kept for repetitions is of no use to anybody.
#[tokio::test]
async fn the_secret_of_a_key_is_shown_once_and_kept_nowhere() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = json!({"name": "ours", "scopes": ["keys:write", "jobs:read"]});
    let made = keyed(&app, &admin, "/v1/keys", "k-1", Some(&body))
        .await
        .json();
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(app.get(secret, "/v1/keys").await.status, 200, "it works");
    let again = keyed(&app, &admin, "/v1/keys", "k-1", Some(&body)).await;
    assert_eq!(
        (&again.json()["secret"], &again.json()["id"]),
        (&Value::Null, &made["id"])
    );
    let path = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let rotated = keyed(&app, &admin, &path, "k-2", None).await.json();
    let new = rotated["secret"].as_str().unwrap();
    assert_eq!(app.get(new, "/v1/keys").await.status, 200, "it works");
    let again = keyed(&app, &admin, &path, "k-2", None).await;
    assert_eq!(
        (&again.json()["secret"], &again.json()["id"]),
        (&Value::Null, &rotated["id"])
    );
    assert_eq!(app.db.count("api_keys").await, 3);
    let kept: Vec<(String,)> = app
        .db
        .rows(Sql::both("SELECT body FROM idempotency_keys"), &[])
        .await;
    assert_eq!(kept.len(), 2);
    for (body,) in kept {
        assert!(
            !body.contains("mbd_")
                && !body.contains(&secret[20..60])
                && !body.contains(&new[20..60])
        );
    }
    app.settle().await;
    let calls: Vec<(String, String)> = app.db.rows(
        Sql::both("SELECT object_id, made_id FROM activity WHERE route = '/v1/keys/{id}/rotate' ORDER BY id LIMIT 1"), &[]).await;
    let id = |of: &Value| of["id"].as_str().unwrap().to_owned();
    assert_eq!(calls, [(id(&made), id(&rotated))]);
}

/// What its URL means now concerns nobody who has made the endpoint before.
#[tokio::test]
async fn a_repeated_endpoint_is_not_asked_for_its_url_again() {
    let app = App::new().await;
    let admin = app.admin().await;
    let url = "https://example.org/hooks";
    let body = json!({ "url": url });
    let made = keyed(&app, &admin, "/v1/webhook-endpoints", "k-1", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    app.db.receivers.refuse(url);
    let again = keyed(&app, &admin, "/v1/webhook-endpoints", "k-1", Some(&body)).await;
    assert_eq!((again.status, again.json()), (made.status, made.json()));
    let other = keyed(&app, &admin, "/v1/webhook-endpoints", "k-2", Some(&body)).await;
    assert_eq!(other.code(), "url_not_allowed");
}
