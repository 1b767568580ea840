//! What is counted: the inbox, `activity_days`, `audience_activity` and `engagement_members`.

use serde_json::json;

use super::list;
use crate::{
    args,
    engagement::model::Day,
    kernel::{
        Timestamp,
        db::{Db, Result, Row, Sql, Tx},
    },
    of_each,
};

/// A row of the inbox.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Told {
    /// Its number.
    pub inbox_no: i64,
    /// `mem_…`
    pub member_id: String,
    /// Her audience of then.
    pub audience_no: i64,
    /// The local day.
    pub day: Day,
    /// The kind's number.
    pub kind: i64,
    /// 1, or -1 for one that is taken back.
    pub n: i64,
    /// How long it lasted, with the same sign.
    pub seconds: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// A member as the tables of scores know her.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Member {
    /// Her number.
    pub member_no: i64,
    /// `mem_…`
    pub member_id: String,
    /// Her audience.
    pub audience_no: i64,
    /// The day of the newest interaction that is counted.
    pub last_day: Day,
    /// Its time.
    pub last_at: Timestamp,
    /// The level that was last told.
    pub told_level: i64,
}

/// Interactions of a member, a day and a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Activity {
    /// The member, or the audience.
    pub number: i64,
    /// The local day.
    pub day: Day,
    /// The kind's number.
    pub kind: i64,
    /// How many.
    pub n: i64,
    /// How long they lasted together.
    pub seconds: i64,
}

/// What more than this many seconds of a member, a day and a kind count as; the column of PostgreSQL ends there.
macro_rules! seconds_max {
    () => {
        "2147483647"
    };
}

const INBOX: Sql = Sql::both(
    "SELECT inbox_no, member_id, audience_no, day, kind, n, seconds, occurred_at FROM interaction_inbox
     WHERE organization_id = $1 ORDER BY inbox_no LIMIT $2",
);
const WAITING: Sql = Sql::both(
    "SELECT inbox_no FROM interaction_inbox WHERE organization_id = $1 ORDER BY inbox_no LIMIT 1",
);
const EMPTY: Sql = Sql::split(
    "DELETE FROM interaction_inbox WHERE organization_id = $1 AND inbox_no IN (SELECT value FROM json_each($2))",
    "DELETE FROM interaction_inbox AS i USING (SELECT jsonb_array_elements_text($2::jsonb)::bigint AS no) AS wanted
     WHERE i.organization_id = $1 AND i.inbox_no = wanted.no",
);
const MEMBERS: Sql = of_each!(
    "e.member_no, e.member_id, e.audience_no, e.last_day, e.last_at, e.told_level",
    "engagement_members AS e WHERE e.organization_id = $1",
    "e.member_id", "$2", ""
);
const IDS: Sql = Sql::split(
    "SELECT e.member_id FROM engagement_members AS e
     WHERE e.organization_id = $1 AND e.member_no IN (SELECT value FROM json_each($2)) ORDER BY e.member_no",
    "SELECT e.member_id FROM engagement_members AS e
     WHERE e.organization_id = $1 AND e.member_no IN (SELECT jsonb_array_elements_text($2::jsonb)::bigint)
     ORDER BY e.member_no",
);
const INSERT_MEMBER: Sql = Sql::both(
    "INSERT INTO engagement_members (member_id, organization_id, audience_no, last_day, last_at)
     VALUES ($1, $2, $3, $4, $5) RETURNING member_no, member_id, audience_no, last_day, last_at, told_level",
);
const SET_LAST: Sql = Sql::split(
    "UPDATE engagement_members SET last_day = v.last_day, last_at = v.last_at
     FROM (SELECT value ->> 'no' AS no, value ->> 'day' AS last_day, value ->> 'at' AS last_at FROM json_each($2)) AS v
     WHERE organization_id = $1 AND member_no = v.no",
    "UPDATE engagement_members AS e SET last_day = v.day, last_at = v.at
     FROM jsonb_to_recordset($2::jsonb) AS v (no bigint, day bigint, at bigint)
     WHERE e.organization_id = $1 AND e.member_no = v.no",
);
const SET_TOLD: Sql = Sql::split(
    "UPDATE engagement_members SET told_level = v.level
     FROM (SELECT value ->> 'no' AS no, value ->> 'level' AS level FROM json_each($2)) AS v
     WHERE organization_id = $1 AND member_no = v.no",
    "UPDATE engagement_members AS e SET told_level = v.level
     FROM jsonb_to_recordset($2::jsonb) AS v (no bigint, level bigint)
     WHERE e.organization_id = $1 AND e.member_no = v.no",
);
const SET_AUDIENCE: Sql =
    Sql::both("UPDATE engagement_members SET audience_no = $3 WHERE organization_id = $1 AND member_id = $2");
