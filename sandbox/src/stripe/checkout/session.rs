//! The shapes of checkout sessions and of what they sell, as in API version 2026-09-30.

use serde_json::{Value, json};

/// A session that waits for somebody to pay.
pub(super) fn open(id: &str, mode: &str, url: &str, now: i64) -> Value {
    let subscription = mode == "subscription";
    json!({
        "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": false},
        "after_expiration": null, "allow_promotion_codes": null,
        "allowed_payment_method_types": null, "amount_subtotal": null, "amount_total": null,
        "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
        "billing_address_collection": null, "cancel_url": null, "client_reference_id": null,
        "client_secret": null, "collected_information": null, "consent": null,
        "consent_collection": null, "created": now, "currency": null,
        "currency_conversion": null, "custom_fields": [],
        "custom_text": {"after_submit": null, "shipping_address": null, "submit": null,
            "terms_of_service_acceptance": null},
        "customer": null, "customer_account": null,
        "customer_creation": if subscription { json!("always") } else { json!("if_required") },
        "customer_details": null, "customer_email": null, "discounts": [], "expires_at": now,
        "integration_identifier": null, "invoice": null,
        "invoice_creation": if subscription { Value::Null } else { no_invoice() },
        "livemode": false, "locale": null, "managed_payments": {"enabled": false},
        "metadata": {}, "mode": mode, "origin_context": null, "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": if subscription { "always" } else { "if_required" },
        "payment_method_configuration_details": null, "payment_method_options": {},
        "payment_method_types": ["card"], "payment_status": "unpaid", "permissions": null,
        "phone_number_collection": {"enabled": false}, "recovered_from": null,
        "saved_payment_method_options": null, "setup_intent": null,
        "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [],
        "status": "open", "submit_type": null, "subscription": null, "success_url": null,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page", "url": url, "wallet_options": null,
    })
}

/// Payments for once make no invoice.
fn no_invoice() -> Value {
    json!({"enabled": false, "invoice_data": {"account_tax_ids": null, "custom_fields": null,
        "description": null, "footer": null, "issuer": null, "metadata": {},
        "rendering_options": null}})
}

/// What is sold: so many of a price.
pub(super) fn item(id: &str, price: &Value, quantity: i64) -> Value {
    let amount = price["unit_amount"]
        .as_i64()
        .unwrap_or(0)
        .saturating_mul(quantity);
    json!({
        "id": id, "object": "item", "adjustable_quantity": null, "amount_discount": 0,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount,
        "currency": price["currency"], "description": price["nickname"], "metadata": {},
        "price": price, "quantity": quantity,
    })
}
