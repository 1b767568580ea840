//! The world around the daemon: a sandbox, a database, and keys for the API.

use std::{path::Path, sync::Arc};

use memberd_jobs::{
    access::{self, NewKey, Scopes},
    kernel::{Clock, Env, SystemClock},
    testing::{Engine, Server, TestDb},
};
use memberd_sandbox::{CancellationToken, Options, serve};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::{Answer, Daemon, Node, http, store, wait::within, webhook};

/// The account of the organization `default`.
pub(crate) const ACCOUNT: &str = "acct_1SandboxFirst0001";
/// The account of the organization `other`.
pub(crate) const OTHER_ACCOUNT: &str = "acct_1SandboxOther0002";
/// The account that is connected to that of `default`.
pub(crate) const CONNECTED_ACCOUNT: &str = "acct_1SandboxCreator03";
/// Requests a second that the fake Stripe takes and the daemon sends; budgets are tested where they matter.
const RATE: u64 = 100_000;
/// How long a big world may take to arrive.
pub(crate) const LONG_PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);

/// Sandbox, database and keys of one test.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) http: reqwest::Client,
    /// Of `default`, with every scope.
    pub(crate) key: String,
    /// Of `other`, with every scope.
    pub(crate) other_key: String,
    pub(crate) db: TestDb,
    base: String,
    folder: TempDir,
    sandbox: CancellationToken,
}

impl World {
    /// With a SQLite file.
    pub(crate) async fn sqlite() -> Self {
        Self::new(Engine::Sqlite).await
    }

    /// With a database of the test server.
    pub(crate) async fn postgres() -> Self {
        Self::new(Engine::Postgres).await
    }

    /// With a database of a server that the test may stop.
    pub(crate) async fn on(server: &Server) -> Self {
        Self::around(TestDb::on(server).await).await
    }

