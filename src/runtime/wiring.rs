//! The one place where the configuration becomes the world of the jobs and where adapters meet ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use memberd_jobs::{
    FAMILIES, access,
    kernel::{
        CatchUp, Chance, Clock, Env, Registry, Settings, SystemClock,
        db::{self, Db, Plans},
        ports::{Organization, Receivers, Stripe},
        queue::{Queue, lease::Node, schedules::Wanted},
    },
};
use secrecy::ExposeSecret as _;

use super::health::Readiness;
use crate::{
    config::{self, Config, Migrate, Role},
    queue::Options,
    stripe::{Account, StripeClient},
    webhooks_out::{self, Addresses, Keys, Sender, SystemNames},
};

/// The leases need one connection, and one more while a broken one is replaced.
const LEASE_CONNECTIONS: u32 = 2;

/// Rounds are short, so that few connections serve all lanes.
const LANE_CONNECTIONS: u32 = 3;

/// Webhooks must be answered while every other connection is busy with jobs.
const INGEST_CONNECTIONS: u32 = 4;

/// All job kinds and schedules of this binary.
pub fn registry() -> Registry {
    Registry::of(FAMILIES)
}

/// Opens the database, which must be there, and builds the world of the jobs. The schema is not looked at.
///
/// # Errors
/// When there is no database, it cannot be opened, or the operating system gives no randomness.
pub async fn env(config: &Config) -> anyhow::Result<Env> {
    // A command in the wrong folder must not make a second, empty installation.
    if let Some(file) = sqlite_file(config).filter(|file| !file.exists()) {
        let file = std::path::absolute(&file).unwrap_or(file);
        return Err(db::Error::NoDatabase(file.display().to_string()).into());
    }
    env_or_new(config).await
}

/// Like [`env()`], but looks at an empty database in memory where SQLite's file is not there.
///
/// # Errors
/// When the database cannot be opened or the operating system gives no randomness.
pub async fn env_or_empty(config: &Config) -> anyhow::Result<Env> {
    let mut config = config.clone();
    if sqlite_file(&config).is_some_and(|file| !file.exists()) {
        config.database.url = "sqlite::memory:".into();
    }
    env_or_new(&config).await
}

/// SQLite's file; `None` on PostgreSQL and in memory.
pub fn sqlite_file(config: &Config) -> Option<PathBuf> {
    let path = config
        .database
        .url
        .expose_secret()
        .strip_prefix("sqlite:")?;
    let path = path.split('?').next().unwrap_or(path);
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty() && !path.contains(":memory:")).then(|| PathBuf::from(path))
}

/// Like [`env()`], but makes SQLite's file if it is not there.
///
/// # Errors
/// When the database cannot be opened or the operating system gives no randomness.
pub async fn env_or_new(config: &Config) -> anyhow::Result<Env> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(Env {
        db: Db::open(&database(config, config.database.max_connections)).await?,
        chance: Arc::new(Chance::from_system()?),
        stripe: stripe(config, &clock)?,
        receivers: receivers(config)?,
        clock,
        settings: Arc::new(settings(config)),
    })
}

/// Makes sure that the schema is this binary's, and that every organization has its row.
///
/// # Errors
/// A schema of another version, or a database that cannot be written.
pub async fn prepare(env: &Env, migrate: Migrate) -> db::Result<()> {
    if migrate == Migrate::Auto {
        env.db.migrate().await?;
    }
    env.db.check_schema().await?;
    let mut tx = env.db.begin().await?;
    for (id, organization) in &env.settings.organizations {
        access::ensure_organization(&mut tx, id, &organization.name, env.now()).await?;
    }
    tx.commit().await
}

/// What this process does with the queue.
///
/// # Errors
/// When the connection for the leases cannot be opened.
pub async fn queue_options(
    env: &Env,
    registry: &Registry,
    config: &Config,
    readiness: Arc<Readiness>,
) -> db::Result<Options> {
    // On SQLite a second writer would only compete with the first.
    let (lease_db, lane_db) = match env.db.engine() {
        "postgres" => {
            let lanes = db::Options {
                plans: Plans::Rounds,
                ..database(config, LANE_CONNECTIONS)
            };
            let leases = db::Options {
                plans: Plans::Rounds,
                ..database(config, LEASE_CONNECTIONS)
            };
            (Db::open(&leases).await?, Db::open(&lanes).await?)
        }
        _ => (env.db.clone(), env.db.clone()),
    };
    let roles = &config.node.roles;
    Ok(Options {
        node: node(env, config),
        lease_db,
        lane_db,
        lease: config.node.lease,
        slots: roles.contains(&Role::Worker).then(|| slots(config)),
        schedules: roles
            .contains(&Role::Scheduler)
            .then(|| schedules(registry, config)),
        drain: config.shutdown.timeout,
        readiness,
    })
}

/// The same world for webhooks in, with connections that jobs cannot take.
///
/// # Errors
/// When they cannot be opened.
pub async fn ingest_env(env: &Env, config: &Config) -> db::Result<Env> {
    let mut own = env.clone();
    // On SQLite they wait for the one writer like everybody else, and share its commit.
    if env.db.engine() == "postgres" {
        own.db = Db::open(&database(config, INGEST_CONNECTIONS)).await?;
    }
    Ok(own)
}