/// The seconds stay within their column.
const ADD: Sql = Sql::split(
    concat!(
        "INSERT INTO activity_days (member_no, day, kind, n, seconds) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (member_no, day, kind) DO UPDATE SET n = activity_days.n + excluded.n,
            seconds = min(max(activity_days.seconds + excluded.seconds, -",
        seconds_max!(),
        "), ",
        seconds_max!(),
        ") RETURNING member_no AS number, day, kind, n, seconds"
    ),
    concat!(
        "INSERT INTO activity_days (member_no, day, kind, n, seconds) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (member_no, day, kind) DO UPDATE SET n = activity_days.n + excluded.n,
            seconds = least(greatest(activity_days.seconds::bigint + excluded.seconds, -",
        seconds_max!(),
        "), ",
        seconds_max!(),
        ") RETURNING member_no AS number, day::bigint AS day, kind::bigint AS kind, n::bigint AS n,
            seconds::bigint AS seconds"
    ),
);
const ADD_TO_AUDIENCE: Sql = Sql::both(
    "INSERT INTO audience_activity (audience_no, day, kind, n, seconds) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (audience_no, day, kind) DO UPDATE SET n = audience_activity.n + excluded.n,
        seconds = audience_activity.seconds + excluded.seconds",
);
const ACTIVITY: Sql = Sql::split(
    "SELECT member_no AS number, day, kind, n, seconds FROM activity_days
     WHERE member_no IN (SELECT value FROM json_each($1)) AND day >= $2 AND day <= $3",
    "SELECT a.member_no AS number, a.day::bigint AS day, a.kind::bigint AS kind, a.n::bigint AS n,
        a.seconds::bigint AS seconds
     FROM (SELECT jsonb_array_elements_text($1::jsonb)::bigint AS no) AS wanted
     JOIN activity_days AS a ON a.member_no = wanted.no AND a.day >= $2 AND a.day <= $3",
);

/// The oldest rows of the inbox.
pub async fn inbox(db: &Db, organization: &str, limit: i64) -> Result<Vec<Told>> {
    db.all(INBOX, args![organization, limit]).await
}

/// Whether something waits to be counted.
pub async fn is_waiting(db: &Db, organization: &str) -> Result<bool> {
    let row: Option<(i64,)> = db.optional(WAITING, args![organization]).await?;
    Ok(row.is_some())
}

/// Deletes rows of the inbox; answers how many there were.
pub async fn empty(
    tx: &mut Tx,
    organization: &str,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<u64> {
    tx.execute(EMPTY, args![organization, list(numbers)]).await
}

/// The members with these ids that are known here.
pub async fn members(tx: &mut Tx, organization: &str, ids: &[&str]) -> Result<Vec<Member>> {
    let ids = serde_json::Value::from(ids).to_string();
    tx.all(MEMBERS, args![organization, ids]).await
}

/// The ids of the members with these numbers.
pub async fn ids(tx: &mut Tx, organization: &str, numbers: Vec<i64>) -> Result<Vec<String>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String,)> = tx.all(IDS, args![organization, list(numbers)]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Gives members their numbers: id, audience, and day and time of the newest interaction.
pub async fn insert_members(
    tx: &mut Tx,
    organization: &str,
    new: &[(&str, i64, Day, Timestamp)],
) -> Result<Vec<Member>> {
    let rows: Vec<Row<'_>> = new
        .iter()
        .map(|(id, audience, day, at)| args![*id, organization, *audience, *day, *at].to_vec())
        .collect();
    tx.insert_returning(INSERT_MEMBER, &rows).await
}

/// Writes the newest interactions: number, day, time.
pub async fn set_last(
    tx: &mut Tx,
    organization: &str,
    last: &[(i64, Day, Timestamp)],
) -> Result<()> {
    if last.is_empty() {
        return Ok(());
    }
    let rows = last.iter().map(|(no, day, at)| json!({ "no": no, "day": day, "at": at.0 }));
    let rows = rows.collect::<serde_json::Value>().to_string();
    tx.execute(SET_LAST, args![organization, rows]).await?;
    Ok(())
}

/// Writes which levels were told: number, level.
pub async fn set_told(
    tx: &mut Tx,
    organization: &str,
    told: impl IntoIterator<Item = (i64, i64)>,
) -> Result<()> {
    let rows = told.into_iter().map(|(no, level)| json!({ "no": no, "level": level }));
    let rows = rows.collect::<serde_json::Value>().to_string();
    tx.execute(SET_TOLD, args![organization, rows]).await?;
    Ok(())
}

/// Moves a member to another audience.
pub async fn set_audience(
    tx: &mut Tx,
    organization: &str,
    member: &str,
    audience: i64,
) -> Result<()> {
    tx.execute(SET_AUDIENCE, args![organization, member, audience]).await?;
    Ok(())
}

/// Adds to members' days; answers what they are then.
pub async fn add(tx: &mut Tx, activity: &[Activity]) -> Result<Vec<Activity>> {
    tx.insert_returning(ADD, &rows(activity)).await
}

/// Adds to audiences' days.
pub async fn add_to_audiences(tx: &mut Tx, activity: &[Activity]) -> Result<()> {
    tx.insert(ADD_TO_AUDIENCE, &rows(activity)).await?;
    Ok(())
}

fn rows(activity: &[Activity]) -> Vec<Row<'_>> {
    let row = |it: &Activity| args![it.number, it.day, it.kind, it.n, it.seconds].to_vec();
    activity.iter().map(row).collect()
}

/// The days of members, from the first to the last.
pub async fn activity(
    tx: &mut Tx,
    members: impl IntoIterator<Item = i64>,
    first: Day,
    last: Day,
) -> Result<Vec<Activity>> {
    tx.all(ACTIVITY, args![list(members), first, last]).await
}
