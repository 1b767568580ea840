//! `/v1/checkout/sessions`: pages on which people subscribe or buy. [`pay`] is what a person does there.

pub(crate) mod pay;
mod session;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    error::ApiError,
    lists::{self, PAGING},
    params::Params,
};
use crate::account::{Account, Kind, Timer, text_of};

const MINUTE: i64 = 60;
/// Stripe's shortest and longest time for a page, and the usual one.
const OPEN_FOR: (i64, i64) = (30 * MINUTE, 24 * 60 * MINUTE);
/// Stripe's bound.
const MAX_ITEMS: usize = 100;

/// What has no effect on a page of the sandbox, but may be sent.
const WITHOUT_EFFECT: [&str; 23] = [
    "adaptive_pricing",
    "after_expiration",
    "automatic_tax",
    "billing_address_collection",
    "branding_settings",
    "consent_collection",
    "currency",
    "custom_fields",
    "custom_text",
    "customer_creation",
    "customer_update",
    "invoice_creation",
    "locale",
    "name_collection",
    "payment_intent_data",
    "payment_method_collection",
    "payment_method_options",
    "payment_method_types",
    "phone_number_collection",
    "saved_payment_method_options",
    "submit_type",
    "tax_id_collection",
    "ui_mode",
];
const WITH_EFFECT: [&str; 11] = [
    "allow_promotion_codes",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "expires_at",
    "line_items",
    "metadata",
    "mode",
    "subscription_data",
    "success_url",
];
/// What a session says about the subscription that it will make.
const SUBSCRIPTION: [&str; 5] = [
    "description",
    "metadata",
    "trial_end",
    "trial_period_days",
    "trial_settings",
];

/// What a page sells. It is no part of the session as Stripe shows it.
#[derive(Debug, Clone)]
pub(crate) struct Basket {
    /// The line items.
    pub(crate) items: Vec<Value>,
    /// Parameters of the subscription to make.
    pub(crate) subscription: Value,
}

/// `POST /v1/checkout/sessions`
pub(crate) fn create(
    account: &mut Account,
    _: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[&WITH_EFFECT[..], &WITHOUT_EFFECT[..]].concat())?;
    let mode = mode(params)?;
    params.required("success_url")?;
    if let Some(customer) = params.text("customer")? {
        account.live(Kind::Customer, customer, "customer")?;
        if params.has("customer_email") {
            let message = "You may only specify one of these parameters: customer, customer_email.";
            return Err(ApiError::invalid("customer_email", message));
        }
    }
    let items = items(account, params, mode)?;
    let expires_at = expires_at(params, account.now)?;
    let subscription = match params.group("subscription_data")? {
        None => json!({}),
        Some(group) if mode == "subscription" => {
            group.only(&SUBSCRIPTION)?;
            group.as_json()
        }
        Some(_) => {
            let message = "You can not pass `subscription_data` in `payment` mode.";
            return Err(ApiError::invalid("subscription_data", message));
        }
    };
    let id = account.ids.long("cs_test_a");
    let url = format!("{}/checkout/{id}", account.site);
    let mut session = session::open(&id, mode, &url, account.now);
    session["expires_at"] = json!(expires_at);
    params.copy_texts(
        &mut session,
        &[
            "cancel_url",
            "client_reference_id",
            "customer",
            "customer_email",
            "success_url",
        ],
    )?;
    params.merge_metadata(&mut session)?;
    session["allow_promotion_codes"] = json!(params.boolean("allow_promotion_codes")?);
    let total: i64 = items.iter().map(amount).sum();
    let trial = ["trial_period_days", "trial_end"]
        .iter()
        .any(|field| subscription[*field].is_string());
    session["currency"] = items[0]["currency"].clone();
    session["amount_subtotal"] = json!(total);
    session["amount_total"] = json!(if trial { 0 } else { total });
    // Stripe makes no event of a page that nobody has been to yet.
    account.create_quietly(Kind::CheckoutSession, &session);
    account.plan(expires_at, Timer::ExpireCheckout(id.clone()));
    let basket = Basket {
        items,
        subscription,
    };
    account.baskets.insert(id.clone(), basket);
    account.answer(Kind::CheckoutSession, &id)
}

fn mode(params: &Params) -> Result<&str, ApiError> {
    params.required("mode")?;
    match params.one_of("mode", &["payment", "setup", "subscription"])? {
        Some("setup") => {
            let message = "the sandbox has no pages of mode setup: payment and subscription";
            Err(ApiError::invalid("mode", message))
        }
        mode => Ok(mode.unwrap_or_default()),
    }
}

