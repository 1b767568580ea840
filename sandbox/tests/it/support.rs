//! A running sandbox, a client for it, and a receiver for its webhooks.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use memberd_sandbox::{CancellationToken, Options, StartTime, serve};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::task::TaskTracker;

/// 2026-10-01T00:00:00Z
pub(crate) const START: i64 = 1_790_812_800;
pub(crate) const DAY: u64 = 86_400;
const STEP: u64 = 20 * DAY;
pub(crate) const KEY: &str = "sk_test_sandbox";
pub(crate) const OTHER_KEY: &str = "sk_test_other";
const DEADLINE: Duration = Duration::from_secs(20);

/// A sandbox with a clock that stands still until it is advanced.
pub(crate) struct Sandbox {
    pub(crate) base: String,
    pub(crate) client: reqwest::Client,
    /// All events so far: the sandbox forgets them after 30 virtual days.
    recorded: Mutex<Vec<(String, Value)>>,
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

/// An answer with what tests look at.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The answer's JSON when it is a success; panics with the answer otherwise.
    pub(crate) fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.json
        );
        self.json
    }

    pub(crate) fn error(&self) -> (u16, &str, &str) {
        let error = &self.json["error"];
        let text = |field: &str| error[field].as_str().unwrap_or_default();
        (self.status, text("code"), text("param"))
    }
}

pub(crate) async fn start() -> Sandbox {
    start_with(Options {
        start: StartTime::Frozen(START),
        ..Options::default()
    })
    .await
}

pub(crate) async fn start_with(options: Options) -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let served = TaskTracker::new().spawn(serve(listener, options, stop.clone()));
    // Fails when another test was quicker, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sandbox = Sandbox {
        base,
        client,
        recorded: Mutex::default(),
        stop,
        served,
    };
    // Budgets are tested where they are wanted.
    sandbox
        .post_json(
            "/stripe/limits",
            &json!({"read_per_second": 100_000, "write_per_second": 100_000}),
        )
        .await
        .ok();
    sandbox
}

impl Sandbox {
    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn try_send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer {
            status,
            headers,
            json,
        })
    }

    /// A request of the API with a key and a form.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        key: &str,
        form: &str,
    ) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(key);
        if form.is_empty() {
            request
        } else {
            request.body(form.to_owned())
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, KEY, "")).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        self.send(self.request("POST", path, KEY, form)).await
    }

    pub(crate) async fn post_keyed(&self, path: &str, form: &str, key: &str) -> Answer {
        self.send(
            self.request("POST", path, KEY, form)
                .header("idempotency-key", key),
        )
        .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path, KEY, "")).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(
            self.client
                .post(format!("{}{path}", self.base))
                .body(body.to_string()),
        )
        .await
    }

    /// Moves the clock, in steps short enough to see every event.
    pub(crate) async fn advance(&self, seconds: u64) -> Value {
        let mut left = seconds;
        while left > STEP {
            self.advance_at_once(STEP).await;
            self.record().await;
            left -= STEP;
        }
        self.advance_at_once(left).await
    }

    pub(crate) async fn advance_at_once(&self, seconds: u64) -> Value {
        self.post_json("/clock", &json!({ "advance_seconds": seconds }))
            .await
            .ok()
    }

    async fn record(&self) {
        let last = self
            .recorded
            .lock()
            .unwrap()
            .last()
            .map(|(_, event)| id(event));
        let after = last.map_or(String::new(), |last| format!("&after={last}"));
        let page = self
            .get(&format!("/stripe/truth?type=event&limit=10000{after}"))
            .await
            .ok();
        let events = page["data"].as_array().unwrap().clone();
        let named = |event: Value| (event["type"].as_str().unwrap().to_owned(), event);
        self.recorded
            .lock()
            .unwrap()
            .extend(events.into_iter().map(named));
    }

    /// A product with a monthly price; answers the price's id.
    pub(crate) async fn price(&self, amount: i64, interval: &str) -> String {
        let product = self.post("/v1/products", "name=Paper").await.ok();
        let form = format!(
            "product={}&currency=usd&unit_amount={amount}&recurring[interval]={interval}",
            id(&product)
        );
        id(&self.post("/v1/prices", &form).await.ok())
    }

    pub(crate) async fn customer(&self, form: &str) -> String {
        id(&self.post("/v1/customers", form).await.ok())
    }

    pub(crate) async fn subscribe(&self, customer: &str, price: &str, more: &str) -> Value {
        let form = format!("customer={customer}&items[0][price]={price}{more}");
        self.post("/v1/subscriptions", &form).await.ok()
    }

    /// All events, oldest first, as `(type, event)`.
    pub(crate) async fn events(&self) -> Vec<(String, Value)> {
        self.record().await;
        self.recorded.lock().unwrap().clone()
    }

    /// The types of the events after the first `skip`.
    pub(crate) async fn event_types(&self, skip: usize) -> Vec<String> {
        self.events()
            .await
            .into_iter()
            .skip(skip)
            .map(|(kind, _)| kind)
            .collect()
    }

    /// Everything in the first account.
    pub(crate) async fn truth(&self) -> String {
        let mut all = String::new();
        for kind in [
            "customer",
            "product",
            "price",
            "subscription",
            "invoice",
            "event",
        ] {
            all.push_str(
                &self
                    .get(&format!("/stripe/truth?type={kind}&limit=10000"))
                    .await
                    .ok()
                    .to_string(),
            );
        }
        all
    }

    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.served)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

pub(crate) fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(id).collect()
}

/// Asks again until the answer fits, or fails after the deadline.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let give_up = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < give_up, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a daemon would receive.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    got: Arc<Mutex<Vec<(String, Bytes)>>>,
    /// Statuses to answer first; 200 afterwards.
    refuse: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    /// Listens; answers the URL.
    pub(crate) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/webhooks/stripe", post(receive))
            .with_state(self.clone());
        TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        url
    }

    pub(crate) fn refuse_first(&self, statuses: &[u16]) {
        *self.refuse.lock().unwrap() = statuses.to_vec();
    }

    /// Signature header and body of each delivery, in order of arrival.
    pub(crate) fn got(&self) -> Vec<(String, Bytes)> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn event_ids(&self) -> Vec<String> {
        let parse = |body: &Bytes| id(&serde_json::from_slice(body).unwrap());
        self.got().iter().map(|(_, body)| parse(body)).collect()
    }

    pub(crate) async fn wait_for(&self, count: usize) {
        until("enough deliveries", || async {
            (self.got().len() >= count).then_some(())
        })
        .await;
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
    receiver.got.lock().unwrap().push((signature, body));
    let mut refuse = receiver.refuse.lock().unwrap();
    if refuse.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::from_u16(refuse.remove(0)).unwrap()
    }
}
