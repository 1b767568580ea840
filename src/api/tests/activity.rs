//! The activity log: every call leaves a row, and what would leave none is not done.

use std::time::Duration;

use axum::{body::Body, http::Method};
use futures::stream;
use memberd_jobs::{
    access::{Scope, activity::Call},
    both,
    kernel::db::{Record, Sql},
};
use serde_json::{Value, json};

use super::{
    document::operations,
    mirror::fill,
    support::{App, request},
};
use crate::{
    api::{HttpLimits, Rates, router},
    testing::Log,
};

const LOG: &str = "/v1/activity";
const CALLS: Sql = Sql::both("SELECT method, route, status FROM activity ORDER BY id");
const BREAK: Sql = Sql::both("ALTER TABLE activity RENAME TO elsewhere");
const MEND: Sql = Sql::both("ALTER TABLE elsewhere RENAME TO activity");

/// What somebody might write into a path, who should not be read in the log.
const PERSON: &str = "ext:crm:jane@example.test";

async fn rows<T: Record>(app: &App, sql: Sql) -> Vec<T> {
    app.settle().await;
    app.db.rows(sql, &[]).await
}

/// The pages of the log with these filters, as an organization's key sees them.
async fn listed(app: &App, key: &str, filters: &str) -> Vec<Value> {
    app.settle().await;
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{LOG}?{filters}{cursor}");
        let answer = app.get(key, &path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let page = answer.json();
        all.extend(page["data"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn filled(path: &str) -> String {
    path.replace("{id}", PERSON)
        .replace("{grant_id}", "gra_1")
        .replace("{queue}", "email")
        .replace("{schedule}", "jane")
}

/// A body that never ends.
fn endless() -> Body {
    Body::from_stream(stream::pending::<Result<String, std::io::Error>>())
}

both! {
    /// Seed row 151.
    async fn every_route_leaves_a_row_with_nothing_that_the_caller_wrote(db: TestDb) {
        let app = App::on(db).await;
        let key = app.admin().await;
        let mut expected = Vec::new();
        for (method, template, _) in operations() {
            if !template.starts_with("/v1/") {
                continue;
            }
            for query in ["", "?nonsense=jane"] {
                let path = format!("{}{query}", filled(&template));
                let request =
                    request(method.clone(), &path, &key).header("content-type", "application/json");
                let body = Body::from(r#"{"jane":"hush"}"#);
                let answer = app.send(request.body(body).unwrap()).await;
                let status = i64::from(answer.status.as_u16());
                expected.push((method.to_string(), template.clone(), Some(status)));
            }
        }
        let calls: Vec<(String, String, Option<i64>)> = rows(&app, CALLS).await;
        assert!(calls.len() > 100, "only {} calls", calls.len());
        assert_eq!(calls, expected);
        let all: Vec<Call> = rows(&app, Sql::both("SELECT * FROM activity")).await;
        let all = format!("{all:?}");
        for written in ["jane", "hush", "nonsense", &key[20..60]] {
            assert!(!all.contains(written), "{written} is in the log");
        }
        for noted in ["gra_1", "email"] {
            assert!(all.contains(noted), "{noted} is not in the log");
        }
    }

    async fn what_cannot_be_written_into_the_log_is_not_done(db: TestDb) {
        let app = App::on(db).await;
        let key = app.admin().await;
        let tables = ["members", "jobs", "api_keys", "idempotency_keys", "stripe_operations", "webhook_endpoints"];
        let counts = async || {
            let mut counts = Vec::new();
            for table in tables {
                counts.push(app.db.count(table).await);
            }
            counts
        };
        let before = counts().await;
        app.db.execute(BREAK, &[]).await;
        let send = async |method: Method, path: &str, body: &Value| {
            let request = request(method, path, &key).header("content-type", "application/json")
                .header("idempotency-key", "k-1");
            app.send(request.body(Body::from(body.to_string())).unwrap()).await
        };
        let member = json!({"email": "jane@example.test"});
        let mut refused = 0;
        for (method, template, _) in operations() {
            if template.starts_with("/v1/") && method != Method::GET {
                let answer = send(method.clone(), &filled(&template), &member).await;
                assert_eq!((answer.status.as_u16(), answer.code()), (503, "overloaded".to_owned()), "{method} {template}");
                assert!(answer.text.contains("activity log"), "{}", answer.text);
                assert!(answer.headers.contains_key("retry-after"));
                refused += 1;
            }
        }
        assert!(refused >= 40, "only {refused}");
        assert_eq!(counts().await, before);
        assert_eq!(app.get(&key, "/v1/members").await.status, 200, "reads go on");
        app.db.execute(MEND, &[]).await;
        let made = send(Method::POST, "/v1/members", &member).await;
        assert_eq!(made.status, 201, "the same key is free: {}", made.text);
        // Those that were refused, and the read, are told once the log takes them.
        app.settle().await;
        assert_eq!(listed(&app, &key, "status=503&limit=100").await.len(), refused);
        let reads = listed(&app, &key, "route=/v1/members&method=GET").await;
        assert_eq!((reads.len(), &reads[0]["status"]), (1, &json!(200)));
    }

    async fn a_write_is_in_the_log_before_it_is_done_and_stays_if_it_never_ends(db: TestDb) {
        let app = App::on(db).await;
        let key = app.admin().await;
        let sent = request(Method::POST, "/v1/jobs", &key).header("content-type", "application/json");
        let mut request = Box::pin(app.send(sent.body(endless()).unwrap()));
        let log = async || app.db.rows::<(String, Option<i64>)>(Sql::both("SELECT route, status FROM activity"), &[]).await;
        let begun = async {
            while log().await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut request => panic!("it cannot end"),
            () = begun => {}
        }
        assert_eq!(log().await, [("/v1/jobs".to_owned(), None)]);
        drop(request);
        let unknown = listed(&app, &key, "status=unknown").await;
        assert_eq!((unknown.len(), &unknown[0]["status"], &unknown[0]["milliseconds"]), (1, &Value::Null, &Value::Null));
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_has_its_answer_in_the_log() {
    let mut app = App::new().await;
    app.state.limits.request_timeout = Duration::from_millis(20);
    app.rebuild(router(app.state.clone()));
    let key = app.admin().await;
    let request =
        request(Method::POST, "/v1/jobs", &key).header("content-type", "application/json");
    assert_eq!(app.send(request.body(endless()).unwrap()).await.status, 503);
    let calls: Vec<(String, String, Option<i64>)> = rows(&app, CALLS).await;
    assert_eq!(
        calls,
        [("POST".to_owned(), "/v1/jobs".to_owned(), Some(503))]
    );
}

/// The table comes back before the last try.
#[tokio::test]
async fn a_stop_tries_again_before_it_loses_calls() {
    let app = App::new().await;
    let key = app.admin().await;
    app.db.execute(BREAK, &[]).await;
    let log = Log::default();
    let _hears = log.hear();
    assert_eq!(app.get(&key, "/v1/jobs").await.status, 200);
    let mending = async {
        while !log
            .text()
            .contains("could not be written into the activity log yet")
        {
            tokio::task::yield_now().await;
        }
        app.db.execute(MEND, &[]).await;
    };
    tokio::join!(app.settle(), mending);
    let calls: Vec<(String, String, Option<i64>)> = app.db.rows(CALLS, &[]).await;
    assert_eq!(
        calls,
        [("GET".to_owned(), "/v1/jobs".to_owned(), Some(200))]
    );
    assert!(!log.text().contains("before the stop"), "{}", log.text());
}

#[tokio::test]
async fn a_stop_says_how_many_calls_it_loses() {
    let app = App::new().await;
    let key = app.admin().await;
    app.db.execute(BREAK, &[]).await;
    let log = Log::default();
    let _hears = log.hear();
    for _ in 0..3 {
        assert_eq!(app.get(&key, "/v1/jobs").await.status, 200);
    }
    app.settle().await;
    let told = log.text();
    let line = told.lines().find(|line| line.contains("before the stop"));
    // Colours stand between the name and the number.
    assert!(line.is_some_and(|line| line.ends_with('3')), "{told}");
}

#[tokio::test]
async fn calls_are_listed_newest_first_by_every_filter_for_their_organization_alone() {
    let app = App::new().await;
    let auditor = app.key("default", &[Scope::AuditRead]).await;
    let writer = app.key("default", &[Scope::MembersWrite]).await;
    let theirs = app.key("other", &Scope::ALL).await;
    let made = app
        .post(
            &writer,
            "/v1/members",
            &json!({"email": "jane@example.test"}),
        )
        .await;
    let member = made.json()["id"].as_str().unwrap().to_owned();
    app.clock.advance(Duration::from_mins(1));
    let noon = app.state.env.now();
    app.clock.advance(Duration::from_mins(1));
    let path = format!("/v1/members/{member}");
    app.get(&writer, &path).await;
    app.delete(&writer, &path).await;
    app.get(&theirs, &path).await;
    let id = |key: &str| format!("key_{}", &key[9..17]);
    let (writer, forbidden) = (id(&writer), listed(&app, &auditor, "status=403").await);
    assert_eq!(forbidden.len(), 1);
    assert_eq!(
        (
            &forbidden[0]["method"],
            &forbidden[0]["route"],
            &forbidden[0]["object_id"]
        ),
        (&json!("GET"), &json!("/v1/members/{id}"), &json!(member))
    );
    let noon = serde_json::to_value(noon).unwrap();
    let noon = noon.as_str().unwrap();
    for (filters, expected) in [
        (format!("key_id={writer}"), vec![204, 403, 201]),
        (format!("key_id={writer}&limit=1"), vec![204, 403, 201]),
        (format!("object_id={member}"), vec![204, 403, 201]),
        (format!("object_id={member}&method=DELETE"), vec![204]),
        ("route=/v1/members".to_owned(), vec![201]),
        ("status=2xx&method=POST".to_owned(), vec![201]),
        ("status=404".to_owned(), vec![]),
        (
            format!("created_after={noon}&key_id={writer}"),
            vec![204, 403],
        ),
        (format!("created_before={noon}"), vec![201]),
    ] {
        let calls = listed(&app, &auditor, &filters).await;
        let found: Vec<_> = calls
            .iter()
            .map(|call| call["status"].as_i64().unwrap())
            .collect();
        assert_eq!(found, expected, "{filters}");
    }
    let others = listed(&app, &theirs, "method=GET").await;
    assert!(others.iter().all(|call| call["key_id"] == id(&theirs)) && !others.is_empty());
}

#[tokio::test]
async fn a_row_leads_to_what_was_made_and_to_the_log_of_its_request() {
    let app = App::new().await;
    let auditor = app.key("default", &[Scope::AuditRead]).await;
    let writer = app.key("default", &[Scope::MembersWrite]).await;
    let jane = json!({"email": "jane@example.test"});
    let made = app.post(&writer, "/v1/members", &jane).await;
    let shown = &listed(&app, &auditor, "method=POST").await[0];
    assert_eq!(
        (&shown["made_id"], &shown["object_id"]),
        (&made.json()["id"], &Value::Null)
    );
    assert_eq!(
        shown["request_id"],
        made.headers["x-request-id"].to_str().unwrap()
    );
    for wrong in [
        "status=6xx",
        "status=20",
        "status=0xx",
        "status=",
        "method=get",
        "created_after=noon",
    ] {
        let answer = app.get(&auditor, &format!("{LOG}?{wrong}")).await;
        let refused = (400, "invalid_filter".to_owned());
        assert_eq!((answer.status.as_u16(), answer.code()), refused, "{wrong}");
    }
}

/// By whatever name the path calls her.
#[tokio::test]
async fn a_row_names_the_member_of_a_grant_that_is_taken_back() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let member = app.get(&key, "/v1/members/ext:stripe:cus_1").await.json();
    let member = member["id"].as_str().unwrap();
    for name in ["ext:stripe:cus_1", member] {
        let grants = format!("/v1/members/{name}/grants");
        let body = json!({"product_id": "prod_a"});
        let grant = app.post(&key, &grants, &body).await.json();
        let grant = grant["id"].as_str().unwrap();
        let revoked = app.delete(&key, &format!("{grants}/{grant}")).await;
        assert_eq!(revoked.status, 200, "{}", revoked.text);
        let calls = listed(&app, &key, &format!("object_id={member}&limit=1")).await;
        let named: Vec<_> = calls[..2]
            .iter()
            .map(|call| (&call["method"], &call["made_id"]))
            .collect();
        let (delete, post, grant) = (json!("DELETE"), json!("POST"), json!(grant));
        assert_eq!(named, [(&delete, &grant), (&post, &grant)], "{name}");
    }
}

#[tokio::test]
async fn a_flood_that_is_refused_is_one_row_for_each_route() {
    let mut app = App::new().await;
    app.state.limits = HttpLimits {
        rates: Rates {
            reads: 3,
            writes: 1,
            requests: 4,
        },
        ..HttpLimits::default()
    };
    app.rebuild(router(app.state.clone()));
    let key = app.key("default", &[Scope::JobsRead]).await;
    for _ in 0..50 {
        app.get(&key, "/v1/jobs").await;
        app.get(&key, "/v1/jobs/counts").await;
    }
    let refused = Sql::both("SELECT route, calls FROM activity WHERE status = 429 ORDER BY route");
    let refused: Vec<(String, i64)> = rows(&app, refused).await;
    assert_eq!(
        refused,
        [
            ("/v1/jobs".to_owned(), 48),
            ("/v1/jobs/counts".to_owned(), 49)
        ]
    );
    let calls = Sql::both("SELECT sum(calls) FROM activity");
    assert_eq!(rows::<(i64,)>(&app, calls).await, [(100,)]);
    // A minute later they begin a row of their own.
    app.clock.advance(Duration::from_mins(1));
    app.get(&key, "/v1/jobs").await;
    let all: Vec<(i64,)> = rows(
        &app,
        Sql::both(
            "SELECT calls FROM activity WHERE route = '/v1/jobs' AND status = 429 ORDER BY id",
        ),
    )
    .await;
    assert_eq!(all, [(48,), (1,)]);
}
