//! `memberd keys`: who may call the API.

use std::time::Duration;

use memberd_jobs::{
    access::{self, KeyRow, NAME_CHARS_MAX, NewKey, Scopes},
    kernel::Env,
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome, open,
    output::{self, Rows},
    runtime,
};
use crate::{cli::Global, config::parse_duration};

/// Keys shown by one `list`; more than anybody should have.
const LIST_MAX: i64 = 1_000;

/// What `keys` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose keys
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    organization: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key and print it once
    Create {
        /// What it is for, so that people know whom they lock out by revoking it
        name: String,
        /// Scopes separated by commas, or `all`
        #[arg(long, value_name = "SCOPES")]
        scopes: String,
        /// When it stops working: a time such as 24h or 90d from now; never unless given
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        expires_in: Option<Duration>,
    },
    /// Show the keys, newest first; never their secrets
    List,
    /// Revoke a key; every node refuses it within a second
    Revoke {
        /// `key_…`, as `keys list` shows it
        id: String,
    },
}

/// Makes, shows and revokes keys.
///
/// # Errors
/// Unknown scopes, organizations and keys, or a database that fails.
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        let organization = &args.organization;
        match &args.action {
            Action::Create {
                name,
                scopes,
                expires_in,
            } => create(&env, global, organization, name, scopes, *expires_in).await,
            Action::List => list(&env, global, organization).await,
            Action::Revoke { id } => revoke(&env, global, organization, id).await,
        }
    })
}

async fn create(
    env: &Env,
    global: &Global,
    organization: &str,
    name: &str,
    scopes: &str,
    expires_in: Option<Duration>,
) -> Outcome {
    let name_chars = name.trim().chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&name_chars) {
        let text = format!(
            "the name must have 1 to {NAME_CHARS_MAX} characters: it tells people whose key it is"
        );
        return Err(Failure::new(Failure::USAGE, text));
    }
    let scopes = match scopes {
        "all" => Scopes::all(),
        words => {
            Scopes::parse(words).map_err(|error| Failure::new(Failure::USAGE, error.to_string()))?
        }
    };
    let (row, text) = make(env, organization, name, &scopes, expires_in).await?;
    let json = json!({ "id": row.id, "key": text, "organization": organization, "scopes": scope_list(&row), "expires_at": row.expires_at });
    let until = row.expires_at.map(|at| format!(", until {at}"));
    let sentence = format!(
        "{text}\n\n{} with the scopes {}{}.\nIt is not shown again.",
        row.id,
        row.scopes,
        until.unwrap_or_default()
    );
    output::one(global, &sentence, &json)
}

/// Makes a key of an organization that the configuration names.
///
/// # Errors
/// An organization that is not configured, or a database that fails.
pub async fn make(
    env: &Env,
    organization: &str,
    name: &str,
    scopes: &Scopes,
    expires_in: Option<Duration>,
) -> Result<(KeyRow, String), Failure> {
    let Some(known) = env.settings.organizations.get(organization) else {
        let ids: Vec<_> = env
            .settings
            .organizations
            .keys()
            .map(String::as_str)
            .collect();
        let text = format!(
            "no organization `{organization}` is configured: known are {}",
            ids.join(", ")
        );
        return Err(Failure::new(Failure::USAGE, text));
    };
    let new = NewKey {
        organization,
        name,
        scopes,
        expires_at: expires_in.map(|time| env.now().plus(time)),
        live: known.livemode,
    };
    let mut tx = env.db.begin().await?;
    access::ensure_organization(&mut tx, organization, &known.name, env.now()).await?;
    let (row, key) = access::create_key(&mut tx, env, &new).await?;
    tx.commit().await?;
    Ok((row, key.reveal()))
}

async fn list(env: &Env, global: &Global, organization: &str) -> Outcome {
    let keys = access::list_keys(&env.db, organization, None, LIST_MAX).await?;
    let mut rows = Rows::new(&[
        "id",
        "name",
        "ends in",
        "created",
        "last used",
        "expires",
        "revoked",
        "scopes",
    ]);
    for key in &keys {
        let times = [
            Some(key.created_at),
            key.last_used_at,
            key.expires_at,
            key.revoked_at,
        ];
        let [created, used, expires, revoked] = times.map(output::time);
        let text = [&key.id, &key.name, &key.last4].map(Clone::clone);
        let [id, name, last4] = text;
        rows.row([
            id,
            name,
            last4,
            created,
            used,
            expires,
            revoked,
            key.scopes.clone(),
        ]);
    }
    let json: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({ "id": key.id, "name": key.name, "last4": key.last4, "scopes": scope_list(key),
                    "created_at": key.created_at, "last_used_at": key.last_used_at,
                    "expires_at": key.expires_at, "revoked_at": key.revoked_at })
        })
        .collect();
    output::list(global, &rows, &Value::from(json))
}

async fn revoke(env: &Env, global: &Global, organization: &str, id: &str) -> Outcome {
    let mut tx = env.db.begin().await?;
    let revoked = access::revoke_key(&mut tx, organization, id, env.now()).await?;
    tx.commit().await?;
    let Some(key) = revoked else {
        let text = format!(
            "organization `{organization}` has no key `{id}`: `memberd keys list` shows them"
        );
        return Err(Failure::new(Failure::FAILED, text));
    };
    let json = json!({ "id": key.id, "revoked_at": key.revoked_at });
    output::one(global, &format!("{} is revoked", key.id), &json)
}

fn scope_list(key: &KeyRow) -> Vec<&str> {
    key.scopes.split(' ').collect()
}