    /// With either.
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::around(TestDb::new(engine).await).await
    }

    async fn around(mut db: TestDb) -> Self {
        // The daemon lives in real time, so whatever is made in its database beforehand does too.
        db.env.clock = Arc::new(SystemClock) as Arc<dyn Clock>;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let sandbox = CancellationToken::new();
        TaskTracker::new().spawn(serve(listener, Options::default(), sandbox.clone()));
        let world = Self {
            http: http::client(),
            key: key(&db.env, "default").await,
            other_key: key(&db.env, "other").await,
            db,
            base,
            folder: tempfile::Builder::new()
                .prefix("memberd-flow-")
                .tempdir()
                .unwrap(),
            sandbox,
        };
        let limits = json!({"read_per_second": RATE, "write_per_second": RATE});
        world.inspect("/stripe/limits", &limits).await;
        world
    }

    /// The folder of configurations and logs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A daemon that runs, and to which both accounts send their events.
    pub(crate) async fn daemon(&self) -> Daemon {
        self.daemon_with(Node::default()).await
    }

    /// The same with another configuration.
    pub(crate) async fn daemon_with(&self, node: Node) -> Daemon {
        let mut daemon = Daemon::prepare(self, node);
        daemon.up().await;
        self.deliver_to(&daemon).await;
        daemon
    }

    /// Another daemon on the same database. Webhooks go where they went.
    pub(crate) async fn second_daemon(&self, node: Node) -> Daemon {
        let mut daemon = Daemon::prepare(self, node);
        daemon.up().await;
        daemon
    }

    /// Makes the accounts send their events to the daemon.
    pub(crate) async fn deliver_to(&self, daemon: &Daemon) {
        let endpoints = [
            (ACCOUNT, "/webhooks/stripe", webhook::SECRET),
            (
                OTHER_ACCOUNT,
                "/webhooks/stripe/other",
                webhook::OTHER_SECRET,
            ),
        ];
        for (account, path, secret) in endpoints {
            let endpoint = json!({"account": account, "url": daemon.url(path), "secret": secret});
            self.inspect("/stripe/webhook_endpoints", &endpoint).await;
        }
    }

    /// The configuration of a daemon on this port.
    pub(crate) fn configuration(&self, port: u16) -> String {
        format!(
            r#"[server]
listen = "127.0.0.1:{port}"
[database]
url = "{database}"
[node]
lease = "5s"
[log]
format = "human"
filter = "info,memberd=debug,memberd_jobs=debug"
[shutdown]
timeout = "15s"
[stripe]
secret_key = "sk_test_sandbox"
webhook_secrets = ["{secret}"]
api_base = "{base}"
rate_limit = 1000
timeout = "5s"
[organizations.other.stripe]
secret_key = "sk_test_other"
webhook_secrets = ["{other_secret}"]
"#,
            database = self.db.url(),
            secret = webhook::SECRET,
            other_secret = webhook::OTHER_SECRET,
            base = self.base,
        )
    }

    /// A request to the fake Stripe for the first account; a form makes it a POST.
    pub(crate) async fn stripe(&self, method: &str, path: &str, form: &str) -> Value {
        self.stripe_as("sk_test_sandbox", method, path, form).await
    }

    /// The same with another account's key.
    pub(crate) async fn stripe_as(&self, key: &str, method: &str, path: &str, form: &str) -> Value {
        let request = self.request(key, method, path, form);
        Answer::to(request).await.unwrap().ok()
    }

    /// The same for the connected account, with its platform's key.
    pub(crate) async fn stripe_connected(&self, method: &str, path: &str, form: &str) -> Value {
        let request = self.request("sk_test_sandbox", method, path, form);
        let request = request.header("stripe-account", CONNECTED_ACCOUNT);
        Answer::to(request).await.unwrap().ok()
    }

    fn request(&self, key: &str, method: &str, path: &str, form: &str) -> RequestBuilder {
        self.http
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
            .bearer_auth(key)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned())
    }

    /// POST to the sandbox's inspector.
    pub(crate) async fn inspect(&self, path: &str, body: &Value) -> Value {
        // A scenario answers when it has been played to its end, which outlasts usual requests.
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .timeout(LONG_PATIENCE)
            .body(body.to_string());
        Answer::to(request).await.unwrap().ok()
    }

    /// GET from the sandbox's inspector.
    pub(crate) async fn look(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.base));
        Answer::to(request).await.unwrap().ok()
    }

    /// Adds a fault.
    pub(crate) async fn fault(&self, fault: &Value) {
        self.inspect("/faults", fault).await;
    }

    /// Ends all faults.
    pub(crate) async fn clear_faults(&self) {
        let request = self.http.delete(format!("{}/faults", self.base));
        Answer::to(request).await.unwrap().ok();
    }

    /// A product, a monthly price, a customer and a subscription at the fake Stripe.
    pub(crate) async fn subscriber(&self, email: &str) -> Subscriber {
        let product = http::id(&self.stripe("POST", "/v1/products", "name=Paper").await);
        let form =
            format!("product={product}&currency=eur&unit_amount=1250&recurring[interval]=month");
        let price = http::id(&self.stripe("POST", "/v1/prices", &form).await);
        let form = format!("email={email}&name=Ada+Lovelace");
        let customer = http::id(&self.stripe("POST", "/v1/customers", &form).await);
        let form = format!("customer={customer}&items[0][price]={price}&items[0][quantity]=2");
        let subscription = http::id(&self.stripe("POST", "/v1/subscriptions", &form).await);
        Subscriber {
            product,
            customer,
            subscription,
        }
    }

    /// Waits until the sandbox has no delivery under way any more and all jobs are done.
    pub(crate) async fn settled(&self) {
        within(LONG_PATIENCE, "all events delivered", async || {
            let counts = self.look("/stripe/deliveries").await;
            (counts["pending"] == 0).then_some(())
        })
        .await;
        self.idle().await;
    }

    /// Waits until no job is left, not even one that is put off.
    pub(crate) async fn idle(&self) {
        within(LONG_PATIENCE, "no job left", async || {
            (store::left(&self.db.env.db).await == 0).then_some(())
        })
        .await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.sandbox.cancel();
    }
}

/// What [`World::subscriber`] made.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) product: String,
    pub(crate) customer: String,
    pub(crate) subscription: String,
}

/// A key with every scope, of an organization that is made when it is not there.
async fn key(env: &Env, organization: &str) -> String {
    let mut tx = env.db.begin().await.unwrap();
    let now = env.now();
    access::ensure_organization(&mut tx, organization, organization, now)
        .await
        .unwrap();
    let new = NewKey {
        organization,
        name: "test",
        scopes: &Scopes::all(),
        expires_at: None,
        live: false,
        unlimited: true,
        creator: None,
    };
    let (_, key) = access::create_key(&mut tx, env, &new).await.unwrap();
    tx.commit().await.unwrap();
    key.reveal()
}
