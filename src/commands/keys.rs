//! `memberd keys`: who may call the API.

use std::time::Duration;

use memberd_jobs::{
    access::{self, KeyRow, NAME_CHARS_MAX, NewKey, OVERLAP_SECONDS_MAX, Scopes, activity::Call},
    creators,
    kernel::Env,
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    activity::{logged, no_organization},
    open,
    output::{self, Rows},
    runtime,
};
use crate::{cli::Global, config::parse_duration, jwt::LEEWAY};

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
        /// Let it call as often as it likes, past `[limits]`: for your own programs
        #[arg(long)]
        unlimited: bool,
        /// Narrow it to the members of this creator: her id or external id
        #[arg(long, value_name = "CREATOR")]
        creator: Option<String>,
    },
    /// Put a new key in the place of one, which works on for a while; prints the new one once
    Rotate {
        /// `key_…`, as `keys list` shows it
        id: String,
        /// How long the old one works on, so that its users can be given the new one; at most 30d
        #[arg(long, value_name = "DURATION", value_parser = overlap, default_value = "24h")]
        overlap: Duration,
    },
    /// Revoke all tokens (JWT) of a caller that were issued until now; every node refuses them within a second
    RevokeTokens {
        /// `jwt:…`, as the activity log shows it
        caller: String,
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
                unlimited,
                creator,
            } => {
                let wish = Wish {
                    organization,
                    name,
                    expires_in: *expires_in,
                    unlimited: *unlimited,
                    creator: creator.as_deref(),
                };
                let create =
                    async |call: &mut Call| create(&env, global, &wish, scopes, call).await;
                logged(&env, organization, "keys create", None, create).await
            }
            Action::Rotate { id, overlap } => {
                let rotate = async |call: &mut Call| {
                    rotate(&env, global, (organization, id), *overlap, call).await
                };
                logged(&env, organization, "keys rotate", Some(id), rotate).await
            }
            Action::RevokeTokens { caller } => {
                let revoke =
                    async |_: &mut Call| revoke_tokens(&env, global, organization, caller).await;
                logged(
                    &env,
                    organization,
                    "keys revoke-tokens",
                    Some(caller),
                    revoke,
                )
                .await
            }
            Action::List => list(&env, global, organization).await,
            Action::Revoke { id } => {
                let revoke = async |_: &mut Call| revoke(&env, global, organization, id).await;
                logged(&env, organization, "keys revoke", Some(id), revoke).await
            }
        }
    })
}

/// How long a rotated key works on: as long as the API allows.
fn overlap(text: &str) -> Result<Duration, String> {
    let most = Duration::from_secs(OVERLAP_SECONDS_MAX.unsigned_abs());
    let overlap = parse_duration(text)?;
    if overlap > most {
        return Err(
            "an old key works on for at most 30d: rotate it later, or make another key".to_owned(),
        );
    }
    Ok(overlap)
}

/// A key that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Whose it will be.
    pub organization: &'a str,
    /// What it is for.
    pub name: &'a str,
    /// How long it works; for ever unless given.
    pub expires_in: Option<Duration>,
    /// Whether it may call as often as it likes.
    pub unlimited: bool,
    /// The creator, by id or external id, whose members alone it sees.
    pub creator: Option<&'a str>,
}

async fn create(
    env: &Env,
    global: &Global,
    wish: &Wish<'_>,
    scopes: &str,
    call: &mut Call,
) -> Outcome {
    let name_chars = wish.name.trim().chars().count();
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
    let (row, text) = make(env, wish, &scopes).await?;
    call.made_id = Some(row.id.clone());
    show(global, &row, &text)
}

/// Shows a key with its secret, the one time.
fn show(global: &Global, row: &KeyRow, text: &str) -> Outcome {
    let warning = Scopes::stored(&row.scopes).warning();
    let json = json!({ "id": row.id, "key": text, "organization": row.organization_id, "scopes": scope_list(row),
                       "expires_at": row.expires_at, "unlimited": row.unlimited, "creator_id": row.creator_id,
                       "warning": warning });
    let until = row.expires_at.map(|at| format!(", until {at}"));
    let narrowed = row
        .creator_id
        .as_ref()
        .map(|id| format!(", for the members of {id} only"));
    let warning = warning.map(|warning| format!("\n\nwarning: {warning}"));
    let sentence = format!(
        "{text}\n\n{} with the scopes {}{}{}.\nIt is not shown again.{}",
        row.id,
        row.scopes,
        until.unwrap_or_default(),
        narrowed.unwrap_or_default(),
        warning.unwrap_or_default()
    );
    output::one(global, &sentence, &json)
}

