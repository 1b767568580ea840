//! A server that hears of memberd's events, and answers as a test says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use memberd::webhooks_out::signature::{Headers, ID, SIGNATURE, Secret, TIMESTAMP};
use memberd_jobs::kernel::{Clock as _, SystemClock};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use super::{Node, until};

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
    /// Each answer takes one of its permits; closed, it holds nobody.
    gate: Option<Arc<Semaphore>>,
    /// Attempts that wait for their answer.
    held: usize,
    /// Connections.
    open: usize,
}

type Shared = Arc<Mutex<Script>>;

/// Counts as long as it lives.
struct Counted {
    script: Shared,
    what: fn(&mut Script) -> &mut usize,
}

impl Counted {
    fn new(script: &Shared, what: fn(&mut Script) -> &mut usize) -> Self {
        *what(&mut script.lock().unwrap()) += 1;
        Self {
            script: Arc::clone(script),
            what,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Ok(mut script) = self.script.lock() {
            *(self.what)(&mut script) -= 1;
        }
    }
}

/// The server; it ends with the test.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    script: Shared,
    _server: JoinSet<()>,
}

impl Receiver {
    /// Starts it; everything is answered with 204.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Shared::default();
        let router = Router::new()
            .route("/are-you-there", get(async || "yes"))
            .fallback(hear)
            .with_state(Arc::clone(&script));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, router, Arc::clone(&script)));
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

    /// From now on nobody is answered before [`Receiver::answer`].
    pub(crate) fn hold(&self) {
        self.script().gate = Some(Arc::new(Semaphore::new(0)));
    }

    /// Answers so many of those who are held, or come.
    pub(crate) fn answer(&self, count: usize) {
        let gate = self.script().gate.clone();
        gate.expect("nobody is held").add_permits(count);
    }

    /// Answers everybody again.
    pub(crate) fn let_go(&self) {
        let gate = self.script().gate.take();
        gate.expect("nobody is held").close();
    }

    /// How many wait for their answers.
    pub(crate) fn held(&self) -> usize {
        self.script().held
    }

    /// Waits until everything that a dead process has sent was heard: its connections are closed then, and who comes after
    /// them in the line was answered.
    pub(crate) async fn has_heard_the_dead(&self) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = client.get(self.url("/are-you-there")).send().await.unwrap();
        assert_eq!(asked.text().await.unwrap(), "yes");
        drop(client);
        until("no connection open", async || {
            (self.script().open == 0).then_some(())
        })
        .await;
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

async fn serve(listener: TcpListener, router: Router, script: Shared) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _): (TcpStream, SocketAddr) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        let open = Counted::new(&script, |script| &mut script.open);
        connections.spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new());
            // One that breaks off is what the tests are about.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
            drop(open);
        });
    }
}

async fn hear(
    State(script): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (status, gate) = {
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
        (status, script.gate.clone())
    };
    if let Some(gate) = gate {
        let _held = Counted::new(&script, |script| &mut script.held);
        if let Ok(permit) = gate.acquire().await {
            permit.forget();
        }
    }
    StatusCode::from_u16(status).unwrap()
}
