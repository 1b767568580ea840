//! The tables `score_versions`, `score_weights`, `interaction_kinds` and `engagement_state`.

use std::collections::BTreeMap;

use crate::{
    args,
    engagement::model::{Day, Weights},
    kernel::{
        Timestamp,
        db::{Db, Error, Result, Row as Values, Sql, Tx},
    },
};

/// Times it is tried to number kinds while others do the same.
const NUMBER_TRIES_MAX: usize = 5;

/// A version as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Row {
    /// Its number.
    pub version: i64,
    /// The definition as JSON.
    pub scoring: String,
    /// The day whose weight is one unit.
    pub landmark: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where an organization stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct State {
    /// The version that is read.
    pub version: i64,
    /// The version that is being made.
    pub next_version: Option<i64>,
    /// The member up to whom that one is.
    pub rebuilt_to: i64,
}

impl State {
    /// The versions in which a member has a score: the present one, and the next one if it is that far.
    pub fn versions_of(&self, member_no: i64) -> impl Iterator<Item = i64> {
        let next = self.next_version.filter(|_| member_no <= self.rebuilt_to);
        [self.version].into_iter().chain(next)
    }

    /// The versions that are kept up to date.
    pub fn versions(&self) -> impl Iterator<Item = i64> {
        [self.version].into_iter().chain(self.next_version)
    }
}

macro_rules! versions {
    ($rest:literal) => {
        concat!("SELECT version, scoring, landmark, created_at FROM score_versions WHERE ", $rest)
    };
}
/// The versions older than the newest of which no organization has scores or is to have any.
macro_rules! unused {
    () => {
        "SELECT v.version FROM score_versions AS v WHERE v.version < (SELECT max(n.version) FROM score_versions AS n)
           AND NOT EXISTS (SELECT 1 FROM engagement_state AS s WHERE s.version = v.version OR s.next_version = v.version)
           AND NOT EXISTS (SELECT 1 FROM member_scores AS m WHERE m.version = v.version)"
    };
}

const FIND: Sql = Sql::both(versions!("version = $1"));
const NEWEST: Sql = Sql::both(versions!("scoring = $1 ORDER BY version DESC LIMIT 1"));
const INSERT: Sql = Sql::both(
    "INSERT INTO score_versions (version, scoring, landmark, created_at)
     VALUES ((SELECT coalesce(max(v.version), 0) + 1 FROM score_versions AS v), $1, $2, $3) RETURNING version",
);
const INSERT_WEIGHT: Sql =
    Sql::both("INSERT INTO score_weights (version, factor, day, weight) VALUES ($1, $2, $3, $4)");
const WEIGHTS: Sql = Sql::both(
    "SELECT factor, day, weight FROM score_weights WHERE version = $1 ORDER BY factor, day",
);
const KINDS: Sql = Sql::both("SELECT kind, name FROM interaction_kinds");
const INSERT_KIND: Sql = Sql::both(
    "INSERT INTO interaction_kinds (kind, name)
     VALUES ((SELECT coalesce(max(k.kind), 0) + 1 FROM interaction_kinds AS k), $1) ON CONFLICT DO NOTHING",
);
const STATE: Sql = Sql::both(
    "SELECT version, next_version, rebuilt_to FROM engagement_state WHERE organization_id = $1",
);
const LOCK: Sql = Sql::split(
    "SELECT version, next_version, rebuilt_to FROM engagement_state WHERE organization_id = $1",
    "SELECT version, next_version, rebuilt_to FROM engagement_state WHERE organization_id = $1 FOR UPDATE",
);
const BEGIN: Sql = Sql::both(
    "INSERT INTO engagement_state (organization_id, version) VALUES ($1, $2) ON CONFLICT DO NOTHING",
);
const SET: Sql = Sql::both(
    "UPDATE engagement_state SET version = $2, next_version = $3, rebuilt_to = $4 WHERE organization_id = $1",
);
const UNUSED_WEIGHTS: Sql = Sql::both(concat!("DELETE FROM score_weights WHERE version IN (", unused!(), ")"));
const UNUSED: Sql = Sql::both(concat!("DELETE FROM score_versions WHERE version IN (", unused!(), ")"));

