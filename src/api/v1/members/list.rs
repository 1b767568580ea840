//! `GET /v1/members`

use std::{collections::BTreeMap, time::Duration};

use axum::extract::State;
use memberd_jobs::{
    creators,
    entitlements::store as entitlements,
    kernel::{Timestamp, scoring::Level},
    members::{
        normalize_email,
        store::{self as members, Filter, TierFilter},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    include::Includes,
    model::{Around, Member},
};
use crate::api::{
    Answer, ApiState, BillingWord, Caller, Code, Cursor, Json, LevelWord, Limit, Page, Problem,
    Query, Whole,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// The member with this address; upper and lower case are the same.
    #[param(format = Email, example = "jane@example.com")]
    email: Option<String>,
    /// The other system of a foreign key; needs `foreign_key[value]`.
    #[serde(rename = "foreign_key[key]")]
    #[param(example = "stripe")]
    foreign_key: Option<String>,
    /// The id in the other system; needs `foreign_key[key]`.
    #[serde(rename = "foreign_key[value]")]
    #[param(example = "cus_123")]
    foreign_value: Option<String>,
    /// Members in this tier. The default tier has all who pay for none.
    #[param(example = "prod_gold")]
    tier: Option<String>,
    /// Members with this billing status.
    #[param(inline)]
    status: Option<BillingWord>,
    /// Members of this creator, by her id or external id. A narrowed key finds nobody under another than its own.
    #[param(example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    creator_id: Option<String>,
    /// Members with this tag.
    #[param(example = "vip")]
    tag: Option<String>,
    /// Members who are archived, or who are not; both unless said.
    archived: Option<bool>,
    /// Members who joined at this moment or later.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-15T10:30:00Z")]
    joined_after: Option<Timestamp>,
    /// Members who joined before this moment.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-15T10:30:00Z")]
    joined_before: Option<Timestamp>,
    /// Members who became known here at this moment or later.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-15T10:30:00Z")]
    created_after: Option<Timestamp>,
    /// Members who became known here before this moment.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-15T10:30:00Z")]
    created_before: Option<Timestamp>,
    /// Members of this level.
    #[param(inline)]
    engagement_level: Option<LevelWord>,
    /// Members whose newest interaction is at least so many days (of 24 hours) ago; of who never did anything, the joining.
    #[param(inline, example = 30)]
    inactive_days_min: Option<InactiveDays>,
    /// Also members who are deleted.
    #[serde(default)]
    include_deleted: bool,
    /// What to show besides the members; several stand between commas.
    #[param(inline, style = Form, explode = false, example = json!(["entitlements", "purchases"]))]
    #[serde(default)]
    include: Includes,
    /// Whether to count all members for whom the filters hold. That takes longer than a page, the more the more there are.
    #[serde(default)]
    count: bool,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

impl Filters {
    fn foreign_key(&self) -> Answer<Option<(&str, &str)>> {
        match (&self.foreign_key, &self.foreign_value) {
            (Some(key), Some(value)) => Ok(Some((key, value))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(impossible(
                "foreign_key[value]",
                "foreign_key[key] needs it",
            )),
            (None, Some(_)) => Err(impossible(
                "foreign_key[key]",
                "foreign_key[value] needs it",
            )),
        }
    }

    fn email(&self) -> Answer<Option<String>> {
        self.email
            .as_deref()
            .map(|address| {
                normalize_email(address).ok_or_else(|| impossible("email", "this is no address"))
            })
            .transpose()
    }
}

/// Days that somebody may have been inactive.
type InactiveDays = Whole<0, 36_500>;
const DAY: Duration = Duration::from_hours(24);

/// A page of members.
#[derive(Serialize, ToSchema)]
pub(super) struct Members {
    #[serde(flatten)]
    page: Page<Member>,
    /// All members for whom the filters hold: the sum of `segments`. Present with `count=true`, as are those.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, example = 4520)]
    total: Option<i64>,
    /// The same by level.
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Segments>,
}

/// Members by level.
#[derive(Serialize, ToSchema)]
struct Segments {
    /// Members of this level.
    #[schema(minimum = 0, example = 450)]
    superfans: i64,
    /// Members of this level.
    #[schema(minimum = 0, example = 1200)]
    engaged: i64,
    /// Members of this level.
    #[schema(minimum = 0, example = 2100)]
    casual: i64,
    /// All others.
    #[schema(minimum = 0, example = 770)]
    inactive: i64,
}

impl Segments {
    fn of(counts: &BTreeMap<Level, i64>) -> Self {
        let of = |level| counts.get(&level).copied().unwrap_or_default();
        Self {
            superfans: of(Level::Superfan),
            engaged: of(Level::Engaged),
            casual: of(Level::Casual),
            inactive: of(Level::Inactive),
        }
    }
}

fn impossible(parameter: &str, detail: &str) -> Problem {
    Problem::field(Code::InvalidFilter, format!("?{parameter}"), detail)
}

/// List members
///
/// The organization's members, newest first. All filters must hold.
#[utoipa::path(get, path = "/v1/members", tag = "members", operation_id = "list_members", params(Filters),
    responses((status = 200, description = "A page of members.", body = Members)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Members>> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let list = caller.list("members");
    let before = list.position(filters.cursor.as_ref())?;
    let email = filters.email()?;
    let creator = match &filters.creator_id {
        None => caller.creator.clone(),
        Some(word) => {
            let found = creators::find(db, organization, word).await?;
            let own = found.filter(|creator| caller.sees(Some(&creator.id)));
            own.map(|creator| creator.id)
        }
    };
    let default = entitlements::default_tier(db, organization).await?;
    let filter = Filter {
        email: email.as_deref(),
        foreign_key: filters.foreign_key()?,
        tier: filters.tier.as_deref().map(|id| TierFilter {
            id,
            is_default: default.as_deref() == Some(id),
        }),
        status: filters.status.map(|word| word.0.as_str()),
        tag: filters.tag.as_deref(),
        archived: filters.archived,
        joined_after: filters.joined_after,
        joined_before: filters.joined_before,
        created_after: filters.created_after,
        created_before: filters.created_before,
        include_deleted: filters.include_deleted,
        creator: creator.as_deref(),
        level: filters.engagement_level.map(|word| word.0),
        inactive_since: filters.inactive_days_min.map(|days| inactive(&state, days)),
    };
    let is_anybodys = creator.is_some() || filters.creator_id.is_none();
    let (mut rows, mut counts) = (Vec::new(), BTreeMap::new());
    if is_anybodys {
        let fetch = filters.limit.fetch();
        rows = members::list(db, organization, &filter, before.as_deref(), fetch).await?;
        if filters.count {
            counts = members::count(db, organization, &filter).await?;
        }
    }
    let mut around = Around::of(&state, &caller, &rows, &filters.include).await?;
    let page = list.page(
        rows,
        filters.limit,
        |row| row.id.clone(),
        |row| around.show(row),
    );
    Ok(Json(Members {
        page,
        total: filters.count.then(|| counts.values().sum()),
        segments: filters.count.then(|| Segments::of(&counts)),
    }))
}

/// The moment so many days ago.
fn inactive(state: &ApiState, days: InactiveDays) -> Timestamp {
    let days = u32::try_from(days.0).unwrap_or_default();
    state.env.now().minus(DAY.saturating_mul(days))
}
