//! `memberd members grant`, `revoke-grant` and `import-grants`: access that nobody pays for here.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, stdin},
};

use memberd_jobs::{
    entitlements::{
        grants::{self, Granted, NOTE_CHARS_MAX, NewGrant, REFERENCE_CHARS_MAX},
        model::Source,
        store::GrantRow,
    },
    kernel::{Env, Timestamp},
    members::{
        normalize_email,
        store::{Filter, get, list, resolve},
    },
};
use serde::Deserialize;
use serde_json::json;

use super::named;
use crate::{
    cli::Global,
    commands::{Failure, Outcome, output},
};

/// Who gives what is given here.
const BY: &str = "cli";
/// Grants of one transaction of an import.
const BATCH_MAX: usize = 200;
/// Wrong lines of an import that are shown; all are counted.
const WRONG_SHOWN_MAX: usize = 20;

/// What `members grant` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `mem_…`, or `ext:stripe:cus_…`
    id: String,
    /// The product
    product: String,
    /// Until when, such as 2027-01-01T00:00:00Z; without it for a lifetime
    #[arg(long, value_parser = moment)]
    until: Option<Timestamp>,
    /// complimentary, gift or extension
    #[arg(long, default_value = "complimentary", value_parser = kind)]
    kind: Source,
    /// What it is called where it was decided; a second grant with it changes nothing
    #[arg(long)]
    reference: Option<String>,
    /// The subscription that an extension prolongs
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// The other member who gave it, if it is a gift
    #[arg(long, value_name = "ID")]
    from: Option<String>,
    /// Why, in words
    #[arg(long)]
    note: Option<String>,
}

/// What `members revoke-grant` takes.
#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// `mem_…`, or `ext:stripe:cus_…`
    id: String,
    /// `gra_…`
    grant: String,
}

/// What `members import-grants` takes.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// One JSON object a line: member (id, `ext:…` or address), product, `external_reference`, and if wanted
    /// kind, until, note; `-` reads standard input
    file: String,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "not an RFC 3339 time such as 2026-01-15T10:30:00Z".to_owned())
}

fn kind(word: &str) -> Result<Source, String> {
    let found = Source::GRANTS
        .into_iter()
        .find(|source| source.as_str() == word);
    found.ok_or_else(|| "write complimentary, gift or extension".to_owned())
}

/// Gives one grant.
///
/// # Errors
/// An unknown member or product, a reference that is taken, or a database that fails.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, args: &Args) -> Outcome {
    let member = named(env, organization, &args.id).await?;
    let new = NewGrant {
        product_id: args.product.clone(),
        source: args.kind,
        external_reference: args.reference.clone(),
        subscription_id: args.subscription.clone(),
        from_member_id: args.from.clone(),
        note: args.note.clone(),
        starts_at: None,
        ends_at: args.until,
    };
    check_texts(&new).map_err(|why| Failure::new(Failure::USAGE, why))?;
    let mut tx = env.db.begin().await?;
    let granted = grants::grant(&mut tx, env, organization, &member.id, BY, &new).await?;
    let granted = granted.map_err(|why| Failure::new(Failure::FAILED, why.to_string()))?;
    tx.commit().await?;
    let (word, row) = match granted {
        Granted::New(row) => ("given", row),
        Granted::Known(row) => ("was given before", row),
    };
    tell(global, word, &row)
}

/// Takes one grant back.
///
/// # Errors
/// An unknown member or grant, or a database that fails.
pub(super) async fn revoke(
    env: &Env,
    global: &Global,
    organization: &str,
    args: &RevokeArgs,
) -> Outcome {
    let member = named(env, organization, &args.id).await?;
    let mut tx = env.db.begin().await?;
    let row = grants::revoke(&mut tx, env, organization, &member.id, &args.grant, BY).await?;
    tx.commit().await?;
    let missing = || {
        Failure::new(
            Failure::FAILED,
            format!("she has no grant `{}`", args.grant),
        )
    };
    tell(global, "is over", &row.ok_or_else(missing)?)
}

fn tell(global: &Global, word: &str, row: &GrantRow) -> Outcome {
    let end = row.revoked_at.or(row.ends_at);
    let until = end.map_or_else(|| "for a lifetime".to_owned(), |end| format!("until {end}"));
    let sentence = format!(
        "{} {word}: {} ({}) {until}",
        row.id, row.product_id, row.kind
    );
    let json = json!({ "id": row.id, "member_id": row.member_id, "product_id": row.product_id, "kind": row.kind,
                       "external_reference": row.external_reference, "until": row.ends_at,
                       "revoked_at": row.revoked_at });
    output::one(global, &sentence, &json)
}

/// Texts are bounded as in the API.
fn check_texts(new: &NewGrant) -> Result<(), String> {
    let fits = |text: &Option<String>, max: usize| {
        text.as_ref()
            .is_none_or(|text| (1..=max).contains(&text.chars().count()) && !text.contains('\0'))
    };
    if !fits(&new.external_reference, REFERENCE_CHARS_MAX) {
        return Err(format!(
            "the reference is not a text of 1 to {REFERENCE_CHARS_MAX} characters"
        ));
    }
    if !fits(&new.note, NOTE_CHARS_MAX) {
        return Err(format!(
            "the note is not a text of 1 to {NOTE_CHARS_MAX} characters"
        ));
    }
    Ok(())
}

