//! The table `member_scores`, row by row.

use super::list;
use crate::{
    args,
    engagement::{model::Day, standing::Standing},
    kernel::{
        db::{Result, Row, Sql, Tx},
        scoring::Level,
    },
};

/// A score as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// The member.
    pub member_no: i64,
    /// Her audience.
    pub audience_no: i64,
    /// Where she stands.
    pub standing: Standing,
}

#[derive(sqlx::FromRow)]
struct Stored {
    member_no: i64,
    audience_no: i64,
    sum_0: i64,
    sum_1: i64,
    sum_2: i64,
    sum_3: i64,
    sum_4: i64,
    sum_5: i64,
    sum_6: i64,
    sum_7: i64,
    day: Day,
    score: i64,
    level: i64,
    level_before: i64,
}

impl From<Stored> for Score {
    fn from(row: Stored) -> Self {
        let sums = [
            row.sum_0, row.sum_1, row.sum_2, row.sum_3, row.sum_4, row.sum_5, row.sum_6, row.sum_7,
        ];
        let level = |number| Level::of(number).unwrap_or_default();
        let standing = Standing {
            sums,
            day: row.day,
            score: row.score,
            level: level(row.level),
            level_before: level(row.level_before),
        };
        Self { member_no: row.member_no, audience_no: row.audience_no, standing }
    }
}

macro_rules! columns {
    () => {
        "s.member_no, s.audience_no, s.sum_0, s.sum_1, s.sum_2, s.sum_3, s.sum_4, s.sum_5, s.sum_6, s.sum_7,
         s.day, s.score, s.level, s.level_before"
    };
}

const OF: Sql = Sql::split(
    concat!(
        "SELECT ",
        columns!(),
        " FROM member_scores AS s WHERE s.version = $1 AND s.member_no IN (SELECT value FROM json_each($2))"
    ),
    concat!(
        "SELECT ",
        columns!(),
        " FROM (SELECT jsonb_array_elements_text($2::jsonb)::bigint AS no) AS wanted
         JOIN member_scores AS s ON s.version = $1 AND s.member_no = wanted.no"
    ),
);
const PUT: Sql = Sql::both(
    "INSERT INTO member_scores (version, member_no, audience_no, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7,
        day, score, level, level_before)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
     ON CONFLICT (version, member_no) DO UPDATE SET audience_no = excluded.audience_no,
        sum_0 = excluded.sum_0, sum_1 = excluded.sum_1, sum_2 = excluded.sum_2, sum_3 = excluded.sum_3,
        sum_4 = excluded.sum_4, sum_5 = excluded.sum_5, sum_6 = excluded.sum_6, sum_7 = excluded.sum_7,
        day = excluded.day, score = excluded.score, level = excluded.level, level_before = excluded.level_before",
);
/// The rows that the statement of a shard left to a walk.
const UNSURE: Sql = Sql::both(concat!(
    "SELECT ",
    columns!(),
    " FROM member_scores AS s WHERE s.version = $1 AND s.member_no > $2 AND s.member_no <= $3 AND s.level_before < 0"
));
/// One member of so many, so that each has her turn.
const SAMPLE: Sql = Sql::both(concat!(
    "SELECT ",
    columns!(),
    " FROM member_scores AS s JOIN engagement_members AS e ON e.member_no = s.member_no
     WHERE e.organization_id = $1 AND s.version = $2 AND s.member_no > $3 AND (s.member_no + $4) % $5 = 0
     ORDER BY s.member_no LIMIT $6"
));

/// The scores of members in a version.
pub async fn of(
    tx: &mut Tx,
    version: i64,
    members: impl IntoIterator<Item = i64>,
) -> Result<Vec<Score>> {
    let rows: Vec<Stored> = tx.all(OF, args![version, list(members)]).await?;
    Ok(rows.into_iter().map(Score::from).collect())
}

/// Writes scores, new ones and changed ones.
pub async fn put(tx: &mut Tx, version: i64, scores: &[Score]) -> Result<()> {
    let row = |score: &Score| {
        let Standing { sums, day, score: points, level, level_before } = score.standing;
        let (level, before) = (level.number(), level_before.number());
        args![
            version, score.member_no, score.audience_no, sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6],
            sums[7], day, points, level, before
        ]
        .to_vec()
    };
    let rows: Vec<Row<'_>> = scores.iter().map(row).collect();
    tx.insert(PUT, &rows).await?;
    Ok(())
}

/// Scores of a range of members whose level cannot be told from them alone.
pub async fn unsure(tx: &mut Tx, version: i64, after: i64, to: i64) -> Result<Vec<Score>> {
    let rows: Vec<Stored> = tx.all(UNSURE, args![version, after, to]).await?;
    Ok(rows.into_iter().map(Score::from).collect())
}

/// The scores of the next members after one, of those whose number and `turn` together are a multiple of `of`.
pub async fn sample(
    tx: &mut Tx,
    organization: &str,
    version: i64,
    after: i64,
    (turn, of): (i64, i64),
    limit: i64,
) -> Result<Vec<Score>> {
    let args = args![organization, version, after, turn, of, limit];
    let rows: Vec<Stored> = tx.all(SAMPLE, args).await?;
    Ok(rows.into_iter().map(Score::from).collect())
}
