//! A subscription as the API shows it.

use std::collections::BTreeMap;

use memberd_jobs::{
    kernel::Timestamp,
    sync::store::read::{self as mirror, ItemRow, SubscriptionRow},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Caller, amount};

/// A subscription, in Stripe's words.
#[derive(Serialize, ToSchema)]
pub(super) struct Subscription {
    /// Stripe's id.
    #[schema(example = "sub_123")]
    id: String,
    /// Stripe's customer.
    #[schema(example = "cus_123")]
    customer_id: String,
    /// The member behind the customer, once it is linked.
    member_id: Option<String>,
    /// Stripe's status.
    #[schema(example = "active")]
    status: String,
    /// `charge_automatically` or `send_invoice`.
    #[schema(example = "charge_automatically")]
    collection_method: Option<String>,
    /// Currency code.
    #[schema(example = "usd")]
    currency: Option<String>,
    /// What it contains.
    items: Vec<Item>,
    /// When it started.
    #[schema(value_type = Option<String>, format = DateTime)]
    start_date: Option<Timestamp>,
    /// When the trial began.
    #[schema(value_type = Option<String>, format = DateTime)]
    trial_start: Option<Timestamp>,
    /// When the trial ends or ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    trial_end: Option<Timestamp>,
    /// Start of the present period.
    #[schema(value_type = Option<String>, format = DateTime)]
    current_period_start: Option<Timestamp>,
    /// End of the present period.
    #[schema(value_type = Option<String>, format = DateTime)]
    current_period_end: Option<Timestamp>,
    /// When it will be cancelled.
    #[schema(value_type = Option<String>, format = DateTime)]
    cancel_at: Option<Timestamp>,
    /// Whether it ends with the present period.
    cancel_at_period_end: bool,
    /// When the cancellation was asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    canceled_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What happens to invoices while collection is paused; null: it is not paused.
    #[schema(example = "void")]
    pause_behavior: Option<String>,
    /// Its latest invoice.
    #[schema(example = "in_123")]
    latest_invoice_id: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// One item of a subscription.
#[derive(Serialize, ToSchema)]
struct Item {
    /// Stripe's id.
    #[schema(example = "si_123")]
    id: String,
    /// Stripe's price.
    #[schema(example = "price_123")]
    price_id: String,
    /// Stripe's product.
    #[schema(example = "prod_gold")]
    product_id: String,
    /// Units.
    #[schema(minimum = 0, example = 1)]
    quantity: i64,
    /// Minor units of one unit for one interval; null when Stripe computes it.
    #[schema(example = 999)]
    unit_amount: Option<i64>,
    /// The same for people.
    #[schema(example = "$9.99")]
    formatted_unit_amount: Option<String>,
    /// Currency code.
    #[schema(example = "usd")]
    currency: Option<String>,
    /// `day`, `week`, `month` or `year`.
    #[schema(example = "month")]
    interval: Option<String>,
    /// Intervals between two charges.
    #[schema(example = 1)]
    interval_count: Option<i64>,
}

impl From<ItemRow> for Item {
    fn from(row: ItemRow) -> Self {
        let currency = row.currency.as_deref();
        let formatted = row.unit_amount.zip(currency);
        Self {
            formatted_unit_amount: formatted.map(|(minor, code)| amount(minor, code)),
            id: row.id,
            price_id: row.price_id,
            product_id: row.product_id,
            quantity: row.quantity,
            unit_amount: row.unit_amount,
            currency: row.currency,
            interval: row.recurring_interval,
            interval_count: row.recurring_interval_count,
        }
    }
}

/// The items of several subscriptions.
pub(super) struct Items(BTreeMap<String, Vec<Item>>);

impl Items {
    /// Reads them.
    pub(super) async fn of(
        state: &ApiState,
        caller: &Caller,
        rows: &[SubscriptionRow],
    ) -> Answer<Self> {
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let mut items: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in mirror::items(&state.env.db, &caller.organization, &ids).await? {
            let subscription = row.subscription_id.clone();
            items.entry(subscription).or_default().push(row.into());
        }
        Ok(Self(items))
    }

    /// The subscription with its items.
    pub(super) fn show(&mut self, row: SubscriptionRow) -> Subscription {
        Subscription {
            items: self.0.remove(&row.id).unwrap_or_default(),
            id: row.id,
            customer_id: row.customer_id,
            member_id: row.member_id,
            status: row.status,
            collection_method: row.collection_method,
            currency: row.currency,
            start_date: row.start_date,
            trial_start: row.trial_start,
            trial_end: row.trial_end,
            current_period_start: row.current_period_start,
            current_period_end: row.current_period_end,
            cancel_at: row.cancel_at,
            cancel_at_period_end: row.cancel_at_period_end,
            canceled_at: row.canceled_at,
            ended_at: row.ended_at,
            pause_behavior: row.pause_behavior,
            latest_invoice_id: row.latest_invoice_id,
            created_at: row.created_at,
        }
    }
}
