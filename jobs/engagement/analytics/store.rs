//! The one statement that all figures of a period come from, so that they fit together whatever happens meanwhile.

use super::Window;
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
};

/// Members who are named as those who contributed most.
const TOP_MAX: i64 = 10;

/// People of the period with their present level, what each did in each kind, what of that counts as interactions, and then
/// the figures, a row for each level, kind or member. Of those who are deleted nothing counts, in no period.
macro_rules! figures {
    ($creator:literal) => {
        concat!(
            "WITH people AS MATERIALIZED (
    SELECT m.id, m.joined_at, e.member_no, coalesce(s.score, 0) AS score, coalesce(s.level, 0) AS level
    FROM members AS m
    LEFT JOIN engagement_members AS e ON e.organization_id = m.organization_id AND e.member_id = m.id
    LEFT JOIN engagement_state AS t ON t.organization_id = m.organization_id
    LEFT JOIN member_scores AS s ON s.version = t.version AND s.member_no = e.member_no
    WHERE m.organization_id = $1 AND ",
            $creator,
            " AND m.deleted_at IS NULL AND m.joined_at < $8
), did AS MATERIALIZED (
    SELECT p.member_no, p.level, d.kind,
        CAST(sum(CASE WHEN d.day >= $3 AND d.n > 0 THEN d.n ELSE 0 END) AS BIGINT) AS n,
        CAST(sum(CASE WHEN d.day < $3 AND d.n > 0 THEN d.n ELSE 0 END) AS BIGINT) AS n_before,
        CAST(sum(CASE WHEN d.day >= $3 THEN d.seconds ELSE 0 END) AS BIGINT) AS seconds,
        max(CASE WHEN d.day = $4 AND d.n > 0 THEN 1 ELSE 0 END) AS today
    FROM people AS p JOIN activity_days AS d ON d.member_no = p.member_no
    WHERE d.day >= $5 AND d.day <= $4 AND (d.day >= $3 OR d.day <= $6)
    GROUP BY p.member_no, p.level, d.kind
), counted AS MATERIALIZED (
    SELECT member_no, level, CAST(sum(n) AS BIGINT) AS n, CAST(sum(n_before) AS BIGINT) AS n_before, max(today) AS today
    FROM did WHERE $10 LIKE '% ' || kind || ' %' GROUP BY member_no, level
), top AS (
    SELECT member_no, level, n FROM counted WHERE n > 0 ORDER BY n DESC, member_no LIMIT $11
)
SELECT 'people' AS figure, NULL AS member_id, level AS place, CAST(count(*) AS BIGINT) AS a,
    CAST(sum(score) AS BIGINT) AS b, CAST(sum(CASE WHEN joined_at >= $7 THEN 1 ELSE 0 END) AS BIGINT) AS c,
    CAST(sum(CASE WHEN joined_at < $9 THEN 1 ELSE 0 END) AS BIGINT) AS d, CAST(0 AS BIGINT) AS e
FROM people GROUP BY level
UNION ALL
SELECT 'active', NULL, level, CAST(sum(CASE WHEN n > 0 THEN 1 ELSE 0 END) AS BIGINT), CAST(sum(n) AS BIGINT),
    CAST(sum(CASE WHEN n_before > 0 THEN 1 ELSE 0 END) AS BIGINT),
    CAST(sum(CASE WHEN n > 0 AND n_before > 0 THEN 1 ELSE 0 END) AS BIGINT), CAST(sum(today) AS BIGINT)
FROM counted GROUP BY level
UNION ALL
SELECT 'kind', NULL, kind, CAST(sum(n) AS BIGINT), CAST(sum(n_before) AS BIGINT), CAST(sum(seconds) AS BIGINT), 0, 0
FROM did GROUP BY kind
UNION ALL
SELECT 'churned', NULL, 0, CAST(count(DISTINCT c.member_id) AS BIGINT), 0, 0, 0, 0
FROM member_churns AS c JOIN people AS p ON p.id = c.member_id
WHERE c.organization_id = $1 AND c.churned_at >= $7 AND c.churned_at < $8
UNION ALL
SELECT 'top', p.id, top.level, top.n, top.member_no, 0, 0, 0 FROM top JOIN people AS p ON p.member_no = top.member_no"
        )
    };
}
const FIGURES: Sql = Sql::both(figures!("CAST($2 AS TEXT) IS NULL"));
/// A text of its own, so that the index on the creator serves it.
const FIGURES_OF_CREATOR: Sql = Sql::both(figures!("m.creator_id = $2"));

/// A row of figures; what they are, the statement says.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Row {
    pub figure: String,
    pub member_id: Option<String>,
    pub place: i64,
    pub a: i64,
    pub b: i64,
    pub c: i64,
    pub d: i64,
    pub e: i64,
}

/// When the days of a window begin and end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    /// The period's first moment.
    pub begin: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// The first moment after the period before.
    pub end_before: Timestamp,
}

/// All figures of a window. `kinds`: the numbers of those that count as interactions, with blanks around each.
pub(super) async fn figures(
    db: &Db,
    (organization, creator): (&str, Option<&str>),
    window: &Window,
    moments: Moments,
    kinds: &str,
) -> Result<Vec<Row>> {
    let sql = if creator.is_some() { FIGURES_OF_CREATOR } else { FIGURES };
    let Window { now, before } = window;
    let Moments { begin, end, end_before } = moments;
    db.all(
        sql,
        args![
            organization, creator, now.from, now.to, before.from, before.to, begin, end, end_before, kinds, TOP_MAX
        ],
    )
    .await
}
