//! `GET /v1/invoices`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::read::{self as mirror, InvoiceRow},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::paying::{PaymentMethod, PlanName};
use crate::api::{Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query, amount, place};

/// An invoice, in Stripe's words. Amounts are minor units of its currency.
#[derive(Serialize, ToSchema)]
pub(super) struct Invoice {
    /// Stripe's id.
    #[schema(example = "in_123")]
    id: String,
    /// Its number for people.
    #[schema(example = "ABCD-0001")]
    number: Option<String>,
    /// Stripe's customer.
    #[schema(example = "cus_123")]
    customer_id: Option<String>,
    /// The member behind the customer, once it is linked.
    member_id: Option<String>,
    /// The subscription it bills.
    #[schema(example = "sub_123")]
    subscription_id: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    #[schema(example = "paid")]
    status: Option<String>,
    /// Whether it is paid.
    paid: bool,
    /// `charge_automatically` or `send_invoice`.
    #[schema(example = "charge_automatically")]
    collection_method: Option<String>,
    /// Why it was made, in Stripe's word.
    #[schema(example = "subscription_cycle")]
    billing_reason: Option<String>,
    /// What it bills the most for.
    plan: Option<PlanName>,
    /// Currency code.
    #[schema(example = "usd")]
    currency: String,
    /// Before discounts and tax.
    #[schema(example = 999)]
    subtotal: i64,
    /// The same for people.
    #[schema(example = "$9.99")]
    formatted_subtotal: String,
    /// What discounts took off.
    #[schema(example = 0)]
    discount: i64,
    /// The same for people.
    #[schema(example = "$0.00")]
    formatted_discount: String,
    /// Tax in all.
    #[schema(example = 0)]
    tax: i64,
    /// The same for people.
    #[schema(example = "$0.00")]
    formatted_tax: String,
    /// Its rate in hundredths of a percent; null where there is no single one.
    #[schema(example = 1_900)]
    tax_percent_bps: Option<i64>,
    /// Tax included.
    #[schema(example = 999)]
    total: i64,
    /// The same for people.
    #[schema(example = "$9.99")]
    formatted_total: String,
    /// To be paid in all.
    #[schema(example = 999)]
    amount_due: i64,
    /// The same for people.
    #[schema(example = "$9.99")]
    formatted_amount_due: String,
    /// Paid so far.
    #[schema(example = 999)]
    amount_paid: i64,
    /// The same for people.
    #[schema(example = "$9.99")]
    formatted_amount_paid: String,
    /// Still open.
    #[schema(example = 0)]
    amount_remaining: i64,
    /// The same for people.
    #[schema(example = "$0.00")]
    formatted_amount_remaining: String,
    /// Attempts to collect it.
    #[schema(minimum = 0, example = 1)]
    attempt_count: i64,
    /// When it is due, if it is sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_date: Option<Timestamp>,
    /// Start of what it bills.
    #[schema(value_type = Option<String>, format = DateTime)]
    period_start: Option<Timestamp>,
    /// End of what it bills.
    #[schema(value_type = Option<String>, format = DateTime)]
    period_end: Option<Timestamp>,
    /// When it was paid.
    #[schema(value_type = Option<String>, format = DateTime)]
    paid_at: Option<Timestamp>,
    /// What pays it: its own payment method, else its subscription's, else its customer's.
    payment_method: Option<PaymentMethod>,
    /// Its page at Stripe.
    hosted_invoice_url: Option<String>,
    /// Its document at Stripe.
    #[serde(rename = "invoice_pdf")]
    pdf: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<InvoiceRow> for Invoice {
    fn from(row: InvoiceRow) -> Self {
        let formatted = |minor| amount(minor, &row.currency);
        let plan = row.price_id.map(|id| PlanName::of(id, row.plan_name));
        Self {
            paid: row.status.as_deref() == Some("paid"),
            collection_method: row.collection_method,
            billing_reason: row.billing_reason,
            plan,
            subtotal: row.subtotal,
            formatted_subtotal: formatted(row.subtotal),
            discount: row.discount,
            formatted_discount: formatted(row.discount),
            tax: row.tax,
            formatted_tax: formatted(row.tax),
            tax_percent_bps: row.tax_percent_bps,
            period_start: row.period_start,
            period_end: row.period_end,
            payment_method: PaymentMethod::of(row.payment_method),
            pdf: row.invoice_pdf,
            formatted_total: formatted(row.total),
            formatted_amount_due: formatted(row.amount_due),
            formatted_amount_paid: formatted(row.amount_paid),
            formatted_amount_remaining: formatted(row.amount_remaining),
            id: row.id,
            number: row.number,
            customer_id: row.customer_id,
            member_id: row.member_id,
            subscription_id: row.subscription_id,
            status: row.status,
            currency: row.currency,
            total: row.total,
            amount_due: row.amount_due,
            amount_paid: row.amount_paid,
            amount_remaining: row.amount_remaining,
            attempt_count: row.attempt_count,
            due_date: row.due_date,
            paid_at: row.paid_at,
            hosted_invoice_url: row.hosted_invoice_url,
            created_at: row.created_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Invoices of this member.
    #[param(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: Option<String>,
    /// Invoices with this status of Stripe's.
    #[param(example = "open")]
    status: Option<String>,
    /// Invoices of this subscription.
    #[param(example = "sub_123")]
    subscription_id: Option<String>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List invoices
///
/// The organization's invoices as Stripe has them, newest first. All filters must hold.
#[utoipa::path(get, path = "/v1/invoices", tag = "invoices", operation_id = "list_invoices", params(Filters),
    responses((status = 200, description = "A page of invoices.", body = Page<Invoice>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Invoice>>> {
    let list = caller.list("invoices");
    let before = list.place(filters.cursor.as_ref())?;
    let rows = mirror::invoices(
        &state.env.db,
        &caller.organization,
        caller.whose(filters.member_id.as_deref()),
        filters.status.as_deref(),
        filters.subscription_id.as_deref(),
        before.as_ref().map(|(time, id)| (*time, id.as_str())),
        filters.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| place(row.created_at, &row.id),
        Invoice::from,
    )))
}
