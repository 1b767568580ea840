//! How lists find the rows that belong to somebody.

use crate::{
    args,
    kernel::db::{Db, Result, Sql},
    members::Whose,
};

/// The most members whose rows are looked up member by member. A creator with more has so large a part of all rows that
/// a walk over them, newest first, soon fills a page.
pub(super) const LOOKED_UP_MAX: i64 = 500;

const OF_CREATOR: Sql = Sql::both(
    "SELECT id FROM members
     WHERE organization_id = $1 AND creator_id = $2 AND (CAST($3 AS TEXT) IS NULL OR id = $3) ORDER BY id LIMIT $4",
);

/// How a list finds its rows, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// It walks over all.
    Walk,
    /// It looks up those of these members, a JSON array of ids.
    LookUp(String),
    /// It walks over all and leaves out those whose member is not this creator's.
    WalkOf(String),
}

/// The statements of a list, one for each way. The second parameter is what the way names.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// [`Way::Walk`]
    pub walk: Sql,
    /// [`Way::LookUp`]
    pub look_up: Sql,
    /// [`Way::WalkOf`]
    pub walk_of: Sql,
}

impl Ways {
    /// The statement of a way, and what it names.
    pub fn take<'a>(&self, way: &'a Way) -> (Sql, Option<&'a str>) {
        match way {
            Way::Walk => (self.walk, None),
            Way::LookUp(members) => (self.look_up, Some(members)),
            Way::WalkOf(creator) => (self.walk_of, Some(creator)),
        }
    }
}

/// How to find the rows of whom a caller asks for.
pub async fn way(db: &Db, organization: &str, whose: Whose<'_>) -> Result<Way> {
    let members = match whose {
        Whose { member: None, creator: None } => return Ok(Way::Walk),
        Whose { member: Some(member), creator: None } => vec![member.to_owned()],
        Whose { member, creator: Some(creator) } => {
            let args = args![organization, creator, member, LOOKED_UP_MAX + 1];
            let found: Vec<(String,)> = db.all(OF_CREATOR, args).await?;
            if i64::try_from(found.len()).is_ok_and(|found| found > LOOKED_UP_MAX) {
                return Ok(Way::WalkOf(creator.to_owned()));
            }
            found.into_iter().map(|row| row.0).collect()
        }
    };
    Ok(Way::LookUp(serde_json::Value::from(members).to_string()))
}
