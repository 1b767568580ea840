//! Lists of members. What a filter names is looked up first, so that it costs the same among many members as among few; what it
//! does not name is walked, newest first.

use std::collections::BTreeMap;

use super::read::{MemberRow, shown_members};
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Arg, Db, Result, Sql},
        scoring::Level,
    },
};

/// Which tier members should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierFilter<'a> {
    /// The tier's id.
    pub id: &'a str,
    /// It is the organization's default tier, so members without a paid tier have it too.
    pub is_default: bool,
}

/// Which members to list. What is `None` does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// The address, normalized.
    pub email: Option<&'a str>,
    /// Provider and external id of a foreign key.
    pub foreign_key: Option<(&'a str, &'a str)>,
    /// The tier.
    pub tier: Option<TierFilter<'a>>,
    /// Billing status.
    pub status: Option<&'a str>,
    /// A tag that she has.
    pub tag: Option<&'a str>,
    /// Whether she is archived.
    pub archived: Option<bool>,
    /// Joined at this moment or later.
    pub joined_after: Option<Timestamp>,
    /// Joined before this moment.
    pub joined_before: Option<Timestamp>,
    /// Known here since this moment or later.
    pub created_after: Option<Timestamp>,
    /// Known here since before this moment.
    pub created_before: Option<Timestamp>,
    /// Also the deleted ones.
    pub include_deleted: bool,
    /// The id of the creator whose members they are.
    pub creator: Option<&'a str>,
    /// How engaged she is.
    pub level: Option<Level>,
    /// Her newest interaction, or her joining where there was none, was at this moment or before.
    pub inactive_since: Option<Timestamp>,
}

/// After all ids.
const LAST: &str = "~";

/// The level of the member `m`, as a number.
macro_rules! level {
    () => {
        "coalesce((SELECT s.level FROM engagement_members AS e
            JOIN engagement_state AS t ON t.organization_id = e.organization_id
            JOIN member_scores AS s ON s.version = t.version AND s.member_no = e.member_no
            WHERE e.organization_id = $1 AND e.member_id = m.id), 0)"
    };
}
/// Of whom `$condition` and all filters hold.
macro_rules! conditions {
    ($condition:literal) => {
        concat!(
            $condition,
            " AND m.id < $2
              AND (CAST($3 AS TEXT) IS NULL OR m.email_normalized = $3)
              AND (CAST($4 AS TEXT) IS NULL OR m.id IN (
                   SELECT k.member_id FROM member_keys AS k
                   WHERE k.organization_id = $1 AND k.provider = $4 AND k.external_id = $5))
              AND (CAST($6 AS TEXT) IS NULL OR m.tier_id = $6 OR ($7 AND m.tier_id IS NULL))
              AND (CAST($8 AS TEXT) IS NULL OR m.status = $8)
              AND (CAST($9 AS BIGINT) IS NULL OR m.joined_at >= $9)
              AND ($10 OR m.deleted_at IS NULL)
              AND (CAST($11 AS TEXT) IS NULL OR $11 IN (
                   SELECT g.tag FROM member_tags AS g WHERE g.organization_id = $1 AND g.member_id = m.id))
              AND (NOT $12 OR m.archived_at IS NOT NULL)
              AND (NOT $13 OR m.archived_at IS NULL)
              AND (CAST($14 AS BIGINT) IS NULL OR m.joined_at < $14)
              AND (CAST($15 AS BIGINT) IS NULL OR m.created_at >= $15)
              AND (CAST($16 AS BIGINT) IS NULL OR m.created_at < $16)
              AND (CAST($17 AS TEXT) IS NULL OR m.creator_id = $17)
              AND (CAST($18 AS BIGINT) IS NULL OR coalesce((SELECT e.last_at FROM engagement_members AS e
                   WHERE e.organization_id = $1 AND e.member_id = m.id), m.joined_at) <= $18)
              AND (CAST($19 AS BIGINT) IS NULL OR $19 = ",
            level!(),
            ")"
        )
    };
}
/// Two statements about the same members.
#[derive(Clone, Copy)]
struct Statements {
    /// Some of them, newest first.
    list: Sql,
    /// How many of each level.
    count: Sql,
}
/// Members out of `$from` of whom `$condition` and all filters hold; newest first by `$order`.
macro_rules! filtered {
    ($from:literal, $condition:literal, $order:literal) => {
        Statements {
            list: Sql::both(shown_members!(concat!(
                $from,
                " WHERE m.organization_id = $1 AND ",
                conditions!($condition),
                " ORDER BY ",
                $order,
                " DESC LIMIT $20"
            ))),
            count: Sql::both(concat!(
                "SELECT level, count(*) AS members FROM (SELECT ",
                level!(),
                " AS level FROM ",
                $from,
                " WHERE m.organization_id = $1 AND ",
                conditions!($condition),
                ") AS leveled GROUP BY level"
            )),
        }
    };
}
const ALL: Statements = filtered!("members AS m", "TRUE", "m.id");
/// Each half has an index of its own.
const OF_ADDRESS: Statements = filtered!(
    "members AS m",
    "m.id IN (SELECT e.id FROM members AS e
              WHERE e.organization_id = $1 AND e.email_normalized = $3 AND e.deleted_at IS NULL
              UNION ALL SELECT e.id FROM members AS e
              WHERE e.organization_id = $1 AND e.email_normalized = $3 AND e.deleted_at IS NOT NULL)",
    "m.id"
);
const OF_KEY: Statements = filtered!(
    "members AS m",
    "m.id = (SELECT k.member_id FROM member_keys AS k
             WHERE k.organization_id = $1 AND k.provider = $4 AND k.external_id = $5)",
    "m.id"
);
/// The index on tags is walked in the order of the list.
const OF_TAG: Statements = filtered!(
    "member_tags AS t CROSS JOIN members AS m",
    "t.organization_id = $1 AND t.tag = $11 AND t.member_id < $2 AND m.id = t.member_id",
    "t.member_id"
);
const OF_CREATOR: Statements = filtered!("members AS m", "m.creator_id = $17", "m.id");

