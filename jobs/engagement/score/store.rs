//! What the tables say of where members stand.

use crate::{
    args,
    engagement::{Day, Sums},
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
    of_each,
};

/// `$3` is the list of the kinds that count as interactions, with blanks around each number.
const BRIEF: Sql = of_each!(
    "e.member_id, e.last_at, coalesce(s.score, 0) AS score, coalesce(s.level, 0) AS level,
     (SELECT CAST(coalesce(sum(CASE WHEN d.n > 0 THEN d.n ELSE 0 END), 0) AS BIGINT) FROM activity_days AS d
      WHERE d.member_no = e.member_no AND d.day > CASE WHEN a.day > s.day THEN a.day ELSE s.day END - $4
        AND d.day <= CASE WHEN a.day > s.day THEN a.day ELSE s.day END
        AND $3 LIKE '% ' || d.kind || ' %') AS interactions_30d",
    "engagement_members AS e
     JOIN audiences AS a ON a.organization_id = e.organization_id AND a.audience_no = e.audience_no
     LEFT JOIN engagement_state AS t ON t.organization_id = e.organization_id
     LEFT JOIN member_scores AS s ON s.version = t.version AND s.member_no = e.member_no
     WHERE e.organization_id = $1",
    "e.member_id",
    "$2",
    ""
);
const WHOLE: Sql = Sql::both(
    "SELECT e.member_no, e.audience_no, e.last_day, e.last_at, t.version,
        CASE WHEN a.day > s.day THEN a.day ELSE s.day END AS as_of, s.score, s.level,
        s.sum_0, s.sum_1, s.sum_2, s.sum_3, s.sum_4, s.sum_5, s.sum_6, s.sum_7,
        CAST(d.day AS BIGINT) AS day, CAST(d.kind AS BIGINT) AS kind, CAST(d.n AS BIGINT) AS n
     FROM engagement_members AS e
     JOIN audiences AS a ON a.organization_id = e.organization_id AND a.audience_no = e.audience_no
     JOIN engagement_state AS t ON t.organization_id = e.organization_id
     JOIN member_scores AS s ON s.version = t.version AND s.member_no = e.member_no
     LEFT JOIN activity_days AS d ON d.member_no = e.member_no
     WHERE e.organization_id = $1 AND e.member_id = $2 ORDER BY d.day, d.kind",
);
/// Those above her, less those of them who are deleted: both come out of an index.
const RANK: Sql = Sql::both(
    "SELECT 1 + (SELECT count(*) FROM member_scores AS s
            WHERE s.version = $2 AND s.audience_no = $3 AND s.score > $4)
        + (SELECT count(*) FROM member_scores AS s
            WHERE s.version = $2 AND s.audience_no = $3 AND s.score = $4 AND s.member_no < $5)
        - (SELECT count(*) FROM members AS m
            JOIN engagement_members AS e ON e.organization_id = m.organization_id AND e.member_id = m.id
            JOIN member_scores AS s ON s.version = $2 AND s.member_no = e.member_no
            WHERE m.organization_id = $1 AND m.deleted_at IS NOT NULL AND s.audience_no = $3
              AND (s.score > $4 OR (s.score = $4 AND s.member_no < $5))) AS rank",
);

/// Where a member stands, in short.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct BriefRow {
    pub member_id: String,
    pub last_at: Timestamp,
    pub score: i64,
    pub level: i64,
    pub interactions_30d: i64,
}

/// A member's score with one of her days; without any day, all three are NULL.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct WholeRow {
    #[sqlx(flatten)]
    pub scored: Scored,
    pub day: Option<Day>,
    pub kind: Option<i64>,
    pub n: Option<i64>,
}

/// A member's score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Scored {
    pub member_no: i64,
    pub audience_no: i64,
    pub last_day: Day,
    pub last_at: Timestamp,
    pub version: i64,
    pub as_of: Day,
    pub score: i64,
    pub level: i64,
    sum_0: i64,
    sum_1: i64,
    sum_2: i64,
    sum_3: i64,
    sum_4: i64,
    sum_5: i64,
    sum_6: i64,
    sum_7: i64,
}

impl Scored {
    pub(super) const fn sums(&self) -> Sums {
        [
            self.sum_0, self.sum_1, self.sum_2, self.sum_3, self.sum_4, self.sum_5, self.sum_6, self.sum_7,
        ]
    }
}

/// Where members stand, those of whom anything is known.
pub(super) async fn briefs(
    db: &Db,
    organization: &str,
    members: &[String],
    kinds: &str,
    recent_days: i64,
) -> Result<Vec<BriefRow>> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let ids = serde_json::Value::from(members).to_string();
    db.all(BRIEF, args![organization, ids, kinds, recent_days]).await
}

/// A member's score with all her days, as one statement sees them.
pub(super) async fn whole(db: &Db, organization: &str, member: &str) -> Result<Vec<WholeRow>> {
    db.all(WHOLE, args![organization, member]).await
}

/// Her place among the living members of her audience, from 1.
pub(super) async fn rank(db: &Db, organization: &str, of: &Scored) -> Result<i64> {
    let row = args![organization, of.version, of.audience_no, of.score, of.member_no];
    let (rank,): (i64,) = db.one(RANK, row).await?;
    Ok(rank)
}
