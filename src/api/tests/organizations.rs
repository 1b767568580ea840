//! A second organization's key meets nothing of the first's, whatever route it takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{body::Body, http::Method};
use memberd_jobs::{
    access::Scope,
    both,
    kernel::{
        Registry,
        db::Sql,
        outbox::NewJob,
        ports::{ObjectType, Organization, StripeError},
    },
    sync::{FetchObject, ReconcileObjects},
    testing::{TestDb, status},
};
use serde_json::{Value, json};

use super::{
    document::operations,
    mirror::{fill, price},
    support::{Answered, App, request},
};
use crate::api::{openapi_text, router};

/// An app in which both organizations have Stripe keys.
pub(super) async fn app(db: TestDb) -> App {
    let mut app = App::on(db).await;
    let env = &mut app.state.env;
    let mut settings = (*env.settings).clone();
    let other = Organization {
        has_stripe: true,
        ..Organization::default()
    };
    settings.organizations.insert("other".to_owned(), other);
    env.settings = Arc::new(settings);
    app.rebuild(router(app.state.clone()));
    app
}

/// What the first organization has, by what the path calls it.
pub(super) struct Ours {
    pub(super) ids: BTreeMap<&'static str, String>,
    grant: String,
}

impl Ours {
    /// Makes one of everything.
    pub(super) async fn make(app: &App, key: &str) -> Self {
        fill(&app.db).await;
        app.db.stripe.put(&price());
        let fetch = FetchObject::of(ObjectType::Price, "price_1");
        app.db.enqueue(NewJob::of("default", &fetch).unwrap()).await;
        app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
        let id = |answer: Answered| answer.json()["id"].as_str().unwrap().to_owned();
        let member = id(app.get(key, "/v1/members/ext:stripe:cus_1").await);
        let grants = format!("/v1/members/{member}/grants");
        let grant = app
            .post(key, &grants, &json!({"product_id": "prod_a"}))
            .await;
        let creator = id(app
            .post(key, "/v1/creators", &json!({"name": "Ours"}))
            .await);
        let hers = json!({"creator_id": creator});
        let path = format!("/v1/members/{member}");
        let given = app.write(Method::PATCH, key, &path, &hers).await;
        assert_eq!(given.status, 200, "{}", given.text);
        let new_key = json!({"name": "ours", "scopes": ["members:read"], "creator_id": creator});
        let made = app.post(key, "/v1/keys", &new_key).await;
        let body = json!({"at_period_end": true});
        let order = app.post(key, "/v1/subscriptions/sub_1/cancel", &body).await;
        let endpoint = json!({"url": "https://93.184.216.34/hooks"});
        let endpoint = id(app.post(key, "/v1/webhook-endpoints", &endpoint).await);
        app.act(key, &format!("/v1/webhook-endpoints/{endpoint}/test"))
            .await;
        let deliveries = app.get(key, "/v1/webhook-deliveries").await.json();
        let delivery = deliveries["data"][0]["id"].as_str().unwrap().to_owned();
        let ids = [
            ("webhook-endpoints", endpoint),
            ("webhook-deliveries", delivery),
            ("members", member),
            ("creators", creator),
            ("jobs", app.nap("default", "ours").await),
            ("keys", id(made)),
            ("operations", id(order)),
            ("subscriptions", "sub_1".to_owned()),
            ("tiers", "prod_a".to_owned()),
            ("plans", "price_1".to_owned()),
            ("stripe-events", "evt_0".to_owned()),
        ];
        Self {
            ids: ids.into(),
            grant: id(grant),
        }
    }

    /// The path with our ids.
    pub(super) fn path(&self, template: &str) -> String {
        let group = template.split('/').nth(2).unwrap_or_default();
        let id = self.ids.get(group).map_or("", String::as_str);
        let path = template
            .replace("{id}", id)
            .replace("{grant_id}", &self.grant)
            .replace("{queue}", "email")
            .replace("{schedule}", "sync.poll_events");
        assert!(
            !path.contains('{') && !path.contains("//"),
            "{template}: tell this test what to put there"
        );
        path
    }

