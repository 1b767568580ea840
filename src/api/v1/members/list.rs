//! `GET /v1/members`

use axum::extract::State;
use memberd_jobs::{
    creators,
    entitlements::store as entitlements,
    kernel::Timestamp,
    members::{
        normalize_email,
        store::{self as members, Filter, TierFilter},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    include::Includes,
    model::{Around, Member},
};
use crate::api::{
    Answer, ApiState, BillingWord, Caller, Code, Cursor, Json, Limit, Page, Problem, Query,
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
    /// Also members who are deleted.
    #[serde(default)]
    include_deleted: bool,
    /// What to show besides the members; several stand between commas.
    #[param(inline, style = Form, explode = false, example = json!(["entitlements", "purchases"]))]
    #[serde(default)]
    include: Includes,
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

fn impossible(parameter: &str, detail: &str) -> Problem {
    Problem::field(Code::InvalidFilter, format!("?{parameter}"), detail)
}

/// List members
///
/// The organization's members, newest first. All filters must hold.
#[utoipa::path(get, path = "/v1/members", tag = "members", operation_id = "list_members", params(Filters),
    responses((status = 200, description = "A page of members.", body = Page<Member>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Member>>> {
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
    };
    let fetch = filters.limit.fetch();
    let rows = if creator.is_some() || filters.creator_id.is_none() {
        members::list(db, organization, &filter, before.as_deref(), fetch).await?
    } else {
        Vec::new()
    };
    let mut around = Around::of(&state, &caller, &rows, &filters.include).await?;
    let page = list.page(
        rows,
        filters.limit,
        |row| row.id.clone(),
        |row| around.show(row),
    );
    Ok(Json(page))
}
