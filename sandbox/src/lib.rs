//! The outside world in one process: a stateful fake Stripe with signed webhooks, a virtual clock,
//! faults, and an inspector that shows and moves all of it over HTTP.
//!
//! `memberd demo` and the black-box tests start it; production never does. One listener serves the
//! Stripe API under `/v1/` and the inspector beside it (`GET /` lists the routes). Everything that
//! looks like chance (ids, names, faults, chaos) comes from one seed.
//!
//! What it simplifies against the real Stripe: invoices are finalized and charged in the second of
//! their creation; price changes are settled at once (`proration_behavior=always_invoice`, or a
//! change of the interval) or not at all; payment methods decide nothing, the customer's
//! `metadata[sandbox_card]` (`fails`, `missing`) says what charging does; every change of an
//! object is told by an event, also where Stripe stays silent. `docs/sandbox.md` says more, and how
//! its fidelity is checked.

// `json!` of Stripe's widest objects needs more than the default depth.
#![recursion_limit = "256"]

mod account;
mod clock;
mod faults;
mod form;
mod ids;
mod inspector;
mod kind;
mod log;
mod net;
mod scenario;
pub mod signature;
mod state;
mod stripe;
mod table;
mod webhooks;
mod world;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::{net::TcpListener, sync::mpsc::unbounded_channel, time::Instant};
pub use tokio_util::sync::CancellationToken;

pub use crate::{account::API_VERSION, webhooks::Chaos};
use crate::{
    account::Account,
    clock::Clock,
    faults::Faults,
    ids::Ids,
    log::Log,
    net::{CuttableListener, Switch},
    state::{Shared, State},
    webhooks::{Endpoint, Hooks, deliver},
};

/// How often due timers and half-full shuffle windows are looked after.
const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// How long an unused connection to the daemon is kept.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// What time the sandbox begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTime {
    /// Runs with real time, so many seconds ahead (negative: behind). Beginning behind and then
    /// advancing the clock gives members a history.
    Offset(i64),
    /// Stands still at this second since 1970 until it is advanced, so that the same requests give
    /// the same world, byte for byte.
    Frozen(i64),
}

/// An endpoint that receives an account's events.
#[derive(Debug, Clone)]
pub struct EndpointOptions {
    /// Where to, `http://…`.
    pub url: String,
    /// Signs the deliveries, `whsec_…`.
    pub secret: String,
}

/// A Stripe account.
#[derive(Debug, Clone)]
pub struct AccountOptions {
    /// `acct_…`
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The keys that open it, `sk_test_…`.
    pub secret_keys: Vec<String>,
    /// The account to which it is connected: that one's keys open it too, with `Stripe-Account`.
    pub platform: Option<String>,
    /// Where its events go.
    pub endpoints: Vec<EndpointOptions>,
}

/// How the sandbox begins.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides everything that looks like chance.
    pub seed: u64,
    /// What time it is.
    pub start: StartTime,
    /// The accounts; the first one is meant when an inspector request names none.
    pub accounts: Vec<AccountOptions>,
    /// What happens to deliveries on their way.
    pub chaos: Chaos,
}

impl Default for Options {
    /// Two accounts without endpoints, with the keys `sk_test_sandbox` and `sk_test_other`, and one that is connected
    /// to the first.
    fn default() -> Self {
        let account = |id: &str, name: &str, key: &str| AccountOptions {
            id: id.to_owned(),
            name: name.to_owned(),
            secret_keys: vec![key.to_owned()],
            platform: None,
            endpoints: Vec::new(),
        };
        let platform = account("acct_1SandboxFirst0001", "Sandbox", "sk_test_sandbox");
        let connected = AccountOptions {
            id: "acct_1SandboxCreator03".to_owned(),
            name: "Connected creator".to_owned(),
            secret_keys: Vec::new(),
            platform: Some(platform.id.clone()),
            endpoints: Vec::new(),
        };
        Self {
            seed: 1,
            start: StartTime::Offset(0),
            accounts: vec![
                platform,
                account(
                    "acct_1SandboxOther0002",
                    "Other organization",
                    "sk_test_other",
                ),
                connected,
            ],
            chaos: Chaos::default(),
        }
    }
}

/// Serves the sandbox on the listener until the token is cancelled; then everything it started is
/// over. Fails when the options contradict themselves or the HTTP client cannot be built.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (queue, deliveries) = unbounded_channel();
    let hooks = Hooks::new(options.seed, options.chaos, queue);
    let state = build(options, hooks, &site(&listener)?)?;
    let client = client()?;
    let shared = Arc::new(Shared::new(state, client, stop.clone()));
    shared
        .tasks
        .spawn(deliver::run(Arc::clone(&shared), deliveries));
    shared.tasks.spawn(housekeeping(Arc::clone(&shared)));
    let app =
        inspector::router(Arc::clone(&shared)).into_make_service_with_connect_info::<Switch>();
    let served = axum::serve(CuttableListener(listener), app)
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .await;
    stop.cancel();
    shared.tasks.close();
    shared.tasks.wait().await;
    served.context("the sandbox's listener failed")
}

/// The client that delivers.
fn client() -> anyhow::Result<reqwest::Client> {
    // reqwest wants a TLS provider even for plain http; somebody may have installed one already.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider is already installed");
    }
    reqwest::Client::builder()
        .pool_idle_timeout(IDLE_CONNECTION)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("could not build the HTTP client of the sandbox")
}

/// The address that checkout pages are linked by.
fn site(listener: &TcpListener) -> anyhow::Result<String> {
    let mut address = listener
        .local_addr()
        .context("the sandbox's listener has no address")?;
    if address.ip().is_unspecified() {
        // "Every address" is none to connect to.
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("http://{address}"))
}

fn build(options: Options, hooks: Hooks, site: &str) -> anyhow::Result<State> {
    let first = options
        .accounts
        .first()
        .context("`accounts` is empty: give at least one")?;
    let first_account = first.id.clone();
    let (mut accounts, mut keys) = (BTreeMap::new(), HashMap::new());
    for wanted in options.accounts {
        let mut account = Account::new(&wanted.id, &wanted.name, options.seed);
        site.clone_into(&mut account.site);
        account.platform = wanted.platform;
        for endpoint in wanted.endpoints {
            let id = account.ids.long("we_");
            let (url, secret, events) = (endpoint.url, endpoint.secret, vec!["*".to_owned()]);
            account.endpoints.push(Endpoint {
                id,
                url,
                secret,
                events,
                connect: false,
            });
        }
        for key in wanted.secret_keys {
            let taken = keys.insert(key, wanted.id.clone());
            anyhow::ensure!(
                taken.is_none(),
                "account {} repeats a secret key",
                wanted.id
            );
        }
        let taken = accounts.insert(wanted.id.clone(), account);
        anyhow::ensure!(
            taken.is_none(),
            "the account id {} is given twice",
            wanted.id
        );
    }
    Ok(State {
        clock: match options.start {
            StartTime::Offset(seconds) => Clock::system(seconds),
            StartTime::Frozen(second) => Clock::frozen(second),
        },
        accounts,
        first_account,
        keys,
        faults: Faults::new(options.seed),
        log: Log::default(),
        hooks,
        received: inspector::Received::default(),
        request_ids: Ids::new(options.seed, "requests"),
        timers_fired: 0,
        seed: options.seed,
    })
}

/// Lets time do its work also when nobody asks.
async fn housekeeping(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let mut state = shared.lock();
        state.run_due();
        state.hooks.send_stale_window(Instant::now());
    }
}
