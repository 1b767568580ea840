//! The table `stripe_objects`: Stripe's JSON as it was answered, with Stripe's time of the answer.

use std::collections::BTreeSet;

use crate::{
    args,
    of_each,
    kernel::{
        Timestamp,
        db::{Db, Result, Row, Sql, Tx},
        ports::{ObjectType, Organization},
    },
};

/// Whose objects: organization, account and mode, which never mix.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// The organization.
    pub organization: &'a str,
    /// Its Stripe account and mode.
    pub stripe: &'a Organization,
}

/// An object as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Object {
    /// Stripe's id.
    pub id: String,
    /// Stripe's JSON.
    pub raw: String,
    /// Stripe's time at which, or after which, it was true.
    pub as_of: Timestamp,
    /// Stripe's time at which, or before which, it was true; earlier than `as_of` in rows of a time before this was kept.
    pub true_until: Timestamp,
    /// Whether it is a tombstone.
    pub deleted: bool,
}

impl Object {
    /// Stripe's time at which, or before which, it was true.
    pub fn until(&self) -> Timestamp {
        self.true_until.max(self.as_of)
    }
}

/// The truth of an object to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a> {
    /// Its type.
    pub kind: ObjectType,
    /// Its id.
    pub id: &'a str,
    /// Stripe's JSON.
    pub raw: &'a str,
    /// Stripe's time at which, or after which, it was true.
    pub as_of: Timestamp,
    /// Stripe's time at which, or before which, it was true.
    pub until: Timestamp,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The API version it was rendered in.
    pub api_version: Option<&'a str>,
}

/// Who inserts an object that was not there when she looked must find that another was faster.
const ADD: Sql = Sql::both(
    "INSERT INTO stripe_objects (organization_id, account, livemode, type, id, raw, as_of, true_until,
        deleted, api_version, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (organization_id, account, livemode, type, id) DO NOTHING RETURNING type, id",
);
/// For rows that are locked.
const SET: Sql = Sql::both(
    "INSERT INTO stripe_objects (organization_id, account, livemode, type, id, raw, as_of, true_until,
        deleted, api_version, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (organization_id, account, livemode, type, id) DO UPDATE SET raw = excluded.raw,
        as_of = excluded.as_of, true_until = excluded.true_until, deleted = excluded.deleted, api_version = excluded.api_version,
        updated_at = excluded.updated_at",
);
const GET: Sql = Sql::both(
    "SELECT id, raw, as_of, true_until, deleted FROM stripe_objects
     WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4 AND id = $5",
);
/// In the order of the key, so that two who lock many never wait for each other.
const LOCK: Sql = of_each!(
    "id, raw, as_of, true_until, deleted",
    "stripe_objects WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4",
    "id", "$5", " ORDER BY id", " FOR UPDATE"
);
const BATCH: Sql = of_each!(
    "id, raw, as_of, true_until, deleted",
    "stripe_objects WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4",
    "id", "$5", ""
);
/// Everything of a type that is not deleted, in pages by id.
const LIVING: Sql = Sql::both(
    "SELECT id, raw, as_of, true_until, deleted FROM stripe_objects
     WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4 AND NOT deleted AND id > $5
     ORDER BY id LIMIT $6",
);
/// Three looks into the primary key, however many rows there are.
const OF_ANOTHER: Sql = Sql::both(
    "SELECT account, livemode FROM (
        SELECT account, livemode FROM stripe_objects WHERE organization_id = $1 AND account < $2 LIMIT 1) AS below
     UNION ALL SELECT account, livemode FROM (
        SELECT account, livemode FROM stripe_objects WHERE organization_id = $1 AND account > $2 LIMIT 1) AS above
     UNION ALL SELECT account, livemode FROM (
        SELECT account, livemode FROM stripe_objects
        WHERE organization_id = $1 AND account = $2 AND livemode = $3 LIMIT 1) AS other_mode",
);
const UNSEEN: Sql = Sql::both(
    "SELECT id FROM stripe_objects AS o
     WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4 AND NOT deleted AND updated_at < $5
       AND id > $6
       AND NOT EXISTS (SELECT 1 FROM sync_seen AS s
                       WHERE s.organization_id = $1 AND s.stream = $7 AND s.object_id = o.id)
     ORDER BY id LIMIT $8",
);
const LIVING_IDS: Sql = Sql::both(
    "SELECT id FROM stripe_objects
     WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4 AND NOT deleted AND id > $5
     ORDER BY id LIMIT $6",
);

