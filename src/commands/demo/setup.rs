//! Everything before the processes start: ports, folder, configuration, database, keys.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use memberd_jobs::kernel::Chance;
use memberd_sandbox::AccountOptions;
use toml_edit::Value;

use super::{
    args::Args,
    folder::{CONFIG, Folder, MARK, write_private},
    keys::Keys,
    store::{self, DEMO_NAME, sqlite_url},
};
use crate::{
    commands::Failure,
    config::{self, DEFAULT_ORGANIZATION, Migrate, Sources},
    runtime::wiring,
};

/// The first organization, in which the demo plays.
pub(super) const DEFAULT: &str = DEFAULT_ORGANIZATION;
/// The second one, which shows that they are separate.
pub(super) const OTHER: &str = "other";
/// Where the API is, unless told otherwise.
const PORT: u16 = 7171;
/// Where the sandbox is, unless told otherwise.
const SANDBOX_PORT: u16 = 7274;
/// Requests a second to the sandbox, whose own limit is lifted: the demo waits for work, not for budgets.
const STRIPE_RATE: u32 = 1_000;
/// Random bytes of a signing secret.
const SECRET_BYTES: usize = 24;

/// An organization and its Stripe account.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    /// The organization's id.
    pub(super) organization: &'static str,
    /// `acct_…`
    pub(super) account: String,
    /// Opens the account.
    pub(super) stripe_key: String,
    /// Signs its webhooks.
    pub(super) webhook_secret: String,
    /// Where they go.
    pub(super) webhook_path: &'static str,
}

/// Everything that stands before the processes start.
#[derive(Debug)]
pub(super) struct Stage {
    /// Its files.
    pub(super) folder: Folder,
    /// The daemon's configuration.
    pub(super) config: PathBuf,
    /// The daemon's address.
    pub(super) api: SocketAddr,
    /// The sandbox's address.
    pub(super) sandbox: SocketAddr,
    /// The organizations: [`DEFAULT`], then [`OTHER`].
    pub(super) tenants: [Tenant; 2],
    /// The keys.
    pub(super) keys: Keys,
    /// What `--set` changes in it.
    pub(super) set: Vec<(String, String)>,
    /// `SQLite` or `PostgreSQL`, for people.
    pub(super) database: &'static str,
}

impl Stage {
    /// Sets it.
    ///
    /// # Errors
    /// A port or folder that is taken, a database that is not empty.
    pub(super) async fn set(
        args: &Args,
        set: &[(String, String)],
        chance: &Chance,
    ) -> Result<Self, Failure> {
        let api = address(args, args.port, PORT, "--port")?;
        let sandbox = address(args, args.sandbox_port, SANDBOX_PORT, "--sandbox-port")?;
        let tenants = tenants(chance)?;
        let folder =
            Folder::prepare(args.data.as_deref(), chance).map_err(|error| usage(&error))?;
        let built = Self::build(args, set, &folder, [api, sandbox], tenants, &random(chance)).await;
        if built.is_err() {
            folder.remove()?;
        }
        built
    }

    async fn build(
        args: &Args,
        set: &[(String, String)],
        folder: &Folder,
        [api, sandbox]: [SocketAddr; 2],
        tenants: [Tenant; 2],
        key: &str,
    ) -> Result<Self, Failure> {
        let url = match &args.database {
            None => sqlite_url(&folder.file("memberd.db")),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                store::empty(url, &folder.path)
                    .await
                    .map_err(|error| usage(&error))?;
                url.clone()
            }
            Some(_) => {
                let text = "--database takes postgres://USER:PASSWORD@HOST/NAME; without it the demo uses SQLite";
                return Err(Failure::new(Failure::USAGE, text));
            }
        };
        let config = folder.file(CONFIG);
        write_private(&config, &configuration(api, sandbox, &url, &tenants, key))?;
        let sources = Sources {
            file: Some(config.clone()),
            flags: set.to_vec(),
            ..Sources::default()
        };
        let loaded = config::load(&sources)?;
        let env = wiring::env_or_new(&loaded.config).await?;
        wiring::prepare(&env, Migrate::Auto).await?;
        let keys = Keys::make(&env).await?;
        env.db.close().await;
        if let Some(file) = &args.keys_out {
            write_private(file, &keys.shell())?;
        }
        Ok(Self {
            folder: folder.clone(),
            config,
            api,
            sandbox,
            tenants,
            keys,
            set: set.to_vec(),
            database: if args.database.is_some() {
                "PostgreSQL"
            } else {
                "SQLite"
            },
        })
    }
}

fn usage(error: &anyhow::Error) -> Failure {
    Failure::new(Failure::USAGE, format!("{error:#}"))
}

