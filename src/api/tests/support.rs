//! A router over a fresh SQLite file, a clock that stands still, and keys.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use memberd_jobs::{
    access::{self, NewKey, Scope, Scopes},
    kernel::{
        Context, Job, JobDef, JobResult, Registry, Report, TestClock, Unique,
        outbox::{self, NewJob},
    },
    testing::TestDb,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;

use crate::api::{ApiState, router};

/// A job for tests, with a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nap {
    pub(super) key: String,
}

impl Job for Nap {
    const KIND: &'static str = "test.nap";
    const ABOUT: &'static str = "Does nothing.";
    const UNIQUE: Unique = Unique::Waiting;

    fn unique_key(&self) -> Option<String> {
        Some(self.key.clone())
    }

    async fn run(&self, _cx: &Context) -> JobResult {
        Ok(Report::none())
    }
}

/// The API in a test.
pub(super) struct App {
    pub(super) state: ApiState,
    pub(super) clock: Arc<TestClock>,
    router: Router,
    pub(super) db: TestDb,
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    /// Checks that this is a problem in full form, and answers its code.
    pub(super) fn code(&self) -> String {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(
            problem["request_id"],
            self.headers["x-request-id"].to_str().unwrap()
        );
        for field in ["type", "title", "detail"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl App {
    pub(super) async fn new() -> Self {
        Self::on(TestDb::sqlite().await).await
    }

    /// The same on either database.
    pub(super) async fn on(db: TestDb) -> Self {
        let env = db.env.clone();
        let mut tx = env.db.begin().await.unwrap();
        access::ensure_organization(&mut tx, "other", "Other", env.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let registry = Arc::new(Registry::of(memberd_jobs::FAMILIES).with(JobDef::of::<Nap>()));
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let state = ApiState::new(env, registry, metrics);
        Self {
            router: router(state.clone()),
            state,
            clock: db.clock.clone(),
            db,
        }
    }

    /// The same app with other limits or routes.
    pub(super) fn rebuild(&mut self, router: Router) {
        self.router = router;
    }

    /// Waits until what requests have left to small tasks is done.
    pub(super) async fn settle(&self) {
        let tasks = &self.state.tasks;
        while !tasks.is_empty() {
            tasks.close();
            tasks.wait().await;
            tasks.reopen();
        }
    }

    /// A key of an organization with these scopes.
    pub(super) async fn key(&self, organization: &str, scopes: &[Scope]) -> String {
        let env = &self.state.env;
        let scopes: Scopes = scopes.iter().copied().collect();
        let new = NewKey {
            organization,
            name: "test",
            scopes: &scopes,
            expires_at: None,
            live: false,
            unlimited: false,
            creator: None,
        };
        let mut tx = env.db.begin().await.unwrap();
        let (_, key) = access::create_key(&mut tx, env, &new).await.unwrap();
        tx.commit().await.unwrap();
        key.reveal()
    }

    /// A key of the organization `default` with every scope.
    pub(super) async fn admin(&self) -> String {
        self.key("default", &Scope::ALL).await
    }

    /// Enqueues a [`Nap`] and answers its id.
    pub(super) async fn nap(&self, organization: &str, key: &str) -> String {
        let env = &self.state.env;
        let job = NewJob::of(
            organization,
            &Nap {
                key: key.to_owned(),
            },
        )
        .unwrap();
        let mut tx = env.db.begin().await.unwrap();
        let enqueued = outbox::enqueue(&mut tx, env, job).await.unwrap();
        tx.commit().await.unwrap();
        enqueued.id
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answered {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> Answered {
        self.send(request(Method::GET, path, key).body(Body::empty()).unwrap())
            .await
    }

    pub(super) async fn delete(&self, key: &str, path: &str) -> Answered {
        let request = request(Method::DELETE, path, key);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A POST without a body.
    pub(super) async fn act(&self, key: &str, path: &str) -> Answered {
        let request = request(Method::POST, path, key);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn write(
        &self,
        method: Method,
        key: &str,
        path: &str,
        body: &Value,
    ) -> Answered {
        let request = request(method, path, key).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    pub(super) async fn post(&self, key: &str, path: &str, body: &Value) -> Answered {
        self.write(Method::POST, key, path, body).await
    }
}

/// A request with a key; an empty key sends none.
pub(super) fn request(method: Method, path: &str, key: &str) -> axum::http::request::Builder {
    let builder = Request::builder().method(method).uri(path);
    if key.is_empty() {
        builder
    } else {
        builder.header(header::AUTHORIZATION, format!("Bearer {key}"))
    }
}
