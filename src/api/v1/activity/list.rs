//! `GET /v1/activity`

use axum::extract::State;
use memberd_jobs::{
    access::activity::{self, CLI_METHOD, Filter},
    kernel::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Type, schema::Schema},
};

use crate::api::{Answer, ApiState, Caller, Closed, Cursor, Json, Limit, Page, Query, Word};

/// The method of a call.
type MethodWord = Word<Method>;

/// The methods that routes have, and what stands in their place for commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Method(&'static str);

impl Closed for Method {
    const NAME: &'static str = "CallMethod";
    const ABOUT: &'static str =
        "The HTTP method of a call; `CLI` for a command of the command line.";
    const ALL: &'static [Self] = &[
        Self("GET"),
        Self("HEAD"),
        Self("POST"),
        Self("PUT"),
        Self("PATCH"),
        Self("DELETE"),
        Self(CLI_METHOD),
    ];

    fn word(self) -> &'static str {
        self.0
    }
}

/// Statuses from one to another; 0 is that of calls whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statuses(i64, i64);

/// What [`Statuses`] looks like.
const STATUSES: &str = "^([1-5][0-9]{2}|[1-5]xx|unknown)$";

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let class = text.strip_suffix("xx").and_then(|class| class.parse().ok());
        let read = match (text.as_str(), class, text.parse::<i64>()) {
            ("unknown", ..) => Some(Self(0, 0)),
            (_, Some(class @ 1..=5), _) => Some(Self(class * 100, class * 100 + 99)),
            (_, None, Ok(status @ 100..=599)) => Some(Self(status, status)),
            _ => None,
        };
        let expected = "a status such as 404, a class such as 4xx, or `unknown` is expected";
        read.ok_or_else(|| D::Error::custom(expected))
    }
}

impl PartialSchema for Statuses {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(STATUSES))
            .into()
    }
}

impl ToSchema for Statuses {}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Calls with this key; `cli` for commands.
    #[param(example = "key_4fGh28Xq")]
    key_id: Option<String>,
    /// Calls with this method.
    #[param(inline)]
    method: Option<MethodWord>,
    /// Calls of this route, by its template; of this command, by its words.
    #[param(example = "/v1/members/{id}")]
    route: Option<String>,
    /// Calls with this status (`404`), with one of this class (`4xx`), or whose end is not known (`unknown`).
    #[param(inline, example = "4xx")]
    status: Option<Statuses>,
    /// Calls whose path names this object, or whose answer tells of it.
    #[param(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    object_id: Option<String>,
    /// Calls after this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    created_after: Option<Timestamp>,
    /// Calls before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<Timestamp>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// A call of the API, or a command of the command line that changes something.
#[derive(Serialize, ToSchema)]
pub(super) struct Call {
    /// Its id.
    #[schema(example = "act_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// The key that it came with; `jwt:` and a hash of who came with a token; `cli` for a command.
    #[schema(example = "key_4fGh28Xq")]
    key_id: String,
    /// The HTTP method.
    #[schema(value_type = MethodWord)]
    method: String,
    /// The template of its route; the words of a command, such as `keys create`.
    #[schema(example = "/v1/members/{id}")]
    route: String,
    /// The object that the path named, where it did so by an id of memberd's or Stripe's; else the member whom the answer to a
    /// write told of.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    object_id: Option<String>,
    /// The object that the answer to a write showed, such as the one that was made, or the second that the path named.
    #[schema(example = "job_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    made_id: Option<String>,
    /// The id of the request, as in the log and in its answer.
    #[schema(example = "req_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    request_id: String,
    /// The HTTP status of the answer; of a command 200, or 400 if it did not end with 0. Null: the call began, and its end is not known, because the process or the
    /// connection ended before the answer.
    #[schema(minimum = 100, maximum = 599, example = 200)]
    status: Option<i64>,
    /// How long the answer took.
    #[schema(minimum = 0, example = 4)]
    milliseconds: Option<i64>,
    /// How many calls it stands for. More than one only with status 429: those of one key to one route within a minute
    /// share a row.
    #[schema(minimum = 1, example = 1)]
    calls: i64,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<activity::Call> for Call {
    fn from(row: activity::Call) -> Self {
        Self {
            id: row.id,
            key_id: row.key_id,
            method: row.method,
            route: row.route,
            object_id: row.object_id,
            made_id: row.made_id,
            request_id: row.request_id,
            status: row.status,
            milliseconds: row.milliseconds,
            calls: row.calls,
            created_at: row.created_at,
        }
    }
}

/// List calls
///
/// What was called with the organization's keys, or done by commands, newest first; all filters must hold. Never what was sent or answered.
/// Calls that change something stand here before anything is done; others follow within a second.
///
/// A page looks at a bounded number of calls (10,000, or so many of the key), so that it takes no longer however many there
/// are. Where few of them pass the filter, a page may hold fewer calls than `limit`, or none, and have a `next_cursor` all
/// the same: only a page without one is the last.
#[utoipa::path(get, path = "/v1/activity", tag = "activity", operation_id = "list_activity", params(Filters),
    responses((status = 200, description = "A page of calls.", body = Page<Call>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Call>>> {
    let list = caller.list("activity");
    let before = list.position(filters.cursor.as_ref())?;
    let filter = Filter {
        key_id: filters.key_id.as_deref(),
        method: filters.method.map(|word| word.0.word()),
        route: filters.route.as_deref(),
        status: filters.status.map(|Statuses(from, to)| (from, to)),
        object_id: filters.object_id.as_deref(),
        after: filters.created_after,
        before: filters.created_before,
    };
    let listed = activity::list(
        &state.env.db,
        &caller.organization,
        &filter,
        before.as_deref(),
        filters.limit.rows(),
    )
    .await?;
    let before = listed.before.as_deref();
    Ok(Json(list.page_before(listed.calls, before, Call::from)))
}
