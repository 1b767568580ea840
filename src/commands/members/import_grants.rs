//! `memberd members import-grants`: many grants from a file, a batch in a transaction.

use std::{collections::BTreeMap, io::BufRead};

use memberd_jobs::{
    access::activity::CLI,
    entitlements::{
        grants::{self, Granted, NewGrant},
        model::Source,
    },
    kernel::{Env, Timestamp},
    members::{
        normalize_email,
        store::{Filter, get, list, resolve},
    },
};
use serde::Deserialize;
use serde_json::json;

use super::{
    file::{self, Wrong},
    grant::{check_texts, kind},
};
use crate::{
    cli::Global,
    commands::{Failure, Outcome, output},
};

/// Grants of one transaction of an import.
const BATCH_MAX: usize = 200;

/// What `members import-grants` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object a line: member (id, `ext:…` or address), product, `external_reference`, and if wanted
    /// kind, `starts_at`, until, note, subscription (of an extension), from (of a gift); `-` reads standard input
    file: String,
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
    subscription: Option<String>,
    from: Option<String>,
}

/// What came of an import.
#[derive(Debug, Default)]
struct Imported {
    given: u64,
    known: u64,
    wrong: Wrong,
}

/// Gives many grants, a batch in a transaction. Lines that are wrong are told and left out.
///
/// # Errors
/// A file that cannot be read, wrong lines, or a database that fails.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, args: &Args) -> Outcome {
    let reader = file::open(&args.file)?.reader;
    let mut done = Imported::default();
    let ended = give_all(env, organization, reader, &mut done).await;
    // What was given stays given, so it is told also when the rest could not be.
    let reported = report(global, &done);
    ended.map_err(|error| {
        let text = format!(
            "{}: {}; run it again, nothing is given twice",
            args.file, error.text
        );
        Failure::new(error.code, text)
    })?;
    reported
}

async fn give_all(
    env: &Env,
    organization: &str,
    reader: Box<dyn BufRead>,
    done: &mut Imported,
) -> Result<(), Failure> {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    for line in file::lines(reader) {
        let (at, line) = line?;
        match line.and_then(|line| read(&line)) {
            Ok(line) => batch.push((at, line)),
            Err(why) => done.wrong.note(at, why),
        }
        if batch.len() == BATCH_MAX {
            give(env, organization, std::mem::take(&mut batch), done).await?;
        }
    }
    give(env, organization, batch, done).await
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
        subscription_id: line.subscription,
        from_member_id: line.from,
        note: line.note,
        starts_at: line.starts_at,
        ends_at: line.until,
    };
    check_texts(&new)?;
    let texts = [
        Some(&line.member),
        Some(&new.product_id),
        new.subscription_id.as_ref(),
        new.from_member_id.as_ref(),
    ];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err("a text has a NUL character: remove it".to_owned());
    }
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
            None => done.wrong.note(at, format!("there is no member `{word}`")),
        }
    }
    let mut tx = env.db.begin().await?;
    let (mut given, mut known, mut wrong) = (0, 0, Vec::new());
    for (member, news) in by_member {
        for (at, new) in news {
            match grants::grant(&mut tx, env, organization, &member, CLI, &new).await? {
                Ok(Granted::New(_)) => given += 1,
                Ok(Granted::Known(_)) => known += 1,
                Err(why) => wrong.push((at, why.to_string())),
            }
        }
    }
    tx.commit().await?;
    done.given += given;
    done.known += known;
    for (at, why) in wrong {
        done.wrong.note(at, why);
    }
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
    let shown = wrong.shown.iter();
    let shown = shown.map(|(at, why)| json!({ "line": at, "why": why }));
    let json = json!({ "given": given, "known": known, "wrong": shown.collect::<Vec<_>>() });
    let text = format!(
        "{given} given, {known} were given before, {} wrong",
        wrong.count
    );
    output::one(global, &text, &json)?;
    wrong.outcome()
}

#[cfg(test)]
mod tests;
