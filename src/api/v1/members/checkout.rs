//! `POST /v1/members/{id}/checkout`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::operations::{
    CheckoutOrder, Interval, Order, Placed, send_now,
    store::{self, Row},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::model::found;
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, DryRun, IdempotencyKey, Json, Kept, Once, Path, Problem,
    Query, Text, Whole,
    limits::{CHECKOUT_WAIT, TRIAL_DAYS_MAX, URL_CHARS_MAX},
    v1::{
        operations::{Operation, decided, shown},
        plans::IntervalWord,
    },
};

/// An address of the organization's own site.
type Url = Text<URL_CHARS_MAX>;

/// Days before the first payment.
type TrialDays = Whole<1, TRIAL_DAYS_MAX>;

/// A page to pay on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tier_id": "prod_gold", "interval": "month",
    "success_url": "https://example.com/welcome", "cancel_url": "https://example.com/tiers"}))]
pub(super) struct CheckoutBody {
    /// The tier: Stripe's product.
    tier_id: String,
    /// The plan: Stripe's price; without it the tier's newest for the interval.
    plan_id: Option<String>,
    /// How often she pays, where no plan is named; `month` unless said otherwise.
    interval: Option<IntervalWord>,
    /// Where she goes when she has paid.
    success_url: Url,
    /// Where she goes when she has not.
    cancel_url: Option<Url>,
    /// Days before the first payment.
    trial_period_days: Option<TrialDays>,
    /// Whether she may enter a promotion code; `false` unless said otherwise.
    allow_promotion_codes: Option<bool>,
}

/// A page at Stripe on which a member pays.
#[derive(Serialize, ToSchema)]
pub(super) struct Checkout {
    /// The page. Null in a dry run, and in an answer 202: then the operation tells it later.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_123")]
    url: Option<String>,
    /// Stripe's id of the page.
    #[schema(example = "cs_123")]
    id: Option<String>,
    /// When the page closes, in Unix seconds as Stripe says it. Until then her place in the tier is reserved.
    #[schema(example = 1_800_000_000)]
    expires_at: Option<i64>,
    /// The operation that makes it; `answer.url` is the page once it has succeeded.
    operation: Operation,
}

impl Checkout {
    fn of(operation: Operation, row: &Row) -> Self {
        let answer: Value = row
            .answer
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        Self {
            url: answer["url"].as_str().map(str::to_owned),
            id: answer["id"].as_str().map(str::to_owned),
            expires_at: answer["expires_at"].as_i64(),
            operation,
        }
    }
}

/// Make a checkout for a member
///
/// A page at Stripe on which she subscribes to a tier. Her place is reserved until the page closes; asked for the same
/// again meanwhile, the same page is answered. If Stripe does not answer in time, the answer is 202 and the operation
/// goes on.
#[utoipa::path(post, path = "/v1/members/{id}/checkout", tag = "members", operation_id = "create_checkout",
    request_body = CheckoutBody,
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        DryRun,
        IdempotencyKey),
    responses((status = 201, description = "The page.", body = Checkout),
        (status = 202, description = "The operation goes on; or this was a dry run.", body = Checkout)))]
pub(super) async fn checkout(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
    Json(body): Json<CheckoutBody>,
) -> Answer<Response> {
    check("#/success_url", Some(&body.success_url))?;
    check("#/cancel_url", body.cancel_url.as_ref())?;
    let checkout = CheckoutOrder {
        member_id: id,
        tier_id: body.tier_id,
        plan_id: body.plan_id,
        interval: body
            .interval
            .map_or(Interval::Month, |word| word.0)
            .as_str(),
        success_url: body.success_url.0,
        cancel_url: body.cancel_url.map(|url| url.0),
        trial_period_days: body.trial_period_days.map(|days| days.0),
        allow_promotion_codes: body.allow_promotion_codes.unwrap_or(false),
    };
    let dry_run = dry_run.dry_run;
    let once = if dry_run {
        Once::without_key()
    } else {
        let asked = Order::Checkout(checkout.clone());
        match key.begin(&state, &caller, &asked).await? {
            Begun::First(once) => once,
            Begun::Replayed(response) => return Ok(response),
        }
    };
    let decided = decide(&state, &caller, checkout, dry_run, &once).await;
    match once.ended(&state, decided).await? {
        (kept, _) if dry_run => Ok(kept.into_response()),
        (kept, placed) => send(&state, &caller, &placed, kept, &once).await,
    }
}

/// Stripe takes addresses of the web only.
fn check(pointer: &str, url: Option<&Url>) -> Answer<()> {
    let is_web = |url: &Url| {
        let parsed = reqwest::Url::parse(&url.0);
        parsed.is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
    };
    if url.is_none_or(is_web) {
        return Ok(());
    }
    let detail = "an address such as https://example.com/welcome is expected";
    Err(Problem::field(Code::InvalidRequest, pointer, detail))
}

/// Commits the operations, with an answer for the case that nobody gets further.
async fn decide(
    state: &ApiState,
    caller: &Caller,
    mut wanted: CheckoutOrder,
    dry_run: bool,
    once: &Once,
) -> Answer<(Kept, Placed)> {
    wanted.member_id = found(state, caller, &wanted.member_id).await?.id;
    let order = Order::Checkout(wanted);
    let mut tx = state.env.db.begin().await?;
    let placed = decided(&mut tx, state, caller, &order).await?;
    let operation = shown(&mut tx, caller, &placed, dry_run).await?.pop();
    let last = placed
        .operations
        .last()
        .map(String::as_str)
        .unwrap_or_default();
    let row = store::get_in(&mut tx, &caller.organization, last).await?;
    let (Some(operation), Some(row)) = (operation, row) else {
        return Err(Problem::internal(&"an operation vanished"));
    };
    let kept = Kept::json(StatusCode::ACCEPTED, &Checkout::of(operation, &row))?;
    if !dry_run {
        once.settle(&mut tx, &kept).await?;
        tx.commit().await?;
    }
    Ok((kept, placed))
}

/// Sends them, as long as the caller waits; `pending` is the answer if that is not long enough.
async fn send(
    state: &ApiState,
    caller: &Caller,
    placed: &Placed,
    pending: Kept,
    once: &Once,
) -> Answer<Response> {
    let sending = send_now(&state.env, &caller.organization, &placed.operations);
    let row = match tokio::time::timeout(CHECKOUT_WAIT, sending).await {
        Ok(Ok(Some(row))) if row.state().is_final() => row,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a checkout is left to its job");
            return Ok(pending.into_response());
        }
        _ => return Ok(pending.into_response()),
    };
    if row.state() == memberd_jobs::operations::State::Failed {
        return Err(failed(&row));
    }
    let checkout = Checkout::of(Operation::of(row.clone(), false), &row);
    let kept = Kept::json(StatusCode::CREATED, &checkout)?;
    let mut tx = state.env.db.begin().await?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept.into_response())
}

/// Stripe's refusal, as the caller's problem.
fn failed(row: &Row) -> Problem {
    let (code, error) = (row.error_code.as_deref(), row.error.as_deref());
    let detail = format!(
        "stripe refused it with {}: {} (operation {}, request {})",
        code.unwrap_or("no code"),
        error.unwrap_or("no reason"),
        row.id,
        row.request_id.as_deref().unwrap_or("none"),
    );
    let payment = row.http_status == Some(402)
        || matches!(code, Some("card_declined" | "card_error" | "expired_card"));
    if payment {
        Problem::new(Code::PaymentFailed, detail)
    } else {
        Problem::new(Code::InvalidRequest, detail).unprocessable()
    }
}