impl Filter<'_> {
    /// The statements that begin with what leaves the fewest members.
    const fn statements(&self) -> Statements {
        match self {
            Self { email: Some(_), .. } => OF_ADDRESS,
            Self { foreign_key: Some(_), .. } => OF_KEY,
            Self { tag: Some(_), .. } => OF_TAG,
            Self { creator: Some(_), .. } => OF_CREATOR,
            _ => ALL,
        }
    }

    /// The parameters of its conditions; the limit follows them.
    fn args<'a>(&'a self, organization: &'a str, before: Option<&'a str>) -> Vec<Arg<'a>> {
        let (provider, external_id) = self.foreign_key.unzip();
        args![
            organization,
            before.unwrap_or(LAST),
            self.email,
            provider,
            external_id,
            self.tier.map(|tier| tier.id),
            self.tier.is_some_and(|tier| tier.is_default),
            self.status,
            self.joined_after,
            self.include_deleted,
            self.tag,
            self.archived == Some(true),
            self.archived == Some(false),
            self.joined_before,
            self.created_after,
            self.created_before,
            self.creator,
            self.inactive_since,
            self.level.map(Level::number)
        ]
        .to_vec()
    }
}

/// Members of an organization, newest first, those with ids below `before`.
pub async fn list(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<MemberRow>> {
    let mut args = filter.args(organization, before);
    args.push(limit.into());
    db.all(filter.statements().list, &args).await
}

/// How many members there are of each level; levels without any are missing.
pub async fn count(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
) -> Result<BTreeMap<Level, i64>> {
    let args = filter.args(organization, None);
    let rows: Vec<(i64, i64)> = db.all(filter.statements().count, &args).await?;
    let known = |(level, members)| Some((Level::of(level)?, members));
    Ok(rows.into_iter().filter_map(known).collect())
}

#[cfg(test)]
mod tests;
