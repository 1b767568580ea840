//! The tables `engagement_days` and `engagement_alerts`, and what an audience did on each day.

use super::unusual::Rhythm;
use crate::{
    args,
    engagement::{Day, analytics::Analytics},
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

const INSERT: Sql = Sql::both(
    "INSERT INTO engagement_days (organization_id, creator_id, day, members, active, new, churned, interactions, score_sum,
        inactive, casual, engaged, superfans, taken_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
     ON CONFLICT (organization_id, creator_id, day) DO NOTHING",
);
const SERIES: Sql = Sql::both(
    "SELECT day, members, active, new, churned, interactions, score_sum, superfans, engaged, casual, inactive
     FROM engagement_days WHERE organization_id = $1 AND creator_id = $2 AND day >= $3 AND day <= $4 ORDER BY day",
);
const LAST: Sql = Sql::both(
    "SELECT max(day) AS day FROM engagement_days WHERE organization_id = $1 AND creator_id = $2",
);
const CREATORS: Sql = Sql::both(
    "SELECT c.id, c.time_zone, c.created_at, (SELECT max(d.day) FROM engagement_days AS d
        WHERE d.organization_id = c.organization_id AND d.creator_id = c.id) AS last_day
     FROM creators AS c WHERE c.organization_id = $1 AND c.id > $2 ORDER BY c.id LIMIT $3",
);
const DAILY: Sql = Sql::both(
    "SELECT d.day, CAST(sum(CASE WHEN d.n > 0 THEN d.n ELSE 0 END) AS BIGINT) AS n
     FROM audience_activity AS d JOIN audiences AS a ON a.audience_no = d.audience_no
     WHERE a.organization_id = $1 AND a.creator_id = $2 AND d.day >= $3 AND d.day <= $4
       AND $5 LIKE '% ' || d.kind || ' %'
     GROUP BY d.day",
);
const FIRST: Sql = Sql::both(
    "SELECT min(d.day) AS day FROM audience_activity AS d JOIN audiences AS a ON a.audience_no = d.audience_no
     WHERE a.organization_id = $1 AND a.creator_id = $2",
);
const OPEN: Sql = Sql::both(
    "INSERT INTO engagement_alerts (organization_id, creator_id, direction, opened_day) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING",
);
/// All that are open, but those of one direction.
const RESOLVE: Sql = Sql::both(
    "UPDATE engagement_alerts SET resolved_day = $4
     WHERE organization_id = $1 AND creator_id = $2 AND direction <> $3 AND resolved_day IS NULL
     RETURNING direction, opened_day",
);

/// How a day ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DayRow {
    /// The local day.
    pub day: Day,
    /// Living members.
    pub members: i64,
    /// Those with an interaction.
    pub active: i64,
    /// Those who joined.
    pub new: i64,
    /// Those whose last paid subscription ended.
    pub churned: i64,
    /// Their interactions.
    pub interactions: i64,
    /// Sum of their scores.
    pub score_sum: i64,
    /// Members of this level.
    pub superfans: i64,
    /// Members of this level.
    pub engaged: i64,
    /// Members of this level.
    pub casual: i64,
    /// Members of this level.
    pub inactive: i64,
}

/// A creator, and the last day of which there is a row.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct CreatorRow {
    pub id: String,
    pub time_zone: Option<String>,
    pub created_at: Timestamp,
    pub last_day: Option<Day>,
}

/// An alert that has ended.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Ended {
    pub direction: String,
    pub opened_day: Day,
}

/// Whose day it is: the organization, and the creator's id; empty for all of the organization.
pub(super) type Whose<'a> = (&'a str, &'a str);

/// Writes how a day ended, once; answers whether it was not written before.
pub(super) async fn insert(
    tx: &mut Tx,
    (organization, creator): Whose<'_>,
    of: &Analytics,
    now: Timestamp,
) -> Result<bool> {
    let [inactive, casual, engaged, superfans] = of.levels.map(|level| level.members);
    let written = tx
        .execute(
            INSERT,
            args![
                organization, creator, of.window.now.to, of.members, of.active, of.new, of.churned, of.interactions(),
                of.score_sum, inactive, casual, engaged, superfans, now
            ],
        )
        .await?;
    Ok(written > 0)
}

/// How days ended, in their order. Days on which nobody looked are missing. An empty `creator` means the organization.
pub async fn series(
    db: &Db,
    organization: &str,
    creator: &str,
    from: Day,
    to: Day,
) -> Result<Vec<DayRow>> {
    db.all(SERIES, args![organization, creator, from, to]).await
}

/// The last day of which there is a row.
pub(super) async fn last(db: &Db, (organization, creator): Whose<'_>) -> Result<Option<Day>> {
    let (day,): (Option<Day>,) = db.one(LAST, args![organization, creator]).await?;
    Ok(day)
}

/// Creators of an organization from above `after`.
pub(super) async fn creators(
    db: &Db,
    organization: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<CreatorRow>> {
    db.all(CREATORS, args![organization, after, limit]).await
}

/// What an audience did on each of these days, in the kinds that count. An empty creator means the members of none.
pub(super) async fn rhythm(
    tx: &mut Tx,
    (organization, creator): Whose<'_>,
    from: Day,
    to: Day,
    kinds: &str,
) -> Result<Rhythm> {
    let (first,): (Option<Day>,) = tx.one(FIRST, args![organization, creator]).await?;
    let daily: Vec<(Day, i64)> =
        tx.all(DAILY, args![organization, creator, from, to, kinds]).await?;
    Ok(Rhythm { first, daily: daily.into_iter().collect() })
}

/// Opens an alert, unless one of this direction is open; answers whether it did.
pub(super) async fn open(
    tx: &mut Tx,
    (organization, creator): Whose<'_>,
    direction: &str,
    day: Day,
) -> Result<bool> {
    Ok(tx.execute(OPEN, args![organization, creator, direction, day]).await? > 0)
}

/// Ends what is open, but for one direction.
pub(super) async fn resolve(
    tx: &mut Tx,
    (organization, creator): Whose<'_>,
    but: &str,
    day: Day,
) -> Result<Vec<Ended>> {
    tx.all(RESOLVE, args![organization, creator, but, day]).await
}
