//! The control API over HTTP.
//!
//! One endpoint is one file below `v1`. Who may use it stands beside its route, in the `mod.rs` of its group. The
//! layers around the router give each request an id, a time limit, metrics, and errors in one form.

mod activity;
mod amount;
mod auth;
mod code;
mod decode;
mod error;
mod etag;
mod extract;
mod given;
mod guard;
mod hide;
pub mod limits;
mod numbers;
mod observe;
mod once;
mod open;
mod openapi;
mod page;
mod rates;
mod request_id;
mod router;
mod serve;
mod state;
#[cfg(test)]
mod tests;
mod v1;
mod words;

pub(crate) use activity::is_id;
pub use amount::{amount, rounded, thousandths};
pub use auth::{Caller, Gate, HOME_ORGANIZATION, KeyCache};
pub use code::Code;
pub use error::{Answer, FieldError, Problem, errors_markdown};
pub use etag::{IfMatch, tag};
pub use extract::{Json, MaybeJson, NoQuery, Path, Query, body};
pub use once::{Begun, DryRun, IDEMPOTENCY_KEY, IdempotencyKey, Kept, Once};
pub use openapi::openapi_text;
pub use page::{Cursor, Limit, List, Page, Paging, place};
pub use rates::{Peer, Proxies, Rates};
pub use request_id::{REQUEST_ID, RequestId};
pub use router::{router, router_with};
pub use serve::{ServeLimits, serve};
pub use state::{ApiState, HttpLimits, Metrics};
pub use v1::EngagementAnalytics;
pub use words::{
    BillingWord, Closed, LevelWord, QueueWord, ReasonWord, ScopeWord, StateWord, Text, Whole, Word,
};