/// The version with this number.
pub async fn find(db: &Db, version: i64) -> Result<Option<Row>> {
    db.optional(FIND, args![version]).await
}

/// The newest version with this definition.
pub async fn newest(db: &Db, scoring: &str) -> Result<Option<Row>> {
    db.optional(NEWEST, args![scoring]).await
}

/// Makes a version; answers its number.
///
/// # Errors
/// A conflict when another is made at the same moment.
pub async fn insert(tx: &mut Tx, scoring: &str, landmark: Day, now: Timestamp) -> Result<i64> {
    let (version,): (i64,) = tx.one(INSERT, args![scoring, landmark, now]).await?;
    Ok(version)
}

/// Stores the weights of a version.
pub async fn insert_weights(tx: &mut Tx, version: i64, weights: &Weights) -> Result<()> {
    let mut rows: Vec<Values<'_>> = Vec::new();
    for (factor, of_days) in (0_i64..).zip(weights.of_factors()) {
        let days = (weights.first()..).zip(of_days);
        rows.extend(days.map(|(day, weight)| args![version, factor, day, *weight].to_vec()));
    }
    tx.insert(INSERT_WEIGHT, &rows).await?;
    Ok(())
}

/// The weights of a version: factor, day, weight, in this order.
pub async fn weights(db: &Db, version: i64) -> Result<Vec<(i64, Day, i64)>> {
    db.all(WEIGHTS, args![version]).await
}

/// All kinds that ever had a name: number and name.
pub async fn kinds(db: &Db) -> Result<Vec<(i64, String)>> {
    db.all(KINDS, &[]).await
}

/// The numbers of kinds by their names. Kinds without one get one.
pub async fn number_kinds(tx: &mut Tx, names: &[&str]) -> Result<BTreeMap<String, i64>> {
    for _ in 0..NUMBER_TRIES_MAX {
        let rows: Vec<(i64, String)> = tx.all(KINDS, &[]).await?;
        let known: BTreeMap<String, i64> =
            rows.into_iter().map(|(number, name)| (name, number)).collect();
        if names.iter().all(|name| known.contains_key(*name)) {
            return Ok(known);
        }
        // One by one: each takes the number after the last.
        for name in names.iter().filter(|name| !known.contains_key(**name)) {
            tx.execute(INSERT_KIND, args![*name]).await?;
        }
    }
    Err(Error::Busy("others number kinds of interactions".to_owned()))
}

/// Where an organization stands; `None`: nothing was ever counted.
pub async fn state(db: &Db, organization: &str) -> Result<Option<State>> {
    db.optional(STATE, args![organization]).await
}

/// Locks an organization's scores until the transaction ends.
pub async fn lock(tx: &mut Tx, organization: &str) -> Result<Option<State>> {
    tx.optional(LOCK, args![organization]).await
}

/// Notes that an organization's scores are of this version, if it has none yet.
pub async fn begin(tx: &mut Tx, organization: &str, version: i64) -> Result<()> {
    tx.execute(BEGIN, args![organization, version]).await?;
    Ok(())
}

/// Writes where an organization stands. The caller holds the lock.
pub async fn set(tx: &mut Tx, organization: &str, state: State) -> Result<()> {
    let State { version, next_version, rebuilt_to } = state;
    tx.execute(SET, args![organization, version, next_version, rebuilt_to]).await?;
    Ok(())
}

/// Deletes versions that nobody uses any more.
pub async fn forget_unused(tx: &mut Tx) -> Result<()> {
    tx.execute(UNUSED_WEIGHTS, &[]).await?;
    tx.execute(UNUSED, &[]).await?;
    Ok(())
}