    fn is_told(&self, text: &str) -> Option<&String> {
        let mut ids = self.ids.values().chain([&self.grant]);
        ids.find(|id| text.contains(&format!("\"{id}\"")))
    }
}

/// The example of the request's body, about our tier.
pub(super) fn body(operation: &Value) -> Option<String> {
    let schema = operation["requestBody"]["content"]["application/json"]["schema"].to_string();
    let name = schema
        .split("#/components/schemas/")
        .nth(1)?
        .split('"')
        .next()?;
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let example = &document["components"]["schemas"][name]["example"];
    let example = if example.is_null() {
        &json!({})
    } else {
        example
    };
    Some(example.to_string().replace("prod_gold", "prod_a"))
}

/// Every operation, those that delete last, so that what the others ask for is there.
pub(super) fn gentlest_first() -> Vec<(Method, String, Value)> {
    let order = [
        Method::GET,
        Method::PATCH,
        Method::PUT,
        Method::POST,
        Method::DELETE,
    ];
    let mut all = operations();
    all.sort_by_key(|(method, ..)| order.iter().position(|one| one == method));
    all
}

pub(super) async fn send(
    app: &App,
    key: &str,
    method: &Method,
    path: &str,
    body: Option<&str>,
) -> Answered {
    let request = request(method.clone(), path, key).header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
    app.send(request.body(body).unwrap()).await
}

/// All rows of the first organization, once small tasks have written theirs.
pub(super) async fn rows(app: &App) -> BTreeMap<String, BTreeSet<String>> {
    app.settle().await;
    rows_now(app).await
}

/// All rows of the first organization.
pub(super) async fn rows_now(app: &App) -> BTreeMap<String, BTreeSet<String>> {
    let tables = Sql::split(
        "SELECT t.name, (SELECT 'json_array(' || group_concat(c.name) || ')' FROM pragma_table_info(t.name) AS c)
         FROM sqlite_master AS t WHERE t.type = 'table'
           AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) AS c WHERE c.name = 'organization_id')",
        "SELECT table_name::text, 'row_to_json(' || table_name::text || ')::text' FROM information_schema.columns
         WHERE table_schema = current_schema() AND column_name = 'organization_id'",
    );
    let tables: Vec<(String, String)> = app.db.rows(tables, &[]).await;
    let mut found = BTreeMap::new();
    for (table, row) in tables {
        let text = format!("SELECT {row} FROM {table} WHERE organization_id = 'default'");
        let held: Vec<(String,)> = app.db.rows(Sql::both(text.leak()), &[]).await;
        found.insert(table, held.into_iter().map(|row| row.0).collect());
    }
    let filled = found
        .values()
        .filter(|rows: &&BTreeSet<String>| !rows.is_empty());
    let filled = filled.count();
    assert!(filled > 10, "only {filled} tables have rows");
    found
}

both! {
    /// Seed rows 13, 156.
    async fn another_organizations_key_finds_nothing_of_ours_on_any_route_and_changes_nothing(db: TestDb) {
        let app = app(db).await;
        let admin = app.admin().await;
        let ours = Ours::make(&app, &admin).await;
        let other = app.key("other", &Scope::ALL).await;
        let before = rows(&app).await;
        let mut walked = 0;
        for (method, template, operation) in operations() {
            if !template.starts_with("/v1/") {
                continue;
            }
            let path = ours.path(&template);
            let answer = send(&app, &other, &method, &path, body(&operation).as_deref()).await;
            let place = format!("{method} {path}: {}", answer.text);
            let about = operation["description"].as_str().unwrap();
            if about.contains("a key of the organization `default`") {
                assert_eq!(answer.status, 403, "{place}");
            } else if template.contains('{') {
                assert_eq!(answer.status, 404, "{place}");
            }
            assert!(!answer.status.is_server_error(), "{place}");
            assert_eq!(ours.is_told(&answer.text), None, "{place}");
            walked += 1;
        }
        let bulk = json!({"action": "cancel", "ids": [ours.ids["jobs"]]}).to_string();
        let bulk = send(&app, &other, &Method::POST, "/v1/jobs/bulk", Some(&bulk)).await;
        assert!(bulk.status.is_success(), "{}", bulk.text);
        assert!(walked > 50, "only {walked} routes");
        let after = rows(&app).await;
        for (table, was) in &before {
            assert_eq!(*was, after[table], "{table} has changed");
        }
    }

    /// Without this, the walk would prove nothing: the ids are right, and the routes work with them.
    async fn our_own_key_finds_what_the_walk_asks_for(db: TestDb) {
        let app = app(db).await;
        let admin = app.admin().await;
        let ours = Ours::make(&app, &admin).await;
        for (method, template, operation) in gentlest_first() {
            if template.starts_with("/v1/") && template.contains("{id}") {
                let path = ours.path(&template);
                let answer = send(&app, &admin, &method, &path, body(&operation).as_deref()).await;
                assert_ne!(answer.status, 404, "{method} {path}: {}", answer.text);
            }
        }
    }
}

