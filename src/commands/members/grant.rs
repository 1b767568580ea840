//! `memberd members grant` and `revoke-grant`: access that nobody pays for here.

use memberd_jobs::{
    access::activity::{CLI, Call},
    entitlements::{
        grants::{self, Granted, NOTE_CHARS_MAX, NewGrant, REFERENCE_CHARS_MAX},
        model::Source,
        store::GrantRow,
    },
    kernel::{Env, Timestamp},
};
use serde_json::json;

use super::named;
use crate::{
    cli::Global,
    commands::{Failure, Outcome, output},
};

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

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "not an RFC 3339 time such as 2026-01-15T10:30:00Z".to_owned())
}

pub(super) fn kind(word: &str) -> Result<Source, String> {
    let found = Source::GRANTS
        .into_iter()
        .find(|source| source.as_str() == word);
    found.ok_or_else(|| "write complimentary, gift or extension".to_owned())
}

/// Gives one grant.
///
/// # Errors
/// An unknown member or product, a reference that is taken, or a database that fails.
pub(super) async fn run(
    env: &Env,
    global: &Global,
    organization: &str,
    args: &Args,
    call: &mut Call,
) -> Outcome {
    let member = named(env, organization, &args.id).await?;
    call.object_id = Some(member.id.clone());
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
    let granted = grants::grant(&mut tx, env, organization, &member.id, CLI, &new).await?;
    let granted = granted.map_err(|why| Failure::new(Failure::FAILED, why.to_string()))?;
    tx.commit().await?;
    let (word, row) = match granted {
        Granted::New(row) => ("given", row),
        Granted::Known(row) => ("was given before", row),
    };
    call.made_id = Some(row.id.clone());
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
    call: &mut Call,
) -> Outcome {
    let member = named(env, organization, &args.id).await?;
    call.object_id = Some(member.id.clone());
    let mut tx = env.db.begin().await?;
    let row = grants::revoke(&mut tx, env, organization, &member.id, &args.grant, CLI).await?;
    tx.commit().await?;
    let missing = || {
        Failure::new(
            Failure::FAILED,
            format!("she has no grant `{}`", args.grant),
        )
    };
    let row = row.ok_or_else(missing)?;
    call.made_id = Some(row.id.clone());
    tell(global, "is over", &row)
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
pub(super) fn check_texts(new: &NewGrant) -> Result<(), String> {
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
