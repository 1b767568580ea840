//! The tables `interactions` and `interaction_inbox`, as they are written by whoever tells of interactions.

use std::collections::BTreeSet;

use crate::{
    args, is_of_each,
    engagement::model::Day,
    kernel::{
        Timestamp,
        db::{Result, Row, Sql, Tx},
    },
    of_each,
};

/// An interaction as it is stored.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Who told of it.
    pub source: &'a str,
    /// Its id there.
    pub external_id: &'a str,
    /// `mem_…`
    pub member_id: &'a str,
    /// The kind's number.
    pub kind: i64,
    /// Her creator's local day.
    pub day: Day,
    /// Her audience.
    pub audience_no: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// How long it lasted.
    pub seconds: i64,
    /// JSON, for the timeline.
    pub details: Option<&'a str>,
    /// Whether it was taken back before it was told.
    pub removed: bool,
}

/// A member as far as it matters here.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Member {
    /// `mem_…`
    pub id: String,
    /// Whose member she is; empty for nobody's.
    pub creator_id: String,
    /// Whether she is not deleted.
    pub living: bool,
}

/// What was taken back.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TakenBack {
    /// The source's id.
    pub external_id: String,
    /// `mem_…`
    pub member_id: String,
    /// Her audience of then.
    pub audience_no: i64,
    /// The local day.
    pub day: Day,
    /// The kind's number.
    pub kind: i64,
    /// How long it lasted.
    pub seconds: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
}

const MEMBERS: Sql = of_each!(
    "id, coalesce(creator_id, '') AS creator_id, deleted_at IS NULL AS living",
    "members WHERE organization_id = $1",
    "id", "$2", ""
);
const OWNERS: Sql = of_each!(
    "external_id, member_id",
    "interactions WHERE organization_id = $1 AND source = $2",
    "external_id", "$3", ""
);
const INSERT: Sql = Sql::both(
    "INSERT INTO interactions (organization_id, source, external_id, member_id, kind, day, audience_no, occurred_at,
        seconds, details, received_at, removed_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (organization_id, source, external_id) DO NOTHING RETURNING source, external_id",
);
const TAKE_BACK: Sql = Sql::split(
    "UPDATE interactions SET removed_at = $4
     WHERE organization_id = $1 AND source = $2 AND removed_at IS NULL
       AND external_id IN (SELECT value FROM json_each($3))
     RETURNING external_id, member_id, audience_no, day, kind, seconds, occurred_at",
    concat!(
        "UPDATE interactions SET removed_at = $4 WHERE organization_id = $1 AND ",
        is_of_each!(
            "interactions WHERE organization_id = $1 AND source = $2 AND removed_at IS NULL",
            "external_id", "$3"
        ),
        " RETURNING external_id, member_id, audience_no, day, kind, seconds, occurred_at"
    ),
);
const INSERT_INBOX: Sql = Sql::both(
    "INSERT INTO interaction_inbox (organization_id, member_id, audience_no, day, kind, n, seconds, occurred_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
);

/// The members with these ids.
pub async fn members(tx: &mut Tx, organization: &str, ids: &[&str]) -> Result<Vec<Member>> {
    let ids = serde_json::Value::from(ids).to_string();
    tx.all(MEMBERS, args![organization, ids]).await
}

/// Whose interactions those with these ids are: the source's id and the member.
pub async fn owners(
    tx: &mut Tx,
    organization: &str,
    source: &str,
    ids: &[&str],
) -> Result<Vec<(String, String)>> {
    let ids = serde_json::Value::from(ids).to_string();
    tx.all(OWNERS, args![organization, source, ids]).await
}

/// Stores interactions; answers source and id of those that are new.
pub async fn insert(
    tx: &mut Tx,
    organization: &str,
    new: &[New<'_>],
    now: Timestamp,
) -> Result<BTreeSet<(String, String)>> {
    let row = |one: &New<'_>| {
        args![
            organization.to_owned(), one.source.to_owned(), one.external_id.to_owned(), one.member_id.to_owned(),
            one.kind, one.day, one.audience_no, one.occurred_at, one.seconds, one.details.map(str::to_owned), now,
            one.removed.then_some(now)
        ]
        .to_vec()
    };
    let rows: Vec<Row<'_>> = new.iter().map(row).collect();
    Ok(tx.insert_returning(INSERT, &rows).await?.into_iter().collect())
}

/// Takes interactions back that were not; answers which.
pub async fn take_back(
    tx: &mut Tx,
    organization: &str,
    source: &str,
    ids: &[&str],
    now: Timestamp,
) -> Result<Vec<TakenBack>> {
    let ids = serde_json::Value::from(ids).to_string();
    tx.all(TAKE_BACK, args![organization, source, ids, now]).await
}

/// Puts into the inbox what is to be counted: member, audience, day, kind, number, seconds, time.
pub async fn put_inbox(
    tx: &mut Tx,
    organization: &str,
    rows: &[(&str, i64, Day, i64, i64, i64, Timestamp)],
) -> Result<()> {
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(member, audience, day, kind, n, seconds, at)| {
            args![organization, *member, *audience, *day, *kind, *n, *seconds, *at].to_vec()
        })
        .collect();
    tx.insert(INSERT_INBOX, &rows).await?;
    Ok(())
}