/// One line of an import.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    member: String,
    product: String,
    external_reference: String,
    kind: Option<String>,
    until: Option<Timestamp>,
    starts_at: Option<Timestamp>,
    note: Option<String>,
}

/// What came of an import.
#[derive(Debug, Default)]
struct Imported {
    given: u64,
    known: u64,
    wrong: Vec<(usize, String)>,
}

/// Gives many grants, a batch in a transaction. Lines that are wrong are told and left out.
///
/// # Errors
/// A file that cannot be read, wrong lines, or a database that fails.
pub(super) async fn import(
    env: &Env,
    global: &Global,
    organization: &str,
    args: &ImportArgs,
) -> Outcome {
    let reader: Box<dyn BufRead> = if args.file == "-" {
        Box::new(BufReader::new(stdin()))
    } else {
        let file = File::open(&args.file);
        let failed = |error| Failure::new(Failure::USAGE, format!("{}: {error}", args.file));
        Box::new(BufReader::new(file.map_err(failed)?))
    };
    let mut done = Imported::default();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    for (at, line) in reader.lines().enumerate() {
        let line = line.map_err(|error| Failure::new(Failure::FAILED, error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        match read(&line) {
            Ok(line) => batch.push((at + 1, line)),
            Err(why) => done.wrong.push((at + 1, why)),
        }
        if batch.len() == BATCH_MAX {
            give(env, organization, std::mem::take(&mut batch), &mut done).await?;
        }
    }
    give(env, organization, batch, &mut done).await?;
    done.wrong.sort_by_key(|(at, _)| *at);
    report(global, &done)
}

fn read(line: &str) -> Result<(String, NewGrant), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| format!("not a grant: {error}"))?;
    let new = NewGrant {
        product_id: line.product,
        source: line
            .kind
            .as_deref()
            .map_or(Ok(Source::Complimentary), kind)?,
        external_reference: Some(line.external_reference),
        subscription_id: None,
        from_member_id: None,
        note: line.note,
        starts_at: line.starts_at,
        ends_at: line.until,
    };
    check_texts(&new)?;
    Ok((line.member, new))
}

/// Members are locked in the order of their ids, so that nobody waits in a circle.
async fn give(
    env: &Env,
    organization: &str,
    batch: Vec<(usize, (String, NewGrant))>,
    done: &mut Imported,
) -> Result<(), Failure> {
    let mut by_member: BTreeMap<String, Vec<(usize, NewGrant)>> = BTreeMap::new();
    for (at, (word, new)) in batch {
        match member(env, organization, &word).await? {
            Some(id) => by_member.entry(id).or_default().push((at, new)),
            None => done
                .wrong
                .push((at, format!("there is no member `{word}`"))),
        }
    }
    let mut tx = env.db.begin().await?;
    for (member, news) in by_member {
        for (at, new) in news {
            match grants::grant(&mut tx, env, organization, &member, BY, &new).await? {
                Ok(Granted::New(_)) => done.given += 1,
                Ok(Granted::Known(_)) => done.known += 1,
                Err(why) => done.wrong.push((at, why.to_string())),
            }
        }
    }
    tx.commit().await?;
    Ok(())
}

/// The id behind an id, an `ext:…` or an address.
async fn member(env: &Env, organization: &str, word: &str) -> Result<Option<String>, Failure> {
    if word.starts_with("ext:") || !word.contains('@') {
        let Some(id) = resolve(&env.db, organization, word).await? else {
            return Ok(None);
        };
        return Ok(get(&env.db, organization, &id)
            .await?
            .map(|member| member.id));
    }
    let Some(email) = normalize_email(word) else {
        return Ok(None);
    };
    let filter = Filter {
        email: Some(&email),
        ..Filter::default()
    };
    let found = list(&env.db, organization, &filter, None, 1).await?;
    Ok(found.into_iter().next().map(|member| member.id))
}

fn report(global: &Global, done: &Imported) -> Outcome {
    let Imported {
        given,
        known,
        wrong,
    } = done;
    let json = json!({ "given": given, "known": known,
                       "wrong": wrong.iter().map(|(at, why)| json!({ "line": at, "why": why })).collect::<Vec<_>>() });
    output::one(
        global,
        &format!(
            "{given} given, {known} were given before, {} wrong",
            wrong.len()
        ),
        &json,
    )?;
    if wrong.is_empty() {
        return Ok(());
    }
    let shown = wrong
        .iter()
        .take(WRONG_SHOWN_MAX)
        .map(|(at, why)| format!("line {at}: {why}"));
    Err(Failure::new(
        Failure::FAILED,
        shown.collect::<Vec<_>>().join("\n"),
    ))
}
