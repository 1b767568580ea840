//! What everybody is given: the objects of a business with subscriptions, events about them, and a fake Stripe that lists
//! the objects.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// When the first object was made; each next one is a second younger.
const BORN: i64 = 1_780_000_000;
/// Seconds of a month.
const MONTH: i64 = 30 * 86_400;
/// Monthly prices in cents; each is a product of its own.
const AMOUNTS: [i64; 3] = [499, 999, 2_499];
/// Objects on the largest page.
const PAGE_MAX: usize = 100;

fn product(number: usize) -> Value {
    json!({
        "id": format!("prod_{number}"), "object": "product", "active": true, "attributes": [], "created": BORN,
        "default_price": format!("price_{number}"), "description": null, "images": [], "livemode": false,
        "marketing_features": [], "metadata": {}, "name": format!("Tier {number}"), "package_dimensions": null,
        "shippable": null, "statement_descriptor": null, "tax_code": null, "type": "service", "unit_label": null,
        "updated": BORN, "url": null,
    })
}

fn price(number: usize) -> Value {
    let amount = AMOUNTS[number];
    json!({
        "id": format!("price_{number}"), "object": "price", "active": true, "billing_scheme": "per_unit",
        "created": BORN, "currency": "usd", "custom_unit_amount": null, "livemode": false, "lookup_key": null,
        "metadata": {}, "nickname": null, "product": format!("prod_{number}"),
        "recurring": {"interval": "month", "interval_count": 1, "meter": null, "trial_period_days": null,
                      "usage_type": "licensed"},
        "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": "recurring",
        "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
    })
}

/// A customer. Nobody has a payment method: memberd alone would fetch each.
fn customer(number: usize, balance: i64) -> Value {
    json!({
        "id": format!("cus_{number:06}"), "object": "customer", "address": null, "balance": balance,
        "created": born(number), "currency": "usd", "default_source": null, "delinquent": false, "description": null,
        "discount": null, "email": format!("member{number}@example.com"), "invoice_prefix": format!("B{number:07}"),
        "invoice_settings": {"custom_fields": null, "default_payment_method": null, "footer": null,
                             "rendering_options": null},
        "livemode": false, "metadata": {}, "name": format!("Member {number}"), "next_invoice_sequence": 2,
        "phone": null, "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
    })
}

/// A subscription, after some renewals.
fn subscription(number: usize, renewals: i64) -> Value {
    let (id, start) = (format!("sub_{number:06}"), born(number));
    let (from, until) = (start + renewals * MONTH, start + (renewals + 1) * MONTH);
    let item = json!({
        "id": format!("si_{number:06}"), "object": "subscription_item", "billing_thresholds": null, "created": start,
        "current_period_end": until, "current_period_start": from, "discounts": [], "metadata": {},
        "price": price(number % AMOUNTS.len()), "quantity": 1, "subscription": id, "tax_rates": [],
    });
    json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor": start, "billing_cycle_anchor_config": null, "billing_mode": {"type": "classic"},
        "billing_thresholds": null, "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
        "cancellation_details": {"comment": null, "feedback": null, "reason": null},
        "collection_method": "charge_automatically", "created": start, "currency": "usd",
        "customer": format!("cus_{number:06}"), "days_until_due": null, "default_payment_method": null,
        "default_source": null, "default_tax_rates": [], "description": null, "discounts": [], "ended_at": null,
        "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}},
        "items": {"object": "list", "data": [item], "has_more": false, "total_count": 1,
                  "url": format!("/v1/subscription_items?subscription={id}")},
        "latest_invoice": format!("in_{number:06}_{renewals}"), "livemode": false, "metadata": {},
        "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
        "payment_settings": {"payment_method_options": null, "payment_method_types": null,
                             "save_default_payment_method": "off"},
        "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null,
        "schedule": null, "start_date": start, "status": "active", "test_clock": null, "transfer_data": null,
        "trial_end": null, "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": null,
    })
}