fn database(config: &Config, max_connections: u32) -> db::Options {
    db::Options {
        url: config.database.url.expose_secret().to_owned(),
        max_connections,
        statement_timeout: config.database.statement_timeout,
        plans: Plans::Lookups,
    }
}

fn node(env: &Env, config: &Config) -> Node {
    let id = env.id("node");
    let roles: Vec<String> = config.node.roles.iter().map(ToString::to_string).collect();
    Node {
        name: config.node.id.clone().unwrap_or_else(host_name),
        roles: roles.join(","),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: env.now(),
        id,
    }
}

/// `host-pid`, so that two processes on one machine can be told apart.
fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "memberd" } else { host };
    format!("{host}-{}", std::process::id())
}

fn slots(config: &Config) -> BTreeMap<Queue, usize> {
    let queues = config.queues.iter();
    queues
        .filter_map(|(name, queue)| Some((Queue::parse(name)?, queue.concurrency)))
        .collect()
}

/// What the code declares, with what the configuration changes.
fn schedules(registry: &Registry, config: &Config) -> Vec<Wanted> {
    let wanted = registry.schedules().map(|schedule| {
        let changed = config.schedules.get(schedule.name);
        let cron = changed.and_then(|changed| changed.cron.clone());
        let timezone = changed.and_then(|changed| changed.timezone);
        Wanted {
            name: schedule.name.to_owned(),
            kind: schedule.kind.to_owned(),
            args: schedule.args.to_owned(),
            cron: cron.unwrap_or_else(|| schedule.cron.to_owned()),
            timezone: timezone.map_or_else(
                || schedule.timezone.to_owned(),
                |zone| zone.name().to_owned(),
            ),
            catch_up: changed
                .and_then(|changed| changed.catch_up)
                .map_or(schedule.catch_up, catch_up),
            enabled: changed.and_then(|changed| changed.enabled).unwrap_or(true),
        }
    });
    wanted.collect()
}

const fn catch_up(policy: config::CatchUp) -> CatchUp {
    match policy {
        config::CatchUp::One => CatchUp::One,
        config::CatchUp::All => CatchUp::All,
        config::CatchUp::None => CatchUp::None,
    }
}

fn settings(config: &Config) -> Settings {
    let key = |stripe: &config::Stripe| {
        let key = stripe.secret_key.as_ref();
        key.map(|key| key.expose_secret().to_owned())
    };
    let keys: BTreeSet<_> = config
        .organizations
        .values()
        .map(|it| key(&it.stripe))
        .collect();
    let organizations = config.organizations.iter().map(|(id, organization)| {
        let stripe = &organization.stripe;
        let known = Organization {
            name: organization.name.clone(),
            time_zone: organization.time_zone,
            account: stripe.account.clone().unwrap_or_default(),
            connected: stripe.connected,
            livemode: stripe.livemode,
            has_stripe: stripe.secret_key.is_some(),
            key_number: keys.range(..key(stripe)).count(),
        };
        (id.clone(), known)
    });
    Settings {
        access: config.entitlements.policy.clone(),
        scoring: config.engagement.scoring.clone(),
        late_days: config.engagement.late_days,
        milestones: config.analytics.milestones.clone(),
        alert_min_daily: config.analytics.alert_min_daily,
        keep_jobs: config.retention.jobs,
        keep_jobs_max: i64::try_from(config.retention.jobs_max).unwrap_or(i64::MAX),
        keep_stripe_event_bodies: config.retention.stripe_event_bodies,
        keep_events: config.retention.events,
        keep_webhook_deliveries: config.retention.webhook_deliveries,
        keep_activity: config.retention.activity,
        keep_activity_max: i64::try_from(config.retention.activity_max).unwrap_or(i64::MAX),
        organizations: organizations.collect(),
    }
}

/// Stripe, one account for each organization that has a key.
fn stripe(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Stripe>> {
    let accounts = config
        .organizations
        .iter()
        .filter_map(|(id, organization)| {
            let stripe = &organization.stripe;
            let account = Account {
                secret_key: stripe.secret_key.clone()?,
                api_base: stripe.api_base.to_string(),
                account: stripe.account.clone().unwrap_or_default(),
                connected: stripe.connected,
                livemode: stripe.livemode,
                rate_limit: stripe.requests_per_second(),
                timeout: stripe.timeout,
            };
            Some((id.clone(), account))
        });
    Ok(Arc::new(StripeClient::new(
        accounts.collect(),
        Arc::clone(clock),
    )?))
}

/// Who hears of our events.
fn receivers(config: &Config) -> anyhow::Result<Arc<dyn Receivers>> {
    let out = &config.webhooks_out;
    let options = webhooks_out::Options {
        keys: Keys::new(&out.keys),
        addresses: Addresses {
            allowed: out.allow_subnets.clone(),
        },
        https_only: out.https_only,
        timeout: out.timeout,
        names: Arc::new(SystemNames),
    };
    Ok(Arc::new(Sender::new(options)?))
}
