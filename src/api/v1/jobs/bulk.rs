//! `POST /v1/jobs/bulk`

use std::{borrow::Cow, collections::BTreeMap};

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::kernel::{
    Timestamp,
    limits::{BULK_FILTER_JOBS_MAX, BULK_IDS_MAX},
    queue::admin::{self, Acted, Action, Filter},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, RefOr, Type, schema::Schema},
};

use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Json, Kept, NoQuery, Once, Problem,
    QueueWord, StateWord, Whole,
};

/// What to do.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum BulkAction {
    Retry,
    Cancel,
}

/// What to do to which jobs: either ids or a filter.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(example = json!({"action": "retry", "filter": {"state": "discarded"}, "expected_count": 3}))]
pub(super) enum BulkBody {
    /// Jobs by their ids.
    Ids(BulkIds),
    /// Jobs by a filter.
    Filter(BulkFilter),
}

/// Jobs by their ids.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkIds {
    /// What to do.
    action: BulkAction,
    /// The jobs.
    #[schema(value_type = Ids)]
    ids: Vec<String>,
}

/// Jobs by a filter.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkFilter {
    /// What to do.
    action: BulkAction,
    /// All conditions must hold.
    filter: JobFilter,
    /// How many jobs the filter is expected to match; if it matches another number, nothing is done.
    expected_count: Expected,
}

/// A number of jobs that may be changed at once.
type Expected = Whole<0, BULK_FILTER_JOBS_MAX>;

/// Conditions on jobs, all of which must hold.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct JobFilter {
    /// In this state.
    state: Option<StateWord>,
    /// Of this kind.
    kind: Option<String>,
    /// In this queue.
    queue: Option<QueueWord>,
    /// About this member.
    member_id: Option<String>,
    /// Fired by this schedule.
    schedule: Option<String>,
    /// Enqueued after this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_after: Option<Timestamp>,
}

/// The ids of one request.
struct Ids;

impl PartialSchema for Ids {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String);
        ArrayBuilder::new()
            .items(id)
            .min_items(Some(1))
            .max_items(Some(BULK_IDS_MAX))
            .into()
    }
}

impl ToSchema for Ids {
    fn name() -> Cow<'static, str> {
        "JobIds".into()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    action: BulkAction,
    ids: Option<Vec<String>>,
    filter: Option<JobFilter>,
    expected_count: Option<Expected>,
}

impl<'de> Deserialize<'de> for BulkBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        let action = read.action;
        match (read.ids, read.filter, read.expected_count) {
            (Some(ids), None, None) if (1..=BULK_IDS_MAX).contains(&ids.len()) => {
                Ok(Self::Ids(BulkIds { action, ids }))
            }
            (Some(_), None, None) => Err(D::Error::custom(format!(
                "ids must hold 1 to {BULK_IDS_MAX} ids"
            ))),
            (None, Some(filter), Some(expected_count)) => Ok(Self::Filter(BulkFilter {
                action,
                filter,
                expected_count,
            })),
            _ => Err(D::Error::custom(
                "give either ids, or filter and expected_count",
            )),
        }
    }
}

/// What became of the jobs.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkResult {
    /// Jobs that were retried, cancelled or asked to stop.
    #[schema(minimum = 0, example = 3)]
    done: usize,
    /// Jobs that were not retried because another with the same key already waits.
    folded: Vec<FoldedJob>,
    /// Jobs that were left as they were.
    refused: Vec<RefusedJob>,
}

/// A job that was not retried because another with the same key already waits.
#[derive(Serialize, ToSchema)]
struct FoldedJob {
    /// The job.
    id: String,
    /// The one that waits.
    into: String,
}

/// A job that was left as it was.
#[derive(Serialize, ToSchema)]
struct RefusedJob {
    /// The job.
    id: String,
    /// Why: `job_running`, `job_final` or `job_not_found`.
    code: Code,
}

impl BulkAction {
    const fn action(self) -> Action {
        match self {
            Self::Retry => Action::Retry,
            Self::Cancel => Action::Cancel,
        }
    }
}

impl BulkResult {
    fn of(acted: BTreeMap<String, Acted>) -> Self {
        let mut result = Self {
            done: 0,
            folded: Vec::new(),
            refused: Vec::new(),
        };
        for (id, acted) in acted {
            let code = match acted {
                Acted::Done => {
                    result.done += 1;
                    continue;
                }
                Acted::Folded(into) => {
                    result.folded.push(FoldedJob { id, into });
                    continue;
                }
                Acted::Running => Code::JobRunning,
                Acted::Final => Code::JobFinal,
                Acted::NotFound => Code::JobNotFound,
            };
            result.refused.push(RefusedJob { id, code });
        }
        result
    }
}

/// Retry or cancel many jobs
///
/// All in one transaction; jobs that cannot be changed are listed and do not stop the others.
#[utoipa::path(post, path = "/v1/jobs/bulk", tag = "jobs", operation_id = "bulk_jobs", request_body = BulkBody,
    params(IdempotencyKey),
    responses((status = 200, description = "What became of them.", body = BulkResult)))]
pub(super) async fn bulk(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<BulkBody>,
) -> Answer<Response> {
    let asked = json!({ "bulk_jobs": body });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let acted = act(&state, &caller, body, &once).await;
    Ok(once.ended(&state, acted).await?.into_response())
}

async fn act(state: &ApiState, caller: &Caller, body: BulkBody, once: &Once) -> Answer<Kept> {
    let (env, organization) = (&state.env, &caller.organization);
    let (mut tx, acted) = match body {
        BulkBody::Ids(BulkIds { action, ids }) => {
            let mut tx = env.db.begin().await?;
            let acted = admin::act(&mut tx, organization, action.action(), &ids, env.now()).await?;
            (tx, acted)
        }
        BulkBody::Filter(body) => {
            let action = body.action.action();
            let expected = body.expected_count.0;
            let filter = body.filter.filter();
            admin::act_on_filter(&env.db, organization, action, &filter, expected, env.now())
                .await?
                .map_err(|found| mismatch(found, expected))?
        }
    };
    let kept = Kept::json(StatusCode::OK, &BulkResult::of(acted))?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}

impl JobFilter {
    fn filter(&self) -> Filter<'_> {
        Filter {
            state: self.state.map(|word| word.0),
            kind: self.kind.as_deref(),
            queue: self.queue.map(|word| word.0),
            member_id: self.member_id.as_deref(),
            schedule: self.schedule.as_deref(),
            created_after: self.created_after,
        }
    }
}

fn mismatch(found: i64, expected: i64) -> Problem {
    let found = if found > BULK_FILTER_JOBS_MAX {
        format!("more than {BULK_FILTER_JOBS_MAX}")
    } else {
        found.to_string()
    };
    Problem::new(
        Code::PreconditionFailed,
        format!("the filter matches {found} jobs, not {expected}: nothing was done"),
    )
}