/// The paid invoice of a renewal.
fn invoice(number: usize, renewals: i64) -> Value {
    let (id, amount) = (
        format!("in_{number:06}_{renewals}"),
        AMOUNTS[number % AMOUNTS.len()],
    );
    let at = born(number) + renewals * MONTH;
    json!({
        "id": id, "object": "invoice", "account_country": "US", "account_name": "Bench", "account_tax_ids": null,
        "amount_due": amount, "amount_overpaid": 0, "amount_paid": amount, "amount_remaining": 0,
        "amount_shipping": 0, "application": null, "attempt_count": 1, "attempted": true, "auto_advance": false,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "status": null},
        "billing_reason": "subscription_cycle", "collection_method": "charge_automatically", "created": at,
        "currency": "usd", "custom_fields": null, "customer": format!("cus_{number:06}"), "customer_address": null,
        "customer_email": format!("member{number}@example.com"), "customer_name": format!("Member {number}"),
        "customer_phone": null, "customer_shipping": null, "customer_tax_exempt": "none", "customer_tax_ids": [],
        "default_payment_method": null, "default_source": null, "default_tax_rates": [], "description": null,
        "discounts": [], "due_date": null, "effective_at": at, "ending_balance": 0, "footer": null,
        "from_invoice": null, "hosted_invoice_url": format!("https://example.com/i/{id}"),
        "invoice_pdf": format!("https://example.com/i/{id}/pdf"), "issuer": {"type": "self"},
        "last_finalization_error": null, "latest_revision": null,
        "lines": {"object": "list", "data": [], "has_more": false, "total_count": 0,
                  "url": format!("/v1/invoices/{id}/lines")},
        "livemode": false, "metadata": {}, "next_payment_attempt": null,
        "number": format!("B{number:07}-{renewals:04}"), "on_behalf_of": null,
        "parent": {"quote_details": null, "type": "subscription_details",
                   "subscription_details": {"metadata": {}, "subscription": format!("sub_{number:06}")}},
        "payment_settings": {"default_mandate": null, "payment_method_options": null, "payment_method_types": null},
        "period_end": at, "period_start": at - MONTH, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null, "shipping_cost": null,
        "shipping_details": null, "starting_balance": 0, "statement_descriptor": null, "status": "paid",
        "status_transitions": {"finalized_at": at, "marked_uncollectible_at": null, "paid_at": at, "voided_at": null},
        "subtotal": amount, "subtotal_excluding_tax": amount, "test_clock": null, "total": amount,
        "total_discount_amounts": [], "total_excluding_tax": amount, "total_pretax_credit_amounts": [],
        "total_taxes": [], "webhooks_delivered_at": at,
    })
}

fn born(number: usize) -> i64 {
    BORN + i64::try_from(number).unwrap()
}

/// The balance of a customer after the day of renewals.
fn moved(number: usize) -> i64 {
    -1 - i64::try_from(number % 90).unwrap()
}

/// A day of renewals: for each member a customer with another balance, a subscription with its next period and a new
/// paid invoice, in this order. Every event is about another object, and made in this very second.
pub(crate) fn renewals(members: usize, api_version: &str, now: i64) -> Vec<String> {
    let told = |member: usize| {
        [
            (
                "customer.updated",
                customer(member, moved(member)),
                Some(json!({"balance": 0})),
            ),
            (
                "customer.subscription.updated",
                subscription(member, 1),
                Some(json!({})),
            ),
            ("invoice.paid", invoice(member, 1), None),
        ]
    };
    let all = (0..members).flat_map(told).enumerate();
    all.map(|(at, (kind, object, previous))| {
        let mut data = json!({ "object": object });
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        json!({
            "id": format!("evt_{at:014}"), "object": "event", "api_version": api_version, "created": now,
            "data": data, "livemode": false, "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null}, "type": kind,
        })
        .to_string()
    })
    .collect()
}

/// An OpenAPI document of the objects above: one of the peers makes its columns from Stripe's own.
pub(crate) fn description() -> Value {
    let kind = |value: &Value| match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null | Value::String(_) => "string",
    };
    let account = json!({ "id": "acct_bench", "object": "account", "business_profile": {}, "settings": {},
        "country": "US", "email": "", "created": 1, "charges_enabled": true, "payouts_enabled": true,
        "details_submitted": true, "type": "standard", "metadata": {} });
    let whole = subscription(0, 0);
    let item = whole["items"]["data"][0].clone();
    let objects = [
        ("account", account),
        ("customer", customer(0, 0)),
        ("subscription", whole),
        ("subscription_item", item),
        ("invoice", invoice(0, 1)),
        ("price", price(0)),
        ("product", product(0)),
    ];
    let mut schemas = json!({});
    for (name, object) in objects {
        let fields = object.as_object().unwrap().iter();
        let fields: serde_json::Map<String, Value> = fields
            .map(|(field, value)| {
                (
                    field.clone(),
                    json!({"type": kind(value), "nullable": true}),
                )
            })
            .collect();
        schemas[name] = json!({"type": "object", "x-resourceId": name, "properties": fields});
    }
    json!({"openapi": "3.0.0", "info": {"version": "2020-08-27"}, "paths": {}, "components": {"schemas": schemas}})
}