fn expires_at(params: &Params, now: i64) -> Result<i64, ApiError> {
    let (least, most) = OPEN_FOR;
    let at = params.integer("expires_at")?.unwrap_or(now + most);
    let wrong = if at < now + least {
        "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
    } else if at > now + most {
        "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
    } else {
        return Ok(at);
    };
    Err(ApiError::invalid("expires_at", wrong))
}

/// The line items, each with its price.
fn items(account: &mut Account, params: &Params, mode: &str) -> Result<Vec<Value>, ApiError> {
    let mut items: Vec<Value> = Vec::new();
    for group in params.groups("line_items")? {
        group.only(&["adjustable_quantity", "price", "quantity"])?;
        let name = group.name("price");
        let price = account.live(Kind::Price, group.required("price")?, &name)?;
        let quantity = group.integer("quantity")?.unwrap_or(1);
        let wrong = if price["active"] != json!(true) {
            Some("The price specified is inactive. This field only accepts active prices.")
        } else if (price["type"] == json!("recurring")) != (mode == "subscription") {
            Some(if mode == "payment" {
                "You specified `payment` mode but passed a recurring price. Either switch to \
                 `subscription` mode or use only one-time prices."
            } else {
                "the sandbox's pages of mode subscription sell recurring prices only"
            })
        } else if items
            .first()
            .is_some_and(|first| first["currency"] != price["currency"])
        {
            Some("all prices of a page must have the same currency")
        } else {
            None
        };
        if let Some(message) = wrong {
            return Err(ApiError::invalid(&name, message));
        }
        if quantity < 1 {
            let name = group.name("quantity");
            return Err(ApiError::invalid(&name, "quantity must be at least 1"));
        }
        items.push(session::item(&account.ids.long("li_"), &price, quantity));
    }
    if items.is_empty() {
        return Err(ApiError::missing("line_items"));
    }
    if items.len() > MAX_ITEMS {
        let message = format!("at most {MAX_ITEMS} line items");
        return Err(ApiError::invalid("line_items", message));
    }
    Ok(items)
}

/// What a line item costs.
pub(crate) fn amount(item: &Value) -> i64 {
    item["amount_total"].as_i64().unwrap_or(0)
}

/// `GET /v1/checkout/sessions/{id}`; the line items come where they are expanded.
pub(crate) fn retrieve(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    let session = account.live(Kind::CheckoutSession, id, "id")?;
    if params.has("expand")
        && params
            .texts("expand")?
            .iter()
            .any(|path| path == "line_items")
    {
        let mut session = session;
        session["line_items"] = list_of_items(account, id);
        return Ok(Arc::from(session.to_string()));
    }
    account.answer(Kind::CheckoutSession, id)
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub(crate) fn line_items(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["limit"])?;
    account.live(Kind::CheckoutSession, id, "id")?;
    Ok(Arc::from(list_of_items(account, id).to_string()))
}

fn list_of_items(account: &Account, id: &str) -> Value {
    let items = account.baskets.get(id).map(|basket| &basket.items);
    json!({"object": "list", "url": format!("/v1/checkout/sessions/{id}/line_items"),
        "has_more": false, "data": items})
}

/// `GET /v1/checkout/sessions`
pub(crate) fn list(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    let fields = Kind::CheckoutSession.fields();
    params.only(&[&PAGING[..], fields, &["created"]].concat())?;
    let filters = lists::equal(params, fields)?;
    let url = "/v1/checkout/sessions";
    lists::page(account, Kind::CheckoutSession, url, params, filters)
}

/// `POST /v1/checkout/sessions/{id}/expire`
pub(crate) fn expire(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    let session = account.live(Kind::CheckoutSession, id, "id")?;
    if session["status"] != json!("open") {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout \
             Session has a status of `{}`.",
            text_of(&session, "status")
        );
        return Err(ApiError::invalid("", message));
    }
    close(account, session);
    account.answer(Kind::CheckoutSession, id)
}

/// The time of a page is over, if nobody paid before.
pub(crate) fn run_out(account: &mut Account, id: &str) {
    let session = account.read(Kind::CheckoutSession, id);
    if let Some(session) = session.filter(|session| session["status"] == json!("open")) {
        close(account, session);
    }
}

fn close(account: &mut Account, mut session: Value) {
    session["status"] = json!("expired");
    session["url"] = Value::Null;
    account.put(Kind::CheckoutSession, &session, "checkout.session.expired");
}