/// Makes a key of an organization that the configuration names.
///
/// # Errors
/// An organization that is not configured, or a database that fails.
pub async fn make(
    env: &Env,
    wish: &Wish<'_>,
    scopes: &Scopes,
) -> Result<(KeyRow, String), Failure> {
    let organization = wish.organization;
    let known = env.settings.organizations.get(organization);
    let known = known.ok_or_else(|| no_organization(env, organization))?;
    let creator = match wish.creator {
        None => None,
        Some(word) => Some(creator(env, organization, word).await?),
    };
    let new = NewKey {
        organization,
        name: wish.name,
        scopes,
        expires_at: wish.expires_in.map(|time| env.now().plus(time)),
        live: known.livemode,
        unlimited: wish.unlimited,
        creator: creator.as_deref(),
    };
    let mut tx = env.db.begin().await?;
    access::ensure_organization(&mut tx, organization, &known.name, env.now()).await?;
    let (row, key) = access::create_key(&mut tx, env, &new).await?;
    tx.commit().await?;
    Ok((row, key.reveal()))
}

/// The id of the creator to whom a key can be narrowed.
async fn creator(env: &Env, organization: &str, word: &str) -> Result<String, Failure> {
    let found = creators::open(&env.db, organization, word).await?;
    let found = found.map_err(|why| Failure::new(Failure::USAGE, format!("--creator: {why}")))?;
    Ok(found.id)
}

async fn rotate(
    env: &Env,
    global: &Global,
    (organization, id): (&str, &str),
    overlap: Duration,
    call: &mut Call,
) -> Outcome {
    let known = env.settings.organizations.get(organization);
    let live = known.is_some_and(|known| known.livemode);
    let mut tx = env.db.begin().await?;
    let row = access::lock_key(&mut tx, organization, id).await?;
    let row = row.ok_or_else(|| unknown(organization, id))?;
    if row.has_ended(env.now()) {
        let text = format!("{id} works no more: make a new key with `memberd keys create`");
        return Err(Failure::new(Failure::FAILED, text));
    }
    let (new, key) = access::rotate_key(&mut tx, env, &row, overlap, live).await?;
    tx.commit().await?;
    call.made_id = Some(new.id.clone());
    show(global, &new, &key.reveal())
}

fn unknown(organization: &str, id: &str) -> Failure {
    let text =
        format!("organization `{organization}` has no key `{id}`: `memberd keys list` shows them");
    Failure::new(Failure::FAILED, text)
}

async fn list(env: &Env, global: &Global, organization: &str) -> Outcome {
    let keys = access::list_keys(&env.db, organization, None, None, LIST_MAX).await?;
    let mut rows = Rows::new(&[
        "id",
        "name",
        "ends in",
        "created",
        "last used",
        "expires",
        "revoked",
        "creator",
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
            key.creator_id.clone().unwrap_or_default(),
            key.scopes.clone(),
        ]);
    }
    let json: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({ "id": key.id, "name": key.name, "last4": key.last4, "scopes": scope_list(key),
                    "created_at": key.created_at, "last_used_at": key.last_used_at,
                    "expires_at": key.expires_at, "revoked_at": key.revoked_at, "unlimited": key.unlimited,
                    "creator_id": key.creator_id })
        })
        .collect();
    output::list(global, &rows, &Value::from(json))
}

async fn revoke(env: &Env, global: &Global, organization: &str, id: &str) -> Outcome {
    let mut tx = env.db.begin().await?;
    let revoked = access::revoke_key(&mut tx, organization, None, id, env.now()).await?;
    tx.commit().await?;
    let key = revoked.ok_or_else(|| unknown(organization, id))?;
    let json = json!({ "id": key.id, "revoked_at": key.revoked_at });
    output::one(global, &format!("{} is revoked", key.id), &json)
}

async fn revoke_tokens(env: &Env, global: &Global, organization: &str, caller: &str) -> Outcome {
    if !access::is_token_caller(caller) {
        let text = "name a caller with tokens, such as jwt:b9818fa3fc243c32401d60257cb8e35c: `GET /v1/activity` shows who called";
        return Err(Failure::new(Failure::USAGE, text));
    }
    let until = env.now().plus(LEEWAY);
    let mut tx = env.db.begin().await?;
    access::revoke_tokens(&mut tx, organization, caller, until).await?;
    tx.commit().await?;
    let json = json!({ "id": caller, "issued_until": until });
    output::one(
        global,
        &format!("tokens of {caller} that were issued until {until} are revoked"),
        &json,
    )
}

fn scope_list(key: &KeyRow) -> Vec<&str> {
    key.scopes.split(' ').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_key_works_on_no_longer_than_the_api_allows() {
        let longest = u64::try_from(OVERLAP_SECONDS_MAX).unwrap();
        assert_eq!(overlap("30d"), Ok(Duration::from_secs(longest)));
        assert_eq!(overlap("0s"), Ok(Duration::ZERO));
        assert!(overlap("31d").unwrap_err().contains("at most 30d"));
        assert!(overlap("soon").is_err());
    }
}
