//! All that is shown of members besides their rows, in one statement: each trip to the database costs more than what it
//! reads, most of all on SQLite, where it is two changes of thread.

use serde::de::DeserializeOwned;

use super::EntitlementRow;
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
    members::store::{KeyRow, TagRow},
};

/// What belongs to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// Whose.
    pub member_id: String,
    /// Her foreign keys.
    pub keys: Vec<KeyRow>,
    /// Her tags, in order.
    pub tags: Vec<TagRow>,
    /// Her entitlements, ended ones too, in the order in which they were derived.
    pub entitlements: Vec<EntitlementRow>,
    /// The organization's default tier, if there is one.
    pub default_tier: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    member_id: String,
    keys: String,
    tags: String,
    entitlements: String,
    default_tier: Option<String>,
}

/// Lists in a row are JSON: `$open` and `$close` make one of rows, `$array` one of columns. `$member` is the member's id, one of
/// `$wanted`, whose order the rows keep.
macro_rules! around {
    ($open:literal, $array:literal, $close:literal, $member:literal, $wanted:literal) => {
        concat!(
            "SELECT ", $member, " AS member_id,
                (SELECT CAST(", $open, $array, "(o.provider, o.external_id)", $close, " AS TEXT) FROM (
                    SELECT k.provider, k.external_id FROM member_keys AS k
                    WHERE k.organization_id = $1 AND k.member_id = ", $member, "
                    ORDER BY k.provider, k.external_id) AS o) AS keys,
                (SELECT CAST(", $open, "o.tag", $close, " AS TEXT) FROM (
                    SELECT t.tag FROM member_tags AS t
                    WHERE t.organization_id = $1 AND t.member_id = ", $member, " ORDER BY t.tag) AS o) AS tags,
                (SELECT CAST(", $open, $array, "(o.id, o.product_id, o.name, o.source_kind, o.source_id, o.started_at,
                        o.ended_at, o.resumes_at, o.resumed_until, o.note, o.created_at, o.updated_at)", $close, " AS TEXT)
                 FROM (
                    SELECT e.id, e.product_id, p.name, e.source_kind, e.source_id, e.started_at, e.ended_at, e.resumes_at,
                        e.resumed_until, e.note, e.created_at, e.updated_at
                    FROM entitlements AS e
                    LEFT JOIN tiers AS p ON p.organization_id = e.organization_id AND p.id = e.product_id
                    WHERE $3 AND e.organization_id = $1 AND e.member_id = ", $member, " ORDER BY e.id) AS o) AS entitlements,
                (SELECT d.id FROM tiers AS d WHERE d.organization_id = $1 AND d.is_default) AS default_tier
             FROM ", $wanted
        )
    };
}
const AROUND: Sql = Sql::split(
    around!("json_group_array(", "json_array", ")", "w.value", "json_each($2) AS w ORDER BY w.key"),
    around!(
        "coalesce(json_agg(",
        "json_build_array",
        "), '[]')",
        "w.id",
        "jsonb_array_elements_text($2::jsonb) WITH ORDINALITY AS w (id, place) ORDER BY w.place"
    ),
);

/// An entitlement as it comes out of [`AROUND`].
type Told = (
    String,
    String,
    Option<String>,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    i64,
    i64,
);

/// What belongs to each of these members, in their order; `entitlements` only if they are wanted.
///
/// # Errors
/// The database's.
pub async fn around(
    db: &Db,
    organization: &str,
    members: &[String],
    entitlements: bool,
) -> Result<Vec<Around>> {
    let ids = serde_json::Value::from(members).to_string();
    let rows: Vec<Row> = db
        .all(AROUND, args![organization, ids, entitlements])
        .await?;
    rows.into_iter().map(Around::of).collect()
}

impl Around {
    fn of(row: Row) -> Result<Self> {
        let member = &row.member_id;
        let keys: Vec<(String, String)> = list(&row.keys)?;
        let tags: Vec<String> = list(&row.tags)?;
        let entitlements: Vec<Told> = list(&row.entitlements)?;
        let key = |(provider, external_id)| KeyRow {
            member_id: member.clone(),
            provider,
            external_id,
        };
        let tag = |tag| TagRow {
            member_id: member.clone(),
            tag,
        };
        Ok(Self {
            keys: keys.into_iter().map(key).collect(),
            tags: tags.into_iter().map(tag).collect(),
            entitlements: entitlements
                .into_iter()
                .map(|told| entitlement(member, told))
                .collect(),
            default_tier: row.default_tier,
            member_id: row.member_id,
        })
    }
}

/// A list that the database has made.
fn list<T: DeserializeOwned>(text: &str) -> Result<Vec<T>> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()).into())
}

fn entitlement(member: &str, told: Told) -> EntitlementRow {
    let (
        id,
        product_id,
        product_name,
        source_kind,
        source_id,
        started_at,
        ended_at,
        resumes_at,
        resumed_until,
        note,
        created_at,
        updated_at,
    ) = told;
    EntitlementRow {
        id,
        member_id: member.to_owned(),
        product_id,
        product_name,
        source_kind,
        source_id,
        started_at: Timestamp(started_at),
        ended_at: ended_at.map(Timestamp),
        resumes_at: resumes_at.map(Timestamp),
        resumed_until: resumed_until.map(Timestamp),
        note,
        created_at: Timestamp(created_at),
        updated_at: Timestamp(updated_at),
    }
}
