//! `memberd members`: who she is, and what she may see.

mod access;
mod file;
mod grant;
mod import;
mod import_grants;

use memberd_jobs::{
    access::activity::Call,
    entitlements::store::{self as entitlements, EntitlementRow},
    kernel::{Env, Timestamp, db},
    members::{
        self,
        store::{Filter, KeyRow, MemberRow, TagRow, get, list, resolve},
    },
    sync::{self, MemberSync},
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    activity::logged,
    open,
    output::{self, Rows},
    print, runtime,
};
use crate::cli::Global;

/// What `members` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose members
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    organization: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Find members by address, or list the newest
    Find {
        /// The whole address, in any case
        email: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
    },
    /// Show one member: status, tier, entitlements, and how fresh the mirror is
    Show {
        /// `mem_…`, or `ext:stripe:cus_…`
        id: String,
    },
    /// Tell whether a member may use something, why, until when, and how old that knowledge is
    Access(access::Args),
    /// Make members out of a file, once: a second run changes nothing
    Import(import::Args),
    /// Give a member access that nobody pays for here
    Grant(grant::Args),
    /// Take a grant back
    RevokeGrant(grant::RevokeArgs),
    /// Give many grants from a file, once: a second run changes nothing
    ImportGrants(import_grants::Args),
}

/// Finds and shows members.
///
/// # Errors
/// A text that is no address, an unknown member, or a database that fails.
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        let organization = &args.organization;
        match &args.action {
            Action::Find { email, limit } => {
                find(&env, global, organization, email.as_deref(), *limit).await
            }
            Action::Show { id } => show(&env, global, organization, id).await,
            Action::Access(args) => access::run(&env, global, organization, args).await,
            Action::Import(args) => {
                let import = async || import::run(&env, global, organization, args).await;
                if args.dry_run {
                    return import().await;
                }
                logged(
                    &env,
                    organization,
                    "members import",
                    None,
                    async |_: &mut Call| import().await,
                )
                .await
            }
            Action::Grant(args) => {
                let give = async |call: &mut Call| {
                    grant::run(&env, global, organization, args, call).await
                };
                logged(&env, organization, "members grant", None, give).await
            }
            Action::RevokeGrant(args) => {
                let revoke = async |call: &mut Call| {
                    grant::revoke(&env, global, organization, args, call).await
                };
                logged(&env, organization, "members revoke-grant", None, revoke).await
            }
            Action::ImportGrants(args) => {
                let import =
                    async |_: &mut Call| import_grants::run(&env, global, organization, args).await;
                logged(&env, organization, "members import-grants", None, import).await
            }
        }
    })
}

async fn find(
    env: &Env,
    global: &Global,
    organization: &str,
    email: Option<&str>,
    limit: i64,
) -> Outcome {
    let normalized = match email {
        Some(text) => Some(members::normalize_email(text).ok_or_else(|| {
            Failure::new(Failure::USAGE, format!("`{text}` is no e-mail address"))
        })?),
        None => None,
    };
    let filter = Filter {
        email: normalized.as_deref(),
        ..Filter::default()
    };
    let found = list(&env.db, organization, &filter, None, limit).await?;
    let mut rows = Rows::new(&["id", "name", "email", "status", "tier", "joined"]);
    for member in &found {
        rows.row([
            member.id.clone(),
            member.name.clone().unwrap_or_default(),
            member.email.clone().unwrap_or_default(),
            member.status.clone(),
            member
                .tier_id
                .clone()
                .unwrap_or_else(|| "default".to_owned()),
            member.joined_at.to_string(),
        ]);
    }
    let json: Vec<Value> = found.iter().map(as_json).collect();
    output::list(global, &rows, &Value::from(json))
}

fn as_json(member: &MemberRow) -> Value {
    json!({ "id": member.id, "name": member.name, "email": member.email, "status": member.status,
            "tier_id": member.tier_id, "joined_at": member.joined_at, "deleted_at": member.deleted_at })
}

/// The member that a word names: her id, or `ext:<provider>:<id>`.
pub(super) async fn named(env: &Env, organization: &str, word: &str) -> Result<MemberRow, Failure> {
    let unknown = || {
        let text = format!("organization `{organization}` has no member `{word}`");
        Failure::new(Failure::FAILED, text)
    };
    let id = resolve(&env.db, organization, word)
        .await?
        .ok_or_else(unknown)?;
    get(&env.db, organization, &id).await?.ok_or_else(unknown)
}

