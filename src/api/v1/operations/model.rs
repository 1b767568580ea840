//! An operation as the API shows it.

use memberd_jobs::{
    kernel::Timestamp,
    operations::{State, store::Row},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::{Closed, Word};

/// Where an operation is in its life.
pub(super) type OperationState = Word<State>;

impl Closed for State {
    const NAME: &'static str = "OperationState";
    const ABOUT: &'static str = "`pending`: not sent yet. `sent`: on its way. `unknown`: sent, and no answer came; it \
        is sent again with the same key. `succeeded` and `failed` are final.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// Something that is written to Stripe, once.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Operation {
    /// Its id; Stripe's idempotency key is `memberd:` and this.
    #[schema(example = "op_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// What it does.
    #[schema(example = "subscription.cancel")]
    kind: String,
    /// Where it is in its life.
    state: OperationState,
    /// Whether it was only tried out: then it does not exist and nothing will happen.
    dry_run: bool,
    /// The type of what it changes or makes, by Stripe's word.
    #[schema(example = "subscription")]
    object_type: String,
    /// The id of that, once it is known.
    #[schema(example = "sub_123")]
    object_id: Option<String>,
    /// The member it is for.
    member_id: Option<String>,
    /// The operation whose end it waits for.
    after: Option<String>,
    /// The request to Stripe.
    request: Request,
    /// Times it was sent.
    #[schema(minimum = 0)]
    sends: i64,
    /// When it was first sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_sent_at: Option<Timestamp>,
    /// Stripe's id of the request that decided it; ask Stripe's support by it.
    #[schema(example = "req_123")]
    request_id: Option<String>,
    /// Why it failed, or why its outcome is unknown.
    error: Option<OperationError>,
    /// What Stripe answered, without personal data.
    #[schema(value_type = Option<Object>)]
    answer: Value,
    /// The job that sends it.
    job_id: Option<String>,
    /// The API key that ordered it, or who else.
    #[schema(example = "key_4fGh28Xq")]
    actor: String,
    /// When it was ordered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// A request to Stripe. Its form is not shown: it may hold a member's own words.
#[derive(Serialize, ToSchema)]
struct Request {
    /// `POST` or `DELETE`.
    #[schema(example = "POST")]
    method: String,
    /// Path below `/v1`.
    #[schema(example = "/subscriptions/sub_123")]
    path: String,
    /// SHA-256 of method, path and form.
    form_hash: String,
}

/// Why an operation has not succeeded.
#[derive(Serialize, ToSchema)]
struct OperationError {
    /// The HTTP status of Stripe's answer, if there was one.
    #[schema(example = 402)]
    status: Option<i64>,
    /// Stripe's code; or `account_changed`, `not_configured`, `request_changed`, `step_before_failed`, `superseded` when
    /// it was not sent, or not again. Null while the outcome is unknown.
    #[schema(example = "card_declined")]
    code: Option<String>,
    /// The same in words.
    message: String,
}

impl Operation {
    /// The row, of a real operation or of one that is only tried out.
    pub(in crate::api::v1) fn of(row: Row, dry_run: bool) -> Self {
        let state = row.state();
        let error = row.error.filter(|_| state != State::Succeeded);
        Self {
            error: error.map(|message| OperationError {
                status: row.http_status,
                code: row.error_code,
                message,
            }),
            request: Request {
                method: row.method,
                path: row.path,
                form_hash: row.form_hash,
            },
            answer: row
                .answer
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
            id: row.id,
            kind: row.kind,
            state: Word(state),
            dry_run,
            object_type: row.object_type,
            object_id: row.object_id,
            member_id: row.member_id,
            after: row.after_id,
            sends: row.sends,
            first_sent_at: row.first_sent_at,
            request_id: row.request_id,
            job_id: row.job_id.filter(|_| !dry_run),
            actor: row.actor,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
        }
    }
}