/// The address for one of the processes, if nobody else has it.
fn address(
    args: &Args,
    wanted: Option<u16>,
    usual: u16,
    flag: &str,
) -> Result<SocketAddr, Failure> {
    let port = wanted.unwrap_or(if args.once { 0 } else { usual });
    let address = SocketAddr::new(args.listen, port);
    let tried = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    tried.map_err(|error| {
        let text = format!(
            "cannot listen on {address} ({error}): another demo may be running; choose another port with {flag}"
        );
        Failure::new(Failure::USAGE, text)
    })
}

/// The accounts that the sandbox opens by itself, with new signing secrets.
fn tenants(chance: &Chance) -> anyhow::Result<[Tenant; 2]> {
    let accounts = memberd_sandbox::Options::default().accounts;
    let [first, second, ..] = accounts.as_slice() else {
        bail!("the sandbox does not open two accounts");
    };
    Ok([
        tenant(DEFAULT, "/webhooks/stripe", first, chance)?,
        tenant(OTHER, "/webhooks/stripe/other", second, chance)?,
    ])
}

fn tenant(
    organization: &'static str,
    webhook_path: &'static str,
    account: &AccountOptions,
    chance: &Chance,
) -> anyhow::Result<Tenant> {
    let key = account.secret_keys.first();
    Ok(Tenant {
        organization,
        account: account.id.clone(),
        stripe_key: key.context("an account of the sandbox has no key")?.clone(),
        webhook_secret: format!("whsec_{}", random(chance)),
        webhook_path,
    })
}

/// A new secret.
fn random(chance: &Chance) -> String {
    let mut secret = [0; SECRET_BYTES];
    chance.fill(&mut secret);
    hex::encode(secret)
}

/// The daemon's configuration: only what differs from the default. The secrets of webhook endpoints are made from `key`,
/// and events may be sent to this machine.
fn configuration(
    api: SocketAddr,
    sandbox: SocketAddr,
    url: &str,
    tenants: &[Tenant; 2],
    key: &str,
) -> String {
    let [first, second] = tenants;
    let stripe = |tenant: &Tenant| {
        format!(
            "secret_key = {}\nwebhook_secrets = [{}]\naccount = {}\napi_base = {}\nrate_limit = {STRIPE_RATE}",
            quoted(&tenant.stripe_key),
            quoted(&tenant.webhook_secret),
            quoted(&tenant.account),
            quoted(&format!("http://{}/", reachable(sandbox))),
        )
    };
    format!(
        "{MARK}\n\n\
         [server]\nlisten = {}\npublic_url = {}\n\n\
         [database]\nurl = {}\n\n\
         [node]\nid = \"demo\"\n\n\
         [log]\nformat = \"human\"\n\n\
         [webhooks_out]\nkeys = [{}]\nallow_subnets = [\"127.0.0.0/8\", \"::1\"]\nhttps_only = false\n\n\
         [stripe]\n{}\n\n\
         [organizations.{DEFAULT}]\nname = {}\n\n\
         [organizations.{OTHER}]\nname = \"Other organization\"\n\n\
         [organizations.{OTHER}.stripe]\n{}\n",
        quoted(&api.to_string()),
        quoted(&format!("http://{}", reachable(api))),
        quoted(url),
        quoted(key),
        stripe(first),
        quoted(DEMO_NAME),
        stripe(second),
    )
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// An address to connect to for one to listen on: "every address" is none.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_configuration_reads_back() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(CONFIG);
        let tenants = tenants(&Chance::seeded(1)).unwrap();
        let [api, sandbox] = [([127, 0, 0, 1], 7171), ([127, 0, 0, 1], 7274)].map(SocketAddr::from);
        let text = configuration(api, sandbox, "sqlite:/tmp/a \"b\".db", &tenants, KEY);
        write_private(&file, &text).unwrap();
        let sources = Sources {
            file: Some(file),
            ..Sources::default()
        };
        let loaded = config::load(&sources).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let config = loaded.config;
        assert_eq!(config.server.listen, api);
        assert_eq!(
            config.database.url.expose_secret(),
            "sqlite:/tmp/a \"b\".db"
        );
        for tenant in &tenants {
            let stripe = &config.organizations[tenant.organization].stripe;
            assert_eq!(stripe.api_base.as_str(), "http://127.0.0.1:7274/");
            assert_eq!(stripe.account.as_deref(), Some(tenant.account.as_str()));
            assert_eq!(
                stripe.webhook_secrets[0].expose_secret(),
                tenant.webhook_secret
            );
        }
        assert_eq!(config.webhooks_out.keys[0].expose_secret(), KEY);
        assert_eq!(config.organizations[DEFAULT].name, DEMO_NAME);
        assert_ne!(tenants[0].webhook_secret, tenants[1].webhook_secret);
    }
}
