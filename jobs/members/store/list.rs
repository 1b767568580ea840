//! Lists of members. What a filter names is looked up first, so that it costs the same among many members as among few; what it
//! does not name is walked, newest first.

use super::read::{MemberRow, shown_members};
use crate::kernel::{
    Timestamp,
    db::{Arg, Db, Result, Sql},
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
}

/// After all ids.
const LAST: &str = "~";

/// Members out of `$from` of whom `$condition` and all filters hold, newest first by `$order`.
macro_rules! filtered {
    ($from:literal, $condition:literal, $order:literal) => {
        shown_members!(concat!(
            $from,
            " WHERE m.organization_id = $1 AND ",
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
              AND (CAST($12 AS TEXT) IS NULL OR $12 IN (
                   SELECT g.tag FROM member_tags AS g WHERE g.organization_id = $1 AND g.member_id = m.id))
              AND (NOT $13 OR m.archived_at IS NOT NULL)
              AND (NOT $14 OR m.archived_at IS NULL)
              AND (CAST($15 AS BIGINT) IS NULL OR m.joined_at < $15)
              AND (CAST($16 AS BIGINT) IS NULL OR m.created_at >= $16)
              AND (CAST($17 AS BIGINT) IS NULL OR m.created_at < $17)
              AND (CAST($18 AS TEXT) IS NULL OR m.creator_id = $18)
            ORDER BY ",
            $order,
            " DESC LIMIT $11"
        ))
    };
}
const ALL: Sql = Sql::both(filtered!("members AS m", "TRUE", "m.id"));
/// Each half has an index of its own.
const OF_ADDRESS: Sql = Sql::both(filtered!(
    "members AS m",
    "m.id IN (SELECT e.id FROM members AS e
              WHERE e.organization_id = $1 AND e.email_normalized = $3 AND e.deleted_at IS NULL
              UNION ALL SELECT e.id FROM members AS e
              WHERE e.organization_id = $1 AND e.email_normalized = $3 AND e.deleted_at IS NOT NULL)",
    "m.id"
));
const OF_KEY: Sql = Sql::both(filtered!(
    "members AS m",
    "m.id = (SELECT k.member_id FROM member_keys AS k
             WHERE k.organization_id = $1 AND k.provider = $4 AND k.external_id = $5)",
    "m.id"
));
/// The index on tags is walked in the order of the list.
const OF_TAG: Sql = Sql::both(filtered!(
    "member_tags AS t CROSS JOIN members AS m",
    "t.organization_id = $1 AND t.tag = $12 AND t.member_id < $2 AND m.id = t.member_id",
    "t.member_id"
));
const OF_CREATOR: Sql = Sql::both(filtered!("members AS m", "m.creator_id = $18", "m.id"));

impl Filter<'_> {
    /// The statement that begins with what leaves the fewest members.
    const fn list(&self) -> Sql {
        match self {
            Self { email: Some(_), .. } => OF_ADDRESS,
            Self { foreign_key: Some(_), .. } => OF_KEY,
            Self { tag: Some(_), .. } => OF_TAG,
            Self { creator: Some(_), .. } => OF_CREATOR,
            _ => ALL,
        }
    }

    fn args<'a>(&'a self, organization: &'a str, before: Option<&'a str>, limit: i64) -> [Arg<'a>; 18] {
        let (provider, external_id) = self.foreign_key.unzip();
        [
            organization.into(),
            before.unwrap_or(LAST).into(),
            self.email.into(),
            provider.into(),
            external_id.into(),
            self.tier.map(|tier| tier.id).into(),
            self.tier.is_some_and(|tier| tier.is_default).into(),
            self.status.into(),
            self.joined_after.into(),
            self.include_deleted.into(),
            limit.into(),
            self.tag.into(),
            (self.archived == Some(true)).into(),
            (self.archived == Some(false)).into(),
            self.joined_before.into(),
            self.created_after.into(),
            self.created_before.into(),
            self.creator.into(),
        ]
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
    db.all(filter.list(), &filter.args(organization, before, limit)).await
}

#[cfg(test)]
mod tests;
