//! The sums of living members, a page at a time.

use crate::{
    args,
    engagement::{Day, Sums},
    kernel::db::{Db, Result, Sql},
};

const PAGE: Sql = Sql::both(
    "SELECT s.member_no, CASE WHEN a.day > s.day THEN a.day ELSE s.day END AS as_of,
        s.sum_0, s.sum_1, s.sum_2, s.sum_3, s.sum_4, s.sum_5, s.sum_6, s.sum_7
     FROM engagement_members AS e
     JOIN audiences AS a ON a.organization_id = e.organization_id AND a.audience_no = e.audience_no
     JOIN members AS m ON m.organization_id = e.organization_id AND m.id = e.member_id
     JOIN member_scores AS s ON s.version = $2 AND s.member_no = e.member_no
     WHERE e.organization_id = $1 AND m.deleted_at IS NULL AND e.member_no > $3
     ORDER BY e.member_no LIMIT $4",
);
const LIVING: Sql = Sql::both(
    "SELECT count(*) FROM members WHERE organization_id = $1 AND deleted_at IS NULL",
);

/// A member's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Row {
    pub member_no: i64,
    pub as_of: Day,
    sum_0: i64,
    sum_1: i64,
    sum_2: i64,
    sum_3: i64,
    sum_4: i64,
    sum_5: i64,
    sum_6: i64,
    sum_7: i64,
}

impl Row {
    pub(super) const fn sums(&self) -> Sums {
        [
            self.sum_0, self.sum_1, self.sum_2, self.sum_3, self.sum_4, self.sum_5, self.sum_6,
            self.sum_7,
        ]
    }
}

/// The sums of a version, of members with numbers above `after`.
pub(super) async fn page(
    db: &Db,
    organization: &str,
    version: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Row>> {
    db.all(PAGE, args![organization, version, after, limit]).await
}

/// How many living members there are.
pub(super) async fn living(db: &Db, organization: &str) -> Result<i64> {
    let (count,): (i64,) = db.one(LIVING, args![organization]).await?;
    Ok(count)
}