async fn show(env: &Env, global: &Global, organization: &str, word: &str) -> Outcome {
    let member = named(env, organization, word).await?;
    let whole = Whole::read(env, organization, member).await?;
    if global.json {
        print(&whole.json(env.now()).to_string())
    } else {
        print(&whole.text(env.now()))
    }
}

/// A member with all that belongs to her.
struct Whole {
    member: MemberRow,
    keys: Vec<KeyRow>,
    tags: Vec<TagRow>,
    access: Vec<EntitlementRow>,
    sync: MemberSync,
}

impl Whole {
    async fn read(env: &Env, organization: &str, member: MemberRow) -> db::Result<Self> {
        let ids = [member.id.clone()];
        let around = entitlements::around(&env.db, organization, &ids, true).await?;
        let around = around.into_iter().next();
        let (keys, tags, access) = around
            .map(|of| (of.keys, of.tags, of.entitlements))
            .unwrap_or_default();
        Ok(Self {
            keys,
            tags,
            access,
            sync: sync::standing(env, organization, &member.id).await?,
            member,
        })
    }

    fn json(&self, now: Timestamp) -> Value {
        let mut whole = as_json(&self.member);
        let keys = self.keys.iter();
        whole["foreign_keys"] = keys
            .map(|key| json!({ "provider": key.provider, "external_id": key.external_id }))
            .collect();
        let member = &self.member;
        whole["email_verified"] = json!(member.email_verified);
        whole["phone"] = json!(member.phone);
        whole["meta"] = serde_json::from_str(&member.meta).unwrap_or_default();
        whole["archived_at"] = json!(member.archived_at);
        whole["tags"] = self.tags.iter().map(|row| row.tag.as_str()).collect();
        let access = self.access.iter();
        whole["entitlements"] = access
            .map(|one| {
                json!({ "product_id": one.product_id, "product_name": one.product_name,
                        "started_at": one.started_at, "ended_at": one.ended_at, "note": one.note,
                        "is_active": one.is_active(now), "source_id": one.source_id })
            })
            .collect();
        let customers = self.sync.standing.customers.iter();
        whole["customers"] = customers
            .map(|one| {
                json!({ "id": one.id, "link": one.link, "as_of": one.as_of,
                        "pending_events": one.pending_events, "failed_events": one.failed_events })
            })
            .collect();
        whole
    }

    fn text(&self, now: Timestamp) -> String {
        let member = &self.member;
        let tier = member.tier_id.as_deref().unwrap_or("default");
        let mut text = vec![
            format!("{}  {}", member.id, member.name.as_deref().unwrap_or("-")),
            format!("email    {}", member.email.as_deref().unwrap_or("-")),
            format!("status   {}, tier {tier}", member.status),
            format!("joined   {}", member.joined_at),
        ];
        let since = [
            ("archived", member.archived_at),
            ("deleted ", member.deleted_at),
        ];
        let since = since
            .into_iter()
            .filter_map(|(word, at)| Some(format!("{word} {}", at?)));
        text.extend(since);
        if !self.tags.is_empty() {
            let tags: Vec<_> = self.tags.iter().map(|row| row.tag.as_str()).collect();
            text.push(format!("tags     {}", tags.join(", ")));
        }
        for key in &self.keys {
            text.push(format!("known as {}:{}", key.provider, key.external_id));
        }
        text.extend(self.access.iter().map(|one| access_line(one, now)));
        for one in &self.sync.standing.customers {
            let (pending, failed) = (one.pending_events, one.failed_events);
            let as_of = output::time(one.as_of);
            text.push(format!(
                "mirror   {} as of {as_of}; {pending} events waiting, {failed} failed",
                one.id
            ));
        }
        text.join("\n")
    }
}

fn access_line(one: &EntitlementRow, now: Timestamp) -> String {
    let name = one.product_name.as_deref().unwrap_or(&one.product_id);
    let word = if one.is_active(now) {
        "may see"
    } else {
        "may not see"
    };
    let end = one
        .ended_at
        .map_or_else(|| "open".to_owned(), |end| format!("until {end}"));
    let again = one.resumes_at.map_or_else(String::new, |from| {
        let end = one
            .resumed_until
            .map_or_else(|| "open".to_owned(), |end| format!("until {end}"));
        format!(", again from {from}, {end}")
    });
    let note = one
        .note
        .as_deref()
        .map(|note| format!(" ({note})"))
        .unwrap_or_default();
    format!(
        "{word} {name}: {} since {}, {end}{again}{note}",
        one.source_id, one.started_at
    )
}
