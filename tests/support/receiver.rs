//! A server that hears of memberd's events, and answers as a test says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use memberd::webhooks_out::signature::{Headers, ID, SIGNATURE, Secret, TIMESTAMP};
use memberd_jobs::kernel::{Clock as _, SystemClock};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use super::Node;

/// What one attempt brought.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Where it came to.
    pub(crate) path: String,
    /// `webhook-id`
    pub(crate) id: String,
    timestamp: String,
    signature: String,
    body: Bytes,
    /// What was answered.
    pub(crate) status: u16,
}

impl Heard {
    /// The body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The event's type.
    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Whether it is signed with this secret, now.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let headers = Headers {
            id: &self.id,
            timestamp: &self.timestamp,
            signature: &self.signature,
        };
        Secret::parse(secret)
            .unwrap()
            .verify(&headers, &self.body, SystemClock.now())
            .is_ok()
    }
}

#[derive(Debug, Default)]
struct Script {
    heard: Vec<Heard>,
    /// Answers to the next attempts; 204 after them.
    next: VecDeque<u16>,
    slow: Duration,
}

/// The server; it ends with the test.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    _server: JoinSet<()>,
}

impl Receiver {
    /// Starts it; everything is answered with 204.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::<Mutex<Script>>::default();
        let router = Router::new().fallback(hear).with_state(Arc::clone(&script));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            script,
            _server: server,
        }
    }

    /// Its URL for a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A daemon that may send to it.
    pub(crate) fn node() -> Node {
        Node::default().roles("api,worker").toml(
            "[webhooks_out]\nkeys = [\"0123456789abcdef0123456789abcdef\"]\nallow_subnets = [\"127.0.0.0/8\"]\nhttps_only = false\n",
        )
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// The next attempt that has no other answer yet gets this one.
    pub(crate) fn answer_next(&self, status: u16) {
        self.script().next.push_back(status);
    }

    /// Every answer takes so long.
    pub(crate) fn be_slow(&self, time: Duration) {
        self.script().slow = time;
    }

    /// All it has heard, in order.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.script().heard.clone()
    }

    /// All it has heard since the last look.
    pub(crate) fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.script().heard)
    }
}

async fn hear(
    State(script): State<Arc<Mutex<Script>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (status, slow) = {
        let mut script = script.lock().unwrap();
        let status = script.next.pop_front().unwrap_or(204);
        let heard = Heard {
            path: uri.path().to_owned(),
            id: header(ID),
            timestamp: header(TIMESTAMP),
            signature: header(SIGNATURE),
            body,
            status,
        };
        script.heard.push(heard);
        (status, script.slow)
    };
    tokio::time::sleep(slow).await;
    StatusCode::from_u16(status).unwrap()
}
