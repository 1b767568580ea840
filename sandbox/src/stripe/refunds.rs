//! `/v1/refunds`: giving back what was charged, whole or in parts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{error::ApiError, params::Params};
use crate::account::{Account, Kind, text_of};

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

/// `POST /v1/refunds`
pub(crate) fn create(
    account: &mut Account,
    _: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["amount", "charge", "metadata", "payment_intent", "reason"])?;
    let mut charge = charged(account, params)?;
    let id = text_of(&charge, "id").to_owned();
    let captured = charge["amount_captured"].as_i64().unwrap_or(0);
    let given_back = charge["amount_refunded"].as_i64().unwrap_or(0);
    let left = captured - given_back;
    if left <= 0 {
        let (code, why) = if charge["status"] == json!("succeeded") {
            ("charge_already_refunded", "has already been refunded")
        } else {
            ("charge_not_refundable", "was never captured")
        };
        return Err(ApiError::bad_value(code, "", format!("Charge {id} {why}.")));
    }
    let amount = params.integer("amount")?.unwrap_or(left);
    if amount <= 0 {
        let message = format!("Invalid positive integer: {amount}");
        return Err(ApiError::bad_value(
            "parameter_invalid_integer",
            "amount",
            message,
        ));
    }
    if amount > left {
        let message = format!(
            "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        );
        return Err(ApiError::invalid("amount", message));
    }
    let mut refund = refund(&account.ids.long("re_"), &charge, amount, account.now);
    refund["reason"] = json!(params.one_of("reason", &REASONS)?);
    params.merge_metadata(&mut refund)?;
    let made = account.create(Kind::Refund, &refund, "refund.created");
    charge["amount_refunded"] = json!(given_back + amount);
    charge["refunded"] = json!(given_back + amount == captured);
    account.change(Kind::Charge, &charge, "charge.refunded");
    account.answer(Kind::Refund, &made)
}

/// `POST /v1/refunds/{id}`: only notes.
pub(crate) fn update(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["metadata"])?;
    let mut refund = account.live(Kind::Refund, id, "id")?;
    params.merge_metadata(&mut refund)?;
    if account.change(Kind::Refund, &refund, "refund.updated") {
        account.emit("charge.refund.updated", &refund);
    }
    account.answer(Kind::Refund, id)
}

/// The charge that a refund is of: named itself, or by its payment.
fn charged(account: &Account, params: &Params) -> Result<Value, ApiError> {
    if let Some(id) = params.text("charge")? {
        return account.live(Kind::Charge, id, "charge");
    }
    let Some(intent) = params.text("payment_intent")? else {
        let message = "One of the following params should be provided for this request: \
            payment_intent or charge.";
        return Err(ApiError::bad_value("parameter_missing", "", message));
    };
    let charges = account.table(Kind::Charge);
    let newest = charges.ids_with("payment_intent", intent).pop();
    newest
        .and_then(|id| account.read(Kind::Charge, &id))
        .ok_or_else(|| ApiError::no_such(400, "payment_intent", intent, "payment_intent"))
}

fn refund(id: &str, charge: &Value, amount: i64, now: i64) -> Value {
    json!({
        "id": id, "object": "refund", "amount": amount, "balance_transaction": null,
        "charge": charge["id"], "created": now, "currency": charge["currency"],
        "customer": charge["customer"], "customer_account": null,
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"},
            "type": "card"},
        "metadata": {}, "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"], "reason": null, "receipt_number": null,
        "source_transfer_reversal": null, "status": "succeeded", "transfer_reversal": null,
    })
}
