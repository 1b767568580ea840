//! The configuration: what can be set, where it is set, and what is wrong with it.
//!
//! `config/default.toml` is the only list of keys. Each key has its default, its meaning and a line
//! `type:` with its kind and range. The reference, the JSON Schema, the suggestions for misspelt
//! keys and the checks of ranges all come from there.
//!
//! Layers (`layers`) are laid over one another into one table of values with their origins; then
//! one file a section (`server`, `stripe`, …) turns them into plain structs. Nothing stops at the
//! first problem: [`load`] answers with all of them.
//!
//! To add a key, write it into `default.toml`, read it in its section's file, and run `./dev gen`.

mod analytics;
mod cron_text;
mod database;
mod engagement;
mod entitlements;
mod file;
mod jwt;
mod key;
mod kind;
mod known;
mod layers;
mod limits;
mod log;
mod node;
mod organizations;
mod problem;
mod queues;
mod reader;
mod reference;
mod retention;
mod schedules;
mod schema;
mod secret;
mod server;
mod show;
mod shutdown;
mod sources;
mod stripe;
#[cfg(test)]
mod tests;
mod typed;
mod units;
mod value;
mod webhooks_out;

pub use analytics::Analytics;
pub use cron_text::{cron_schedule, normalize_cron};
pub use database::{Database, Migrate};
pub use engagement::Engagement;
pub use entitlements::Entitlements;
pub use layers::DEFAULT_ORGANIZATION;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use node::{Node, Role};
pub use organizations::Organization;
pub use problem::{Origin, Problem, Problems};
pub use queues::Queue;
pub use reference::reference;
pub use retention::Retention;
pub use schedules::{CatchUp, ScheduleOverride};
pub use schema::schema;
pub use server::Server;
pub use show::{check, show, show_json};
pub use shutdown::Shutdown;
pub use sources::{DEFAULT_FILES, EXEMPT_PREFIXES, EXEMPT_VARIABLES, Sources, parse_set};
pub use stripe::Stripe;
pub use units::parse_duration;
pub use webhooks_out::WebhooksOut;

use crate::jwt::{IssuerOptions, Role as TokenRole};
use key::Key;
use layers::{Entry, Layers};
use problem::Fault;
use reader::Reader;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Everything that can be set, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// How often the control API may be called.
    pub limits: Limits,
    /// The database.
    pub database: Database,
    /// This process among those that share the database.
    pub node: Node,
    /// The queues by name: every one that `default.toml` lists.
    pub queues: BTreeMap<String, Queue>,
    /// Overrides of schedules by the schedule's name; see [`Loaded::check_schedules`].
    pub schedules: BTreeMap<String, ScheduleOverride>,
    /// What a member may use.
    pub entitlements: Entitlements,
    /// How what members do is counted and scored.
    pub engagement: Engagement,
    /// What is told about engagement.
    pub analytics: Analytics,
    /// Events sent to the servers of others.
    pub webhooks_out: WebhooksOut,
    /// Whose tokens are taken in the place of keys.
    pub jwt: Vec<IssuerOptions>,
    /// What the roles of tokens may do.
    pub roles: BTreeMap<String, TokenRole>,
    /// How long what is no longer needed is kept.
    pub retention: Retention,
    /// The log.
    pub log: Log,
    /// The end of the process.
    pub shutdown: Shutdown,
    /// The tenants by id. [`DEFAULT_ORGANIZATION`] is always there; its account is `[stripe]`.
    pub organizations: BTreeMap<String, Organization>,
}

/// A good configuration and how it came about.
#[derive(Clone)]
pub struct Loaded {
    /// What was read.
    pub config: Config,
    /// What is allowed but deserves a look; each names its key.
    pub warnings: Vec<String>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    entries: BTreeMap<Key, Entry>,
}

/// Reads all layers and checks them.
///
/// # Errors
///
/// Everything that is wrong, each with its place, its key and what to do.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let layers = Layers::gather(sources);
    let mut reader = Reader::new(&layers);
    let config = Config {
        server: Server::read(&mut reader),
        limits: Limits::read(&mut reader),
        database: Database::read(&mut reader),
        node: Node::read(&mut reader),
        queues: Queue::read_all(&mut reader),
        schedules: ScheduleOverride::read_all(&mut reader),
        entitlements: Entitlements::read(&mut reader),
        engagement: Engagement::read(&mut reader),
        analytics: Analytics::read(&mut reader),
        webhooks_out: WebhooksOut::read(&mut reader),
        jwt: jwt::issuers(&mut reader),
        roles: jwt::roles(&mut reader),
        retention: Retention::read(&mut reader),
        log: Log::read(&mut reader),
        shutdown: Shutdown::read(&mut reader),
        organizations: Organization::read_all(&mut reader),
    };
    let Reader {
        problems, warnings, ..
    } = reader;
    let problems = layers.problems.iter().cloned().chain(problems).collect();
    Problems::from_list(problems)?;
    Ok(Loaded {
        config,
        warnings,
        file: layers.file,
        entries: layers.entries,
    })
}

impl Loaded {
    /// Refuses overrides of schedules that the code does not declare: a misspelt one would
    /// silently change nothing.
    ///
    /// # Errors
    ///
    /// One problem for each unknown name, with the nearest known one.
    pub fn check_schedules(&self, declared: &[&str]) -> Result<(), Problems> {
        let unknown = self
            .config
            .schedules
            .keys()
            .filter(|name| !declared.contains(&name.as_str()));
        let problems = unknown.map(|name| {
            let key = Key::new(["schedules", name]);
            let near = declared
                .iter()
                .min_by_key(|declared| strsim::damerau_levenshtein(declared, name))
                .map_or_else(
                    || "remove it".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
            let inner = self.entries.iter().find(|(entry, _)| entry.parent() == key);
            let origin = inner.map_or(Origin::Default, |(_, entry)| entry.origin.clone());
            Problem::without_value(
                origin,
                &key,
                Fault::new("is not a schedule of memberd", near),
            )
        });
        Problems::from_list(problems.collect())
    }
}

/// Without the raw values, some of which are secrets.
impl fmt::Debug for Loaded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Loaded")
            .field("config", &self.config)
            .field("warnings", &self.warnings)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
