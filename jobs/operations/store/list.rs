//! Operations as people list them.

use super::Row;
use crate::{
    args,
    kernel::db::{Db, Result, Sql},
    members::{
        Whose,
        store::{Ways, way},
    },
};

/// After all ids.
const LAST: &str = "~";

/// The operations `s` of `$rest`.
macro_rules! operation {
    ($rest:expr) => {
        concat!(
            "SELECT s.id, s.kind, s.account, s.livemode, s.method, s.path, s.form, s.form_hash, s.idempotency_key,
                s.state, s.object_type, s.object_id, s.member_id, s.after_id, s.needs_success, s.sends,
                s.first_sent_at, s.looked_up_at, s.http_status, s.request_id, s.error_code, s.error, s.answer, s.actor,
                s.job_id, s.created_at, s.updated_at, s.ended_at
             FROM ",
            $rest
        )
    };
}
pub(super) use operation;

/// Those out of `$from` of whom `$condition` and all filters hold, newest first.
macro_rules! listed {
    ($from:literal, $condition:literal) => {
        operation!(concat!(
            $from,
            " WHERE s.organization_id = $1 AND ",
            $condition,
            " AND s.id < $3
              AND (CAST($4 AS TEXT) IS NULL OR s.state = $4)
              AND (CAST($5 AS TEXT) IS NULL OR s.object_id = $5)
             ORDER BY s.id DESC LIMIT $6"
        ))
    };
}
pub(super) const LIST: Ways = Ways {
    walk: Sql::both(listed!("stripe_operations AS s", "CAST($2 AS TEXT) IS NULL")),
    look_up: Sql::split(
        listed!("json_each($2) AS t CROSS JOIN stripe_operations AS s", "s.member_id = t.value"),
        listed!(
            "jsonb_array_elements_text($2::jsonb) AS t (whose)
             CROSS JOIN LATERAL (SELECT * FROM stripe_operations AS o
                WHERE o.organization_id = $1 AND o.member_id = t.whose OFFSET 0) AS s",
            "TRUE"
        ),
    ),
    walk_of: Sql::both(listed!(
        "stripe_operations AS s",
        "EXISTS (SELECT 1 FROM members AS m
                 WHERE m.organization_id = $1 AND m.id = s.member_id AND m.creator_id = $2)"
    )),
};

/// Which operations to list. What is `None` does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Where they are in their life.
    pub state: Option<&'a str>,
    /// What they change.
    pub object_id: Option<&'a str>,
    /// Whom they are for.
    pub whose: Whose<'a>,
}

/// Operations, newest first, those with ids below `before`.
pub async fn list(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Row>> {
    let way = way(db, organization, filter.whose).await?;
    let (statement, named) = LIST.take(&way);
    let before = before.unwrap_or(LAST);
    db.all(statement, args![organization, named, before, filter.state, filter.object_id, limit]).await
}

#[cfg(test)]
mod tests;
