//! What a person does on a page: she pays, or her card is declined.

use serde_json::{Value, json};

use super::{Basket, amount};
use crate::{
    account::{Account, Kind, text_of},
    stripe::{error::ApiError, objects, payments},
    world::members::call,
};

/// Somebody in front of a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    /// What she types, where the session does not say it.
    pub(crate) email: Option<String>,
    /// As above.
    pub(crate) name: Option<String>,
    /// Whether her bank declines.
    pub(crate) declined: bool,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The session is complete.
    Paid,
    /// The page is still open.
    Declined,
}

/// The open session of a page, and what it sells.
pub(crate) fn page(account: &Account, id: &str) -> Result<(Value, Basket), ApiError> {
    let session = account.live(Kind::CheckoutSession, id, "session")?;
    let basket = account.baskets.get(id);
    let Some(basket) = basket.filter(|_| session["status"] == json!("open")) else {
        let status = text_of(&session, "status");
        let message = format!("the page is closed: its session is {status}");
        return Err(ApiError::invalid("session", message));
    };
    Ok((session, basket.clone()))
}

/// Pays, as far as the card allows.
pub(crate) fn pay(account: &mut Account, id: &str, visitor: &Visitor) -> Result<Outcome, ApiError> {
    let (mut session, basket) = page(account, id)?;
    if visitor.declined {
        return Ok(Outcome::Declined);
    }
    let (customer, method) = customer(account, &session, visitor)?;
    if session["mode"] == json!("subscription") {
        subscribe(account, &mut session, &basket, &customer, &method)?;
    } else {
        buy(account, &mut session, &basket, &customer);
    }
    let free = session["amount_total"] == json!(0);
    let status = if free { "no_payment_required" } else { "paid" };
    session["payment_status"] = json!(status);
    session["status"] = json!("complete");
    session["url"] = Value::Null;
    session["customer"] = customer["id"].clone();
    session["customer_details"] = json!({
        "address": objects::address(&customer["address"]), "business_name": null,
        "email": customer["email"], "individual_name": null, "name": customer["name"],
        "phone": customer["phone"], "tax_exempt": customer["tax_exempt"], "tax_ids": [],
    });
    account.put(
        Kind::CheckoutSession,
        &session,
        "checkout.session.completed",
    );
    Ok(Outcome::Paid)
}

/// Who pays, and with which payment method: whoever comes without a card that works types one in.
fn customer(
    account: &mut Account,
    session: &Value,
    visitor: &Visitor,
) -> Result<(Value, String), ApiError> {
    let known = session["customer"].as_str();
    let mut customer = if let Some(id) = known {
        account.live(Kind::Customer, id, "customer")?
    } else {
        let email = session["customer_email"].as_str();
        let email = email.or(visitor.email.as_deref()).unwrap_or_default();
        let name = visitor.name.as_deref().unwrap_or_default();
        let params = json!({"email": email, "name": name});
        call(account, "POST", "/v1/customers", params)?
    };
    if customer["metadata"]["sandbox_card"].is_string() {
        let path = format!("/v1/customers/{}", text_of(&customer, "id"));
        let works = json!({"metadata": {"sandbox_card": ""}});
        customer = call(account, "POST", &path, works)?;
    }
    let method = &customer["invoice_settings"]["default_payment_method"];
    let method = if let Some(method) = method.as_str() {
        method.to_owned()
    } else {
        let number = account.table(Kind::PaymentMethod).rows().len();
        payments::attach(account, &customer, number)
    };
    let id = text_of(&customer, "id").to_owned();
    Ok((account.live(Kind::Customer, &id, "customer")?, method))
}

fn subscribe(
    account: &mut Account,
    session: &mut Value,
    basket: &Basket,
    customer: &Value,
    method: &str,
) -> Result<(), ApiError> {
    let price = |item: &Value| json!({"price": item["price"]["id"], "quantity": item["quantity"]});
    let items: Vec<Value> = basket.items.iter().map(price).collect();
    let mut params = json!({"customer": customer["id"], "items": items,
        "default_payment_method": method});
    if let (Some(params), Some(more)) = (params.as_object_mut(), basket.subscription.as_object()) {
        params.extend(more.clone());
    }
    let made = call(account, "POST", "/v1/subscriptions", params)?;
    session["subscription"] = made["id"].clone();
    session["invoice"] = made["latest_invoice"].clone();
    Ok(())
}

fn buy(account: &mut Account, session: &mut Value, basket: &Basket, customer: &Value) {
    let total: i64 = basket.items.iter().map(amount).sum();
    if total > 0 {
        let sale = json!({"amount_due": total, "currency": session["currency"],
            "customer": customer["id"], "customer_email": customer["email"],
            "customer_name": customer["name"]});
        session["payment_intent"] = json!(payments::sale(account, &sale));
    }
}
