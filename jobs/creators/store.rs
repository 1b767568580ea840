//! The table `creators`.

use super::{Outcome, Refused, check};
use crate::{
    args,
    kernel::{
        Env, Timestamp,
        db::{Db, Error, Result, Sql, Tx},
    },
};

/// A creator.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Creator {
    /// `crt_…`
    pub id: String,
    /// A person's or a brand's name.
    pub name: String,
    /// How the organization's own systems call her.
    pub external_id: Option<String>,
    /// Where her days begin and end (an IANA name); `None`: where the organization's do.
    pub time_zone: Option<String>,
    /// When she became known here.
    pub created_at: Timestamp,
    /// When her row last changed.
    pub updated_at: Timestamp,
    /// Since when she gets no new members and keys.
    pub archived_at: Option<Timestamp>,
}

/// A creator to make.
#[derive(Clone, Copy, Debug, Default)]
pub struct New<'a> {
    /// A person's or a brand's name.
    pub name: &'a str,
    /// How the organization's own systems call her.
    pub external_id: Option<&'a str>,
    /// Where her days begin and end, if not where the organization's do.
    pub time_zone: Option<&'a str>,
}

/// A change of a creator; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Another name.
    pub name: Option<String>,
    /// Another external id, or none.
    pub external_id: Option<Option<String>>,
    /// Another time zone, or the organization's. What she was told before keeps its days.
    pub time_zone: Option<Option<String>>,
    /// Whether she is archived.
    pub archived: Option<bool>,
}

macro_rules! columns {
    () => {
        "id, name, external_id, time_zone, created_at, updated_at, archived_at"
    };
}
macro_rules! creators {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM creators WHERE ", $rest)
    };
}

const INSERT: Sql = Sql::both(concat!(
    "INSERT INTO creators (id, organization_id, name, external_id, created_at, updated_at, time_zone)
     VALUES ($1, $2, $3, $4, $5, $5, $6)
     ON CONFLICT (organization_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
     RETURNING ",
    columns!()
));
const FIND: Sql =
    Sql::both(creators!("organization_id = $1 AND (id = $2 OR external_id = $2)"));
const LOCK: Sql = Sql::split(
    creators!("organization_id = $1 AND (id = $2 OR external_id = $2)"),
    creators!("organization_id = $1 AND (id = $2 OR external_id = $2) FOR UPDATE"),
);
const LIST: Sql = Sql::both(creators!(
    "organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id = $2) AND (CAST($3 AS TEXT) IS NULL OR id < $3)
     ORDER BY id DESC LIMIT $4"
));
const UPDATE: Sql = Sql::both(concat!(
    "UPDATE creators SET name = $3, external_id = $4, archived_at = CASE WHEN $5 THEN coalesce(archived_at, $6) END,
        updated_at = $6, time_zone = $7
     WHERE organization_id = $1 AND id = $2 RETURNING ",
    columns!()
));

/// Makes a creator.
pub async fn create(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    new: New<'_>,
) -> Result<Outcome<Creator>> {
    if let Err(why) = check(Some(new.name), new.external_id, new.time_zone) {
        return Ok(Err(why));
    }
    let id = env.id("crt");
    let row = args![id, organization, new.name, new.external_id, env.now(), new.time_zone];
    if let Some(made) = tx.optional(INSERT, row).await? {
        return Ok(Ok(made));
    }
    let holder = find_in(tx, organization, new.external_id.unwrap_or_default()).await?;
    let holder = holder.ok_or_else(|| Error::Conflict("creators_external_id".to_owned()))?;
    Ok(Err(Refused::ExternalIdTaken(holder.id)))
}

/// The creator with this id or external id.
pub async fn find(db: &Db, organization: &str, word: &str) -> Result<Option<Creator>> {
    db.optional(FIND, args![organization, word]).await
}

/// The creator with this id or external id, unless she is archived and gets nothing new.
pub async fn open(db: &Db, organization: &str, word: &str) -> Result<Outcome<Creator>> {
    Ok(match find(db, organization, word).await? {
        None => Err(Refused::NoCreator),
        Some(found) if found.archived_at.is_some() => Err(Refused::Archived(found.id)),
        Some(found) => Ok(found),
    })
}

/// The creator with this id or external id, as the transaction sees her.
pub async fn find_in(tx: &mut Tx, organization: &str, word: &str) -> Result<Option<Creator>> {
    tx.optional(FIND, args![organization, word]).await
}

/// Creators of an organization, newest first, those with ids below `before`; `only`: none but this one.
pub async fn list(
    db: &Db,
    organization: &str,
    only: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Creator>> {
    db.all(LIST, args![organization, only, before, limit]).await
}

/// Changes the creator with this id or external id; what is as it was is not written.
///
/// # Errors
/// A conflict when another creator gets the external id at the same moment: tried again, it is refused.
pub async fn edit(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    word: &str,
    edit: &Edit,
) -> Result<Outcome<Creator>> {
    let found: Option<Creator> = tx.optional(LOCK, args![organization, word]).await?;
    let Some(before) = found else { return Ok(Err(Refused::NoCreator)) };
    let name = edit.name.as_ref().unwrap_or(&before.name);
    let external_id = edit.external_id.as_ref().unwrap_or(&before.external_id);
    let time_zone = edit.time_zone.as_ref().unwrap_or(&before.time_zone);
    let archived = edit.archived.unwrap_or(before.archived_at.is_some());
    if let Err(why) = check(Some(name), external_id.as_deref(), time_zone.as_deref()) {
        return Ok(Err(why));
    }
    let same = (name, external_id, time_zone, archived)
        == (&before.name, &before.external_id, &before.time_zone, before.archived_at.is_some());
    if same {
        return Ok(Ok(before));
    }
    if let Some(external_id) = external_id
        && let Some(holder) = find_in(tx, organization, external_id).await?
        && holder.id != before.id
    {
        return Ok(Err(Refused::ExternalIdTaken(holder.id)));
    }
    let row = args![organization, &before.id, name, external_id, archived, env.now(), time_zone];
    let after = tx.optional(UPDATE, row).await?;
    Ok(after.ok_or(Refused::NoCreator))
}