/// Account and mode of an object of this organization that is of another account or mode.
pub async fn of_another(db: &Db, scope: &Scope<'_>) -> Result<Option<(String, bool)>> {
    let stripe = scope.stripe;
    db.optional(OF_ANOTHER, args![scope.organization, &stripe.account, !stripe.livemode]).await
}

/// Locks those of the objects that are there, until the transaction ends.
pub async fn lock(
    tx: &mut Tx,
    scope: &Scope<'_>,
    kind: ObjectType,
    ids: &[&str],
) -> Result<Vec<Object>> {
    let ids = serde_json::Value::from(ids).to_string();
    let key = args![
        scope.organization, &scope.stripe.account, scope.stripe.livemode, kind.as_str(), ids
    ];
    tx.all(LOCK, key).await
}

/// Writes objects that are locked.
pub async fn set(tx: &mut Tx, now: Timestamp, scope: &Scope<'_>, all: &[Truth<'_>]) -> Result<()> {
    let rows: Vec<_> = all.iter().map(|truth| row(now, scope, truth)).collect();
    tx.insert(SET, &rows).await?;
    Ok(())
}

/// Writes objects that were not there a moment ago. Answers type and id of those that really were not: of the others
/// another transaction has told something meanwhile.
pub async fn add(
    tx: &mut Tx,
    now: Timestamp,
    scope: &Scope<'_>,
    all: &[Truth<'_>],
) -> Result<BTreeSet<(String, String)>> {
    // In the order of the key, as the locks are.
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by_key(|truth| (truth.kind, truth.id));
    let rows: Vec<_> = sorted.into_iter().map(|truth| row(now, scope, truth)).collect();
    Ok(tx.insert_returning(ADD, &rows).await?.into_iter().collect())
}

fn row<'a>(now: Timestamp, scope: &Scope<'a>, truth: &Truth<'a>) -> Row<'a> {
    args![
        scope.organization,
        &scope.stripe.account,
        scope.stripe.livemode,
        truth.kind.as_str(),
        truth.id,
        truth.raw,
        truth.as_of,
        truth.until,
        truth.deleted,
        truth.api_version,
        now
    ]
    .to_vec()
}

/// One object as we know it.
pub async fn get(db: &Db, scope: &Scope<'_>, kind: ObjectType, id: &str) -> Result<Option<Object>> {
    let key = args![
        scope.organization, &scope.stripe.account, scope.stripe.livemode, kind.as_str(), id
    ];
    db.optional(GET, key).await
}

/// Several objects as we know them.
pub async fn batch(
    db: &Db,
    scope: &Scope<'_>,
    kind: ObjectType,
    ids: &[String],
) -> Result<Vec<Object>> {
    let ids = serde_json::Value::from(ids).to_string();
    let key = args![
        scope.organization, &scope.stripe.account, scope.stripe.livemode, kind.as_str(), ids
    ];
    db.all(BATCH, key).await
}

/// One page of the living objects of a type, by id, after `after`.
pub async fn living(
    db: &Db,
    scope: &Scope<'_>,
    kind: ObjectType,
    after: &str,
    limit: i64,
) -> Result<Vec<Object>> {
    let key = args![
        scope.organization, &scope.stripe.account, scope.stripe.livemode, kind.as_str(), after, limit
    ];
    db.all(LIVING, key).await
}

/// Which of the objects a walk has left over.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    /// The walk's name in the table of what walks have met.
    pub stream: &'a str,
    /// When it began, by our clock: what was written since then needs no second look.
    pub since: Timestamp,
    /// The id after which to begin.
    pub after: &'a str,
}

/// Ids of living objects that a walk has not met and that nobody has written since it began, in the order of ids.
pub async fn unseen(
    tx: &mut Tx,
    scope: &Scope<'_>,
    kind: ObjectType,
    left: &Left<'_>,
    limit: i64,
) -> Result<Vec<String>> {
    let (account, livemode) = (&scope.stripe.account, scope.stripe.livemode);
    let key = args![
        scope.organization, account, livemode, kind.as_str(), left.since, left.after, left.stream, limit
    ];
    let rows: Vec<(String,)> = tx.all(UNSEEN, key).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Ids of living objects after `after`, in the order of ids.
pub async fn living_ids(
    tx: &mut Tx,
    scope: &Scope<'_>,
    kind: ObjectType,
    after: &str,
    limit: i64,
) -> Result<Vec<String>> {
    let key = args![
        scope.organization, &scope.stripe.account, scope.stripe.livemode, kind.as_str(), after, limit
    ];
    let rows: Vec<(String,)> = tx.all(LIVING_IDS, key).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}
