//! A daemon's webhook routes over a database of their own, and what a test can do with them.

use axum::{
    body::{Body, to_bytes},
    http::{Request, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use memberd_jobs::{
    args,
    kernel::{db::Sql, ports::Organization},
    testing::{Engine, TestDb},
};
use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tower::ServiceExt as _;

use super::super::*;
use crate::api::{self, ApiState};

pub(super) const SECRET: &str = "whsec_ours";
pub(super) const NOW: Timestamp = memberd_jobs::testing::START;
pub(super) const LIMIT: usize = 4096;

const ADD: Sql = Sql::both("INSERT INTO organizations (id, name, created_at) VALUES ($1, $1, 0)");
const STORED: Sql = Sql::both("SELECT id, state FROM stripe_events ORDER BY id");

pub(super) struct World {
    pub(super) db: TestDb,
    pub(super) router: Router,
    pub(super) handle: PrometheusHandle,
    /// Metrics of this test alone, as long as it stays on its thread.
    _guard: LocalRecorderGuard<'static>,
}

impl World {
    /// Organizations `default` and `acme` with secrets, and `silent` with an empty one. Connected accounts: `joined`
    /// to `default`, `apart` to `acme`.
    pub(super) async fn new(db: TestDb) -> Self {
        for organization in ["acme", "silent"] {
            db.execute(ADD, args![organization]).await;
        }
        let organization = |(name, account): (&str, &str)| {
            let organization = Organization {
                name: name.to_owned(),
                account: account.to_owned(),
                has_stripe: true,
                key_number: name.len(),
                ..Organization::default()
            };
            (name.to_owned(), organization)
        };
        let names = [
            ("default", "acct_1"),
            ("acme", "acct_2"),
            ("silent", "acct_3"),
        ];
        let mut organizations: BTreeMap<_, _> = names.map(organization).into();
        for (id, platform) in [
            ("joined", "default"),
            ("sibling", "default"),
            ("apart", "acme"),
        ] {
            db.execute(ADD, args![id]).await;
            let connected = Organization {
                account: format!("acct_{id}"),
                connected: true,
                ..organizations[platform].clone()
            };
            organizations.insert(id.to_owned(), connected);
        }
        let db = db.with_settings(|it| it.organizations = organizations);
        Self::over(db, LIMIT)
    }

    /// The routes over a database that is ready.
    pub(super) fn over(db: TestDb, body_limit: usize) -> Self {
        let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let secrets = |list: &[&str]| list.iter().map(|text| SecretString::from(*text)).collect();
        let webhooks = routes(StripeIngest {
            env: db.env.clone(),
            secrets: [
                ("default".to_owned(), secrets(&["whsec_old", SECRET])),
                ("acme".to_owned(), secrets(&["whsec_acme"])),
                ("joined".to_owned(), secrets(&["whsec_joined"])),
                ("silent".to_owned(), secrets(&[""])),
            ]
            .into(),
            tolerance: signature::TOLERANCE,
            body_limit,
            readiness: Arc::default(),
        });
        let state = ApiState::new(db.env.clone(), Arc::default(), recorder.handle());
        let router = api::router_with(state, webhooks.with_state(()));
        Self {
            db,
            router,
            handle: recorder.handle(),
            _guard: metrics::set_default_local_recorder(recorder),
        }
    }

    pub(super) async fn send(&self, path: &str, signature: &str, body: impl Into<Body>) -> Seen {
        let request = Request::post(path)
            .header("stripe-signature", signature)
            .body(body.into())
            .unwrap();
        self.request(request).await
    }

    pub(super) async fn request(&self, request: Request<Body>) -> Seen {
        Seen::read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// Sends a signed body to the default organization.
    pub(super) async fn good(&self, body: &str) -> Seen {
        self.send(
            "/webhooks/stripe",
            &sign(SECRET, NOW, body.as_bytes()),
            body.to_owned(),
        )
        .await
    }

    pub(super) async fn stored(&self) -> Vec<(String, String)> {
        self.db.rows(STORED, &[]).await
    }

    #[track_caller]
    pub(super) fn counted(&self, outcome: &str, count: u32) {
        let text = self.handle.render();
        let line = format!("memberd_stripe_webhooks_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Seen {
    status: u16,
    kind: String,
    pub(super) retry_after: Option<String>,
    pub(super) body: Value,
}

impl Seen {
    async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, LIMIT).await.unwrap();
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .map(|it| it.to_str().unwrap().to_owned())
        };
        Self {
            status: parts.status.as_u16(),
            kind: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            body: serde_json::from_slice(&body).unwrap(),
        }
    }

    /// Whether by this request or by one before.
    #[track_caller]
    pub(super) fn is_stored(&self) {
        assert_eq!(self.status, 200, "{self:?}");
    }

    #[track_caller]
    pub(super) fn accepted(&self, outcome: &str) {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.body, json!({ "received": true, "outcome": outcome }));
    }

    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind, "application/problem+json");
        assert_eq!(self.body["code"], code);
        assert_eq!(self.body["status"], status);
        assert_eq!(
            self.body["type"],
            format!("https://github.com/memberd/memberd/blob/main/docs/errors.md#{code}")
        );
        assert!(
            ["detail", "title", "request_id"]
                .iter()
                .all(|name| self.body[name].is_string())
        );
    }
}

pub(super) fn sign(secret: &str, at: Timestamp, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{}.", at.seconds()).as_bytes());
    mac.update(body);
    let mac = hex::encode(mac.finalize().into_bytes());
    format!("t={},v1={mac}", at.seconds())
}

pub(super) fn event(id: &str, kind: &str, account: Option<&str>, livemode: bool) -> String {
    let mut event = json!({
        "id": id, "object": "event", "type": kind, "created": NOW.seconds() - 3,
        "livemode": livemode, "api_version": "2026-09-30.endive", "pending_webhooks": 1,
        "data": { "object": { "id": "x_1", "object": kind.rsplit_once('.').unwrap().0 } },
    });
    if let Some(account) = account {
        event["account"] = account.into();
    }
    event.to_string()
}

pub(super) fn customer(id: &str) -> String {
    event(id, "customer.updated", None, false)
}

/// Keeps everybody from storing events, as long as it is not released.
pub(super) enum Lock {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Lock {
    pub(super) async fn take(db: &TestDb) -> Self {
        match db.engine() {
            Engine::Sqlite => {
                let mut file = SqliteConnection::connect(&db.url()).await.unwrap();
                let begin = sqlx::query("BEGIN IMMEDIATE");
                begin.execute(&mut file).await.unwrap();
                Self::Sqlite(file)
            }
            Engine::Postgres => {
                let mut server = PgConnection::connect(&db.url()).await.unwrap();
                for step in ["BEGIN", "LOCK TABLE stripe_events"] {
                    sqlx::query(step).execute(&mut server).await.unwrap();
                }
                Self::Postgres(server)
            }
        }
    }

    pub(super) async fn release(&mut self) {
        match self {
            Self::Sqlite(file) => {
                sqlx::query("ROLLBACK").execute(file).await.unwrap();
            }
            Self::Postgres(server) => {
                sqlx::query("ROLLBACK").execute(server).await.unwrap();
            }
        }
    }
}
