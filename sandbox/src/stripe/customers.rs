//! `/v1/customers`.

use std::sync::Arc;

use serde_json::json;

use super::{
    error::ApiError,
    lists::{self, PAGING},
    objects,
    params::Params,
    subscriptions::ending,
};
use crate::account::{Account, Kind, text_of};

const WRITABLE: [&str; 14] = [
    "address",
    "balance",
    "default_source",
    "description",
    "email",
    "invoice_settings",
    "metadata",
    "name",
    "payment_method",
    "phone",
    "preferred_locales",
    "shipping",
    "source",
    "tax_exempt",
];
/// Stripe's longest e-mail address.
const MAX_EMAIL: usize = 512;

/// `POST /v1/customers`
pub(crate) fn create(
    account: &mut Account,
    _: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&WRITABLE)?;
    let mut customer = objects::customer(&account.ids.short("cus_"), account.now);
    apply(&mut customer, params)?;
    let id = account.create(Kind::Customer, &customer, "customer.created");
    account.answer(Kind::Customer, &id)
}

/// `GET /v1/customers/{id}`, deleted ones as their stub.
pub(crate) fn retrieve(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    account.answer(Kind::Customer, id)
}

/// `POST /v1/customers/{id}`
pub(crate) fn update(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&WRITABLE)?;
    let mut customer = account.live(Kind::Customer, id, "id")?;
    apply(&mut customer, params)?;
    account.change(Kind::Customer, &customer, "customer.updated");
    account.answer(Kind::Customer, id)
}

/// `DELETE /v1/customers/{id}`: its subscriptions end first.
pub(crate) fn delete(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    let customer = account.live(Kind::Customer, id, "id")?;
    for subscription in account.table(Kind::Subscription).ids_with("customer", id) {
        if let Some(subscription) = account.read(Kind::Subscription, &subscription)
            && !ending::is_over(&subscription)
        {
            ending::end(account, subscription, "cancellation_requested");
        }
    }
    Ok(account.delete(Kind::Customer, &customer, "customer.deleted"))
}

/// `GET /v1/customers`
pub(crate) fn list(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&[&PAGING[..], &["email", "created"]].concat())?;
    let filters = lists::equal(params, &["email"])?;
    lists::page(account, Kind::Customer, "/v1/customers", params, filters)
}

fn apply(customer: &mut serde_json::Value, params: &Params) -> Result<(), ApiError> {
    if let Some(email) = params.text("email")?.filter(|email| !email.is_empty())
        && (email.len() > MAX_EMAIL || !email.contains('@'))
    {
        let message = "invalid email address: it needs an @ and at most 512 characters";
        return Err(ApiError::bad_value("email_invalid", "email", message));
    }
    params.copy_texts(
        customer,
        &["description", "email", "name", "phone", "default_source"],
    )?;
    params.copy_groups(customer, &["address", "shipping"])?;
    for group in ["/address", "/shipping/address"] {
        if let Some(address) = customer.pointer_mut(group).filter(|it| it.is_object()) {
            *address = objects::address(address);
        }
    }
    params.merge_metadata(customer)?;
    if let Some(balance) = params.integer("balance")? {
        customer["balance"] = json!(balance);
    }
    if let Some(exempt) = params.one_of("tax_exempt", &["exempt", "none", "reverse"])? {
        customer["tax_exempt"] = json!(exempt);
    }
    if params.has("preferred_locales") {
        customer["preferred_locales"] = json!(params.texts("preferred_locales")?);
    }
    if let Some(settings) = params.group("invoice_settings")? {
        settings.only(&[
            "default_payment_method",
            "footer",
            "custom_fields",
            "rendering_options",
        ])?;
        settings.copy_texts(
            &mut customer["invoice_settings"],
            &["default_payment_method", "footer"],
        )?;
    }
    Ok(())
}

/// What happens when this customer's card is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Card {
    /// The payment succeeds.
    Works,
    /// The payment is declined (`metadata[sandbox_card]=fails`).
    Fails,
    /// There is no payment method (`metadata[sandbox_card]=missing`).
    Missing,
}

/// The card of a customer.
pub(crate) fn card(account: &Account, customer: &str) -> Card {
    let customer = account.read(Kind::Customer, customer).unwrap_or_default();
    match text_of(&customer["metadata"], "sandbox_card") {
        "fails" => Card::Fails,
        "missing" => Card::Missing,
        _ => Card::Works,
    }
}
