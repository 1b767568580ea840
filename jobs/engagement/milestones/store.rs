//! The tables of milestones, and who may have reached one.

use crate::{
    args,
    engagement::Day,
    kernel::{
        Timestamp,
        db::{Db, Result, Row, Sql, Tx},
    },
};

/// Living members who were active since a day and have reached a threshold that is not noted: with the highest that they have
/// reached all lower ones are.
macro_rules! candidates {
    ($thresholds:literal) => {
        concat!(
            "WITH did AS MATERIALIZED (
    SELECT e.member_no, e.member_id, CAST(sum(CASE WHEN d.n > 0 THEN d.n ELSE 0 END) AS BIGINT) AS interactions
    FROM audiences AS a
    JOIN engagement_members AS e ON e.organization_id = a.organization_id AND e.audience_no = a.audience_no
        AND e.last_day >= $2
    JOIN activity_days AS d ON d.member_no = e.member_no
    WHERE a.organization_id = $1 AND e.member_no > $3 AND $4 LIKE '% ' || d.kind || ' %'
    GROUP BY e.member_no, e.member_id
), thresholds AS (
    SELECT CAST(value AS BIGINT) AS threshold FROM ",
            $thresholds,
            "
), reached AS (
    SELECT did.member_no, did.member_id, did.interactions, max(t.threshold) AS threshold
    FROM did JOIN thresholds AS t ON t.threshold <= did.interactions
    GROUP BY did.member_no, did.member_id, did.interactions
)
SELECT r.member_no, r.member_id, r.interactions FROM reached AS r
JOIN members AS m ON m.organization_id = $1 AND m.id = r.member_id
WHERE m.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM member_milestones AS k
    WHERE k.organization_id = $1 AND k.member_id = r.member_id AND k.metric = 'interactions' AND k.threshold = r.threshold)
ORDER BY r.member_no LIMIT $6"
        )
    };
}
const CANDIDATES: Sql = Sql::split(
    candidates!("json_each($5)"),
    candidates!("jsonb_array_elements_text($5::jsonb) AS t (value)"),
);
const NOTE_MEMBER: Sql = Sql::both(
    "INSERT INTO member_milestones (organization_id, member_id, metric, threshold, reached_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (member_id, metric, threshold) DO NOTHING RETURNING threshold",
);
const NOTE_AUDIENCE: Sql = Sql::both(
    "INSERT INTO audience_milestones (organization_id, creator_id, metric, threshold, reached_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (organization_id, creator_id, metric, threshold) DO NOTHING RETURNING threshold",
);

/// A member who has reached something that is not noted.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Candidate {
    pub member_no: i64,
    pub member_id: String,
    /// All her interactions.
    pub interactions: i64,
}

/// The first of them with numbers above `after`, who were active since a day.
pub(super) async fn candidates(
    db: &Db,
    organization: &str,
    thresholds: &[i64],
    since: Day,
    kinds: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<Candidate>> {
    if thresholds.is_empty() {
        return Ok(Vec::new());
    }
    let thresholds = serde_json::Value::from(thresholds).to_string();
    db.all(CANDIDATES, args![organization, since, after, kinds, thresholds, limit]).await
}

/// Notes what a member has reached; answers what was not noted before.
pub(super) async fn note_member(
    tx: &mut Tx,
    (organization, member): (&str, &str),
    metric: &str,
    reached: impl Iterator<Item = i64>,
    now: Timestamp,
) -> Result<Vec<i64>> {
    note(tx, NOTE_MEMBER, (organization, member), metric, reached, now).await
}

/// Notes what an audience has reached; answers what was not noted before.
pub(super) async fn note_audience(
    tx: &mut Tx,
    (organization, creator): (&str, &str),
    metric: &str,
    reached: impl Iterator<Item = i64>,
    now: Timestamp,
) -> Result<Vec<i64>> {
    note(tx, NOTE_AUDIENCE, (organization, creator), metric, reached, now).await
}

async fn note(
    tx: &mut Tx,
    sql: Sql,
    (organization, subject): (&str, &str),
    metric: &str,
    reached: impl Iterator<Item = i64>,
    now: Timestamp,
) -> Result<Vec<i64>> {
    let row = |threshold| args![organization, subject, metric, threshold, now].to_vec();
    let rows: Vec<Row<'_>> = reached.map(row).collect();
    let new: Vec<(i64,)> = tx.insert_returning(sql, &rows).await?;
    Ok(new.into_iter().map(|row| row.0).collect())
}
