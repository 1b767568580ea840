//! `/v1/invoices`: reading, paying and voiding. Subscriptions make them, see `billing`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    billing::{self, Outcome},
    error::ApiError,
    lists::{self, PAGING},
    params::Params,
};
use crate::account::{Account, Kind, text_of};

/// `GET /v1/invoices/{id}`
pub(crate) fn retrieve(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    account.answer(Kind::Invoice, id)
}

/// `GET /v1/invoices`
pub(crate) fn list(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    let filters = ["collection_method", "customer", "status", "subscription"];
    params.only(&[&PAGING[..], &filters, &["created"]].concat())?;
    let filters = lists::equal(params, &filters)?;
    lists::page(account, Kind::Invoice, "/v1/invoices", params, filters)
}

/// `POST /v1/invoices/{id}`: only what does not touch the money.
pub(crate) fn update(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["description", "footer", "metadata"])?;
    let mut invoice = account.live(Kind::Invoice, id, "id")?;
    params.copy_texts(&mut invoice, &["description", "footer"])?;
    params.merge_metadata(&mut invoice)?;
    account.change(Kind::Invoice, &invoice, "invoice.updated");
    account.answer(Kind::Invoice, id)
}

/// `POST /v1/invoices/{id}/pay`
pub(crate) fn pay(account: &mut Account, id: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&[
        "forgive",
        "off_session",
        "paid_out_of_band",
        "payment_method",
        "source",
    ])?;
    let invoice = open_invoice(account, id, "paid")?;
    let outcome = if params.boolean("paid_out_of_band")? == Some(true) {
        billing::mark_paid(account, invoice)
    } else {
        billing::attempt(account, invoice)
    };
    if outcome == Outcome::Failed {
        return Err(ApiError::declined());
    }
    account.answer(Kind::Invoice, id)
}

/// `POST /v1/invoices/{id}/void`
pub(crate) fn void(account: &mut Account, id: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    let invoice = open_invoice(account, id, "voided")?;
    billing::void(account, invoice);
    account.answer(Kind::Invoice, id)
}

/// `POST /v1/invoices/{id}/finalize`
pub(crate) fn finalize(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["auto_advance"])?;
    let invoice = account.live(Kind::Invoice, id, "id")?;
    if invoice["status"] != json!("draft") {
        return Err(ApiError::invalid(
            "id",
            "only a draft invoice can be finalized",
        ));
    }
    billing::finalize(account, invoice);
    account.answer(Kind::Invoice, id)
}

fn open_invoice(account: &Account, id: &str, verb: &str) -> Result<Value, ApiError> {
    let invoice = account.live(Kind::Invoice, id, "id")?;
    match text_of(&invoice, "status") {
        "open" | "uncollectible" => Ok(invoice),
        status => {
            let message = format!("an invoice that is {status} cannot be {verb}");
            Err(ApiError::bad_value("invoice_not_editable", "id", message))
        }
    }
}
