//! Errors as RFC 9457 problems, with a closed list of codes.

use std::fmt::Write as _;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use memberd_jobs::kernel::db;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    code::Code,
    hide::{hide, hide_in_pointer},
    limits::RETRY_AFTER_SECONDS,
};

/// The answer of an endpoint.
pub type Answer<T> = Result<T, Problem>;

/// Where the codes are explained; a problem's type is this and the code.
const TYPE_BASE: &str = "https://github.com/memberd/memberd/blob/main/docs/errors.md#";

/// What went wrong with one request. The layer around the router writes it out, together with the request's id.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status; usually the code's own.
    pub status: StatusCode,
    /// What sort of problem it is.
    pub code: Code,
    /// This problem, in words: the field, the value and the fix.
    pub detail: String,
    /// The fields it is about.
    pub errors: Vec<FieldError>,
}

/// What is wrong with one field of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: `#` and a JSON pointer into the body, or `?` and the name of a query parameter.
    #[schema(example = "#/due_at")]
    pub pointer: String,
    /// What sort of problem.
    pub code: Code,
    /// What is wrong and how to mend it.
    #[schema(example = "not an RFC 3339 time such as 2026-01-15T10:30:00Z")]
    pub detail: String,
}

/// A problem as RFC 9457 writes it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, title = "Problem")]
pub(super) struct ProblemBody {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    kind: String,
    /// The code in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What sort of problem it is; programs decide by this.
    code: Code,
    /// This problem, in words.
    detail: String,
    /// The id of the request, also in the header `X-Request-Id` and in the log.
    request_id: String,
    /// The fields it is about.
    errors: Vec<FieldError>,
}

impl FieldError {
    fn hidden(&self) -> Self {
        Self {
            pointer: hide_in_pointer(&self.pointer),
            code: self.code,
            detail: hide(&self.detail),
        }
    }
}

impl Problem {
    /// A problem with the code's own status.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// The same with another status, where HTTP has a finer one than our code.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// A problem with one field; its code is also the code of the whole.
    pub fn field(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let whole = Self::new(code, format!("{pointer}: {detail}"));
        Self {
            errors: vec![FieldError {
                pointer,
                code,
                detail,
            }],
            ..whole
        }
    }

    /// The code's status replaced by 422: the request can be read but not done.
    #[must_use]
    pub const fn unprocessable(self) -> Self {
        self.with_status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Something broke on our side; the reason goes to the log, not to the caller.
    pub fn internal(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!(%reason, "a request failed");
        Self::new(
            Code::Internal,
            "something broke in memberd: its log has the reason under this request id",
        )
    }

    /// The response's body. Keys and addresses that the caller wrote are not repeated.
    pub(super) fn body(&self, request_id: &str) -> String {
        let body = ProblemBody {
            kind: format!("{TYPE_BASE}{}", self.code.as_str()),
            title: self.code.title(),
            status: self.status.as_u16(),
            code: self.code,
            detail: hide(&self.detail),
            request_id: request_id.to_owned(),
            errors: self.errors.iter().map(FieldError::hidden).collect(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// Leaves the body to the layer that knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        match self.code {
            Code::Unauthorized => {
                let scheme = HeaderValue::from_static("Bearer realm=\"memberd\"");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            Code::Overloaded | Code::RateLimited | Code::IdempotencyInProgress => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
            }
            Code::PayloadTooLarge => {
                // The rest of the body is not read, so the connection ends here: whoever sends the next request on it
                // would get no answer.
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Busy(_) | db::Error::Unavailable(_) => {
                tracing::warn!(%error, "a request met a busy or absent database");
                Self::new(
                    Code::Overloaded,
                    "the database is busy or away: try again in a moment",
                )
            }
            db::Error::NoDatabase(_)
            | db::Error::SchemaNewer { .. }
            | db::Error::SchemaOlder { .. } => Self::new(Code::SchemaMismatch, error.to_string()),
            db::Error::Conflict(_) | db::Error::LeaseLost | db::Error::Other(_) => {
                Self::internal(&error)
            }
        }
    }
}

/// The page `docs/errors.md`, which a test compares with the file.
pub fn errors_markdown() -> String {
    let mut page = "# Error codes\n\n\
        Every error is an `application/problem+json` document (RFC 9457). `code` is one of this closed list; decide by \
        it, not by the text. `errors[]` names the fields. `request_id` finds the request in the log.\n\n\
        Some belong to parts that are being built and are not answered yet. This page is generated from `src/api/code/table.rs`.\n"
        .to_owned();
    for code in Code::all() {
        let _ = write!(
            page,
            "\n## {}\n\n{}. Status {}.\n\n{}\n",
            code.as_str(),
            code.title(),
            code.status().as_u16(),
            code.about()
        );
    }
    page
}