/// Arguments about what is ours, for the kinds that need some; the others are enqueued without.
fn args_about(ours: &Ours, run: &str) -> BTreeMap<&'static str, Value> {
    let endpoint = &ours.ids["webhook-endpoints"];
    [
        ("test.nap", json!({"key": "ours"})),
        (
            "operations.send_operation",
            json!({"id": ours.ids["operations"]}),
        ),
        (
            "sync.fetch_object",
            json!({"object_type": "customer", "id": "cus_1", "run": run}),
        ),
        ("webhooks_out.deliver_due", json!({"endpoint_id": endpoint})),
        (
            "webhooks_out.hurry_pending",
            json!({"endpoint_id": endpoint, "since": "2027-01-01T00:00:00Z", "after": {"due_at": "1970-01-01T00:00:00Z", "id": ""}}),
        ),
        (
            "webhooks_out.replay_events",
            json!({"endpoint_id": endpoint, "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}),
        ),
    ]
    .into()
}

both! {
    async fn jobs_of_another_organization_with_our_ids_change_nothing_of_ours(db: TestDb) {
        let app = app(db).await;
        let admin = app.admin().await;
        let ours = Ours::make(&app, &admin).await;
        // The operation and the delivery stay open, for the clock stands still.
        let away = StripeError::Unavailable("away".to_owned());
        app.db.stripe.fail_next(away);
        app.db.receivers.answer_always(status(500));
        app.db.drain_allowing_failures(&app.state.registry).await;
        for open in [
            "webhook_deliveries WHERE state = 'pending'",
            "stripe_operations WHERE state = 'unknown'",
        ] {
            assert!(app.db.count(open).await > 0, "{open}");
        }
        let reconcile = ReconcileObjects {
            organization: Some("default".to_owned()),
        };
        app.db
            .enqueue(NewJob::of("default", &reconcile).unwrap())
            .await;
        app.db.drain_allowing_failures(&app.state.registry).await;
        // It differs from what the other organization holds, which is nothing.
        let theirs = json!({"id": "cus_1", "object": "customer", "created": 1_760_000_000, "livemode": false,
            "email": "jane@example.com", "metadata": {}});
        app.db.stripe.put_in("other", &theirs);
        let run = app.get(&admin, "/v1/sync").await.json();
        let run = run["reconciliations"][0]["id"].as_str().unwrap().to_owned();
        let other = app.key("other", &Scope::ALL).await;
        let before = rows(&app).await;
        let args = args_about(&ours, &run);
        for kind in app.state.registry.jobs().filter(|def| !def.installation) {
            let args = args.get(kind.kind).cloned().unwrap_or_else(|| json!({}));
            let job = json!({"kind": kind.kind, "args": args});
            let made = app.post(&other, "/v1/jobs", &job).await;
            assert_eq!(
                made.status, 201,
                "{job}: tell this test what to ask for: {}",
                made.text
            );
        }
        app.db.drain_allowing_failures(&app.state.registry).await;
        let after = rows(&app).await;
        for (table, was) in &before {
            assert_eq!(after.get(table), Some(was), "{table} has changed");
        }
    }
}
