//! A subscription as the API shows it.

use std::collections::{BTreeMap, BTreeSet};

use memberd_jobs::{
    entitlements::store as entitlements,
    kernel::{Timestamp, ports::ObjectType},
    sync::store::read::{self as mirror, ItemRow, SubscriptionRow},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::{
    members::is_hers,
    paying::{PaymentMethod, PlanName},
};
use crate::api::{Answer, ApiState, Caller, Code, Problem, amount};

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
    /// The grant by which it goes on here although it is over at Stripe; null while there is none.
    extended: Option<SubscriptionExtension>,
    /// `charge_automatically` or `send_invoice`.
    #[schema(example = "charge_automatically")]
    collection_method: Option<String>,
    /// Currency code.
    #[schema(example = "usd")]
    currency: Option<String>,
    /// Units of all its items.
    #[schema(minimum = 0, example = 1)]
    quantity: i64,
    /// What it is for: the plan of its first item.
    plan: Option<PlanName>,
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
    /// Why it was cancelled, in Stripe's word.
    #[schema(example = "cancellation_requested")]
    cancel_reason: Option<String>,
    /// When it renews; null when it will not.
    #[schema(value_type = Option<String>, format = DateTime)]
    renews_at: Option<Timestamp>,
    /// When it expires or expired; null when it renews.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What happens to invoices while collection is paused; null: it is not paused.
    #[schema(example = "void")]
    pause_behavior: Option<String>,
    /// What pays it: its own payment method, else its customer's.
    payment_method: Option<PaymentMethod>,
    /// The coupon of its first discount.
    #[schema(example = "SPRING")]
    coupon_id: Option<String>,
    /// What it will become; null without a schedule.
    schedule: Option<SubscriptionSchedule>,
    /// Free keys and values of Stripe's.
    #[schema(value_type = Object)]
    metadata: Value,
    /// Its latest invoice.
    #[schema(example = "in_123")]
    latest_invoice_id: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// What a subscription will become.
#[derive(Serialize, ToSchema)]
struct SubscriptionSchedule {
    /// Stripe's id.
    #[schema(example = "sub_sched_123")]
    id: String,
    /// Stripe's status; null while the schedule has not been mirrored.
    #[schema(example = "active")]
    status: Option<String>,
    /// What becomes of the subscription after the last phase: `cancel` or `release`.
    #[schema(example = "release")]
    end_behavior: Option<String>,
    /// The phases, in order.
    phases: Vec<SchedulePhase>,
}

/// What a subscription holds for a while.
#[derive(Deserialize, Serialize, ToSchema)]
struct SchedulePhase {
    /// When it begins.
    #[schema(value_type = Option<String>, format = DateTime)]
    start_date: Option<Timestamp>,
    /// When it ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    end_date: Option<Timestamp>,
    /// Until when nothing is charged in it.
    #[schema(value_type = Option<String>, format = DateTime)]
    trial_end: Option<Timestamp>,
    /// Its prices.
    items: Vec<SchedulePhaseItem>,
}

/// One price of a phase.
#[derive(Deserialize, Serialize, ToSchema)]
struct SchedulePhaseItem {
    /// Stripe's price.
    #[schema(example = "price_123")]
    price_id: String,
    /// Units.
    #[schema(minimum = 0, example = 1)]
    quantity: i64,
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

/// A grant that prolongs a subscription which is over.
#[derive(Clone, Serialize, ToSchema)]
struct SubscriptionExtension {
    /// The grant.
    #[schema(example = "gra_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    grant_id: String,
    /// The product that she may go on to use.
    #[schema(example = "prod_gold")]
    product_id: String,
    /// Until when; null: for a lifetime.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// What is shown of several subscriptions besides their rows.
pub(super) struct Items {
    contents: BTreeMap<String, Vec<Item>>,
    plans: BTreeMap<String, PlanName>,
    metadata: BTreeMap<String, Value>,
    extended: BTreeMap<String, SubscriptionExtension>,
}

impl Items {
    /// Reads them.
    pub(super) async fn of(
        state: &ApiState,
        caller: &Caller,
        rows: &[SubscriptionRow],
    ) -> Answer<Self> {
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let (db, organization) = (&state.env.db, &caller.organization);
        let mut items: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut plans = BTreeMap::new();
        for row in mirror::items(db, organization, &ids).await? {
            let subscription = row.subscription_id.clone();
            let plan = PlanName::of(row.price_id.clone(), row.plan_name.clone());
            plans.entry(subscription.clone()).or_insert(plan);
            items.entry(subscription).or_default().push(row.into());
        }
        let kind = ObjectType::Subscription;
        Ok(Self {
            contents: items,
            plans,
            metadata: mirror::metadata(&state.env, organization, kind, &ids).await?,
            extended: extended(state, organization, rows).await?,
        })
    }

    /// The subscription with its items.
    pub(super) fn show(&mut self, row: SubscriptionRow) -> Subscription {
        let items: Vec<Item> = self.contents.remove(&row.id).unwrap_or_default();
        let metadata = self.metadata.remove(&row.id);
        let (renews_at, expires_at) = outlook(&row);
        let phases = row.schedule_phases.as_deref().map(serde_json::from_str);
        let phases = phases.and_then(Result::ok).unwrap_or_default();
        Subscription {
            extended: self.extended.remove(&row.id),
            quantity: items.iter().map(|item| item.quantity).sum(),
            plan: self.plans.remove(&row.id),
            items,
            renews_at,
            expires_at,
            cancel_reason: row.cancel_reason,
            payment_method: PaymentMethod::of(row.payment_method),
            coupon_id: row.coupon_id,
            schedule: row.schedule_id.map(|id| SubscriptionSchedule {
                id,
                status: row.schedule_status,
                end_behavior: row.schedule_end_behavior,
                phases,
            }),
            metadata: metadata.unwrap_or_else(|| json!({})),
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

/// By which grants subscriptions go on now, by subscription; of several the one that was given last.
async fn extended(
    state: &ApiState,
    organization: &str,
    rows: &[SubscriptionRow],
) -> Answer<BTreeMap<String, SubscriptionExtension>> {
    let members: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.member_id.as_deref())
        .collect();
    let members: Vec<&str> = members.into_iter().collect();
    let grants = entitlements::extensions(&state.env.db, organization, &members).await?;
    let now = state.env.now();
    let active = grants.into_iter().filter(|grant| grant.is_active(now));
    Ok(active
        .filter_map(|grant| {
            let extension = SubscriptionExtension {
                grant_id: grant.id,
                product_id: grant.product_id,
                until: grant.ends_at,
            };
            Some((grant.subscription_id?, extension))
        })
        .collect())
}

/// The subscription with this id, if it is of a member whom the caller sees.
pub(in crate::api::v1) async fn found(
    state: &ApiState,
    caller: &Caller,
    id: &str,
) -> Answer<SubscriptionRow> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let row = mirror::subscription(db, organization, id).await?;
    if let Some(row) = row
        && is_hers(state, caller, row.member_id.as_deref()).await?
    {
        return Ok(row);
    }
    Err(Problem::new(
        Code::NotFound,
        format!("there is no subscription {id}"),
    ))
}

/// When it renews, or when it expires: never both.
fn outlook(row: &SubscriptionRow) -> (Option<Timestamp>, Option<Timestamp>) {
    let period = row.current_period_end;
    match row.status.as_str() {
        "canceled" | "incomplete_expired" => (None, row.ended_at),
        "incomplete" | "paused" => (None, row.cancel_at),
        _ if row.cancel_at.is_some() => (None, row.cancel_at),
        _ if row.cancel_at_period_end => (None, period),
        _ => (period, None),
    }
}