/// One list: age and text of its objects, the newest first, and where each id is.
#[derive(Debug)]
struct List {
    objects: Vec<(i64, String)>,
    places: BTreeMap<String, usize>,
}

impl List {
    fn of(mut objects: Vec<Value>) -> Self {
        objects.sort_by_key(|object| std::cmp::Reverse(object["created"].as_i64()));
        let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
        Self {
            places: objects
                .iter()
                .enumerate()
                .map(|(at, object)| (id(object), at))
                .collect(),
            objects: objects
                .iter()
                .map(|it| (it["created"].as_i64().unwrap(), it.to_string()))
                .collect(),
        }
    }

    fn page(&self, path: &str, query: &BTreeMap<String, String>) -> Response {
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok());
        let limit = number("limit")
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(10)
            .min(PAGE_MAX);
        let from = match query.get("starting_after").map(|id| self.places.get(id)) {
            Some(Some(at)) => at + 1,
            Some(None) => return refusal(StatusCode::BAD_REQUEST),
            None => 0,
        };
        // The lists are sorted, so a time is a place.
        let younger = |than: i64| {
            self.objects
                .partition_point(|(created, _)| *created >= than)
        };
        let end = number("created[gte]").or_else(|| number("created[gt]").map(|it| it + 1));
        let start = number("created[lt]").or_else(|| number("created[lte]").map(|it| it + 1));
        let end = end.map_or(self.objects.len(), younger);
        let from = from.max(start.map_or(0, younger)).min(end);
        // Nothing here is inactive.
        let from = if query.get("active").is_some_and(|active| active == "false") {
            end
        } else {
            from
        };
        let until = end.min(from + limit);
        let data: Vec<&str> = self.objects[from..until]
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        let more = until < end;
        let text = format!(
            r#"{{"object":"list","url":"{path}","has_more":{more},"data":[{}]}}"#,
            data.join(",")
        );
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
}

fn refusal(status: StatusCode) -> Response {
    let text = r#"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such object"}}"#;
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The fake Stripe: lists and objects, read only.
#[derive(Debug)]
pub(crate) struct Fake {
    lists: BTreeMap<&'static str, List>,
    requests: AtomicU64,
    by_path: Mutex<BTreeMap<String, u64>>,
}

impl Fake {
    /// Serves a business with so many members; answers its port, too.
    pub(crate) async fn serve(members: usize) -> (Arc<Self>, u16) {
        let of = |count: usize, one: fn(usize) -> Value| List::of((0..count).map(one).collect());
        let fake = Arc::new(Self {
            lists: BTreeMap::from([
                ("products", of(AMOUNTS.len(), product)),
                ("prices", of(AMOUNTS.len(), price)),
                ("customers", of(members, |number| customer(number, 0))),
                (
                    "subscriptions",
                    of(members, |number| subscription(number, 0)),
                ),
            ]),
            requests: AtomicU64::new(0),
            by_path: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        TaskTracker::new().spawn(async move { axum::serve(listener, routes).await });
        (fake, port)
    }

    /// Requests since the last look, by list; `{id}` is an object of one.
    pub(crate) fn asked(&self) -> (u64, BTreeMap<String, u64>) {
        (
            self.requests.swap(0, Ordering::Relaxed),
            std::mem::take(&mut *self.by_path.lock().unwrap()),
        )
    }
}

async fn answer(
    State(fake): State<Arc<Fake>>,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    fake.requests.fetch_add(1, Ordering::Relaxed);
    let path = uri.path().trim_start_matches("/v1/");
    let (list, id) = path
        .split_once('/')
        .map_or((path, None), |(list, id)| (list, Some(id)));
    let name = if id.is_some() {
        format!("{list}/{{id}}")
    } else {
        list.to_owned()
    };
    *fake.by_path.lock().unwrap().entry(name).or_default() += 1;
    if path == "account" {
        let account = json!({"id": "acct_bench", "object": "account", "settings": {}, "business_profile": {}});
        return axum::Json(account).into_response();
    }
    match (fake.lists.get(list), id) {
        (Some(list), None) => list.page(uri.path(), &query),
        // Whoever asks for a single object has heard of it by an event.
        (Some(_), Some(id)) => match id.strip_prefix("cus_").and_then(|text| text.parse().ok()) {
            Some(number) => axum::Json(customer(number, moved(number))).into_response(),
            None => refusal(StatusCode::NOT_FOUND),
        },
        (None, _) => List::of(Vec::new()).page(uri.path(), &query),
    }
}
