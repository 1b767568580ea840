//! What the table `interactions` says of a member.

use crate::{
    args,
    engagement::Day,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
};

const NEWEST: Sql = Sql::both(
    "SELECT i.interaction_no, k.name AS kind, i.occurred_at, i.day, i.seconds, i.source, i.external_id, i.details
     FROM interactions AS i JOIN interaction_kinds AS k ON k.kind = i.kind
     WHERE i.organization_id = $1 AND i.member_id = $2 AND i.removed_at IS NULL
       AND (CAST($3 AS BIGINT) IS NULL OR i.occurred_at < $3 OR (i.occurred_at = $3 AND i.interaction_no < $4))
     ORDER BY i.occurred_at DESC, i.interaction_no DESC LIMIT $5",
);

/// An interaction.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Happened {
    /// Orders interactions of one moment.
    pub interaction_no: i64,
    /// The name of its kind.
    pub kind: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The local day on which it counts.
    pub day: Day,
    /// How long it lasted.
    pub seconds: i64,
    /// Who told of it.
    pub source: String,
    /// Its id there.
    pub external_id: String,
    /// What else was told, as JSON.
    pub details: Option<String>,
}

/// A member's interactions, newest first, those before a moment and number. What was taken back is left out.
pub async fn newest(
    db: &Db,
    organization: &str,
    member: &str,
    before: Option<(Timestamp, i64)>,
    limit: i64,
) -> Result<Vec<Happened>> {
    let (time, number) = before.unzip();
    db.all(NEWEST, args![organization, member, time, number, limit]).await
}
