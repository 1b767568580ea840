//! The shapes of new objects, field by field as in API version 2026-09-30.
//!
//! Source of the field lists: Stripe's published `fixtures3.json`; `tests/it/shapes.rs` compares.

use serde_json::{Value, json};

use crate::account::text_of;

/// A customer before its parameters are laid over it.
pub(crate) fn customer(id: &str, now: i64) -> Value {
    let prefix: String = id.chars().rev().take(8).collect::<String>().to_uppercase();
    json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": now,
        "currency": null, "customer_account": null, "default_source": null, "delinquent": false,
        "description": null, "discount": null, "email": null, "invoice_prefix": prefix,
        "invoice_settings": {"custom_fields": null, "default_payment_method": null,
            "footer": null, "rendering_options": null},
        "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1,
        "phone": null, "preferred_locales": [], "shipping": null, "tax_exempt": "none",
        "test_clock": null,
    })
}

/// An address with all its lines, those that were not given being `null`.
pub(crate) fn address(given: &Value) -> Value {
    json!({"city": given["city"], "country": given["country"], "line1": given["line1"],
        "line2": given["line2"], "postal_code": given["postal_code"], "state": given["state"]})
}

/// A product before its parameters are laid over it.
pub(crate) fn product(id: &str, name: &str, now: i64) -> Value {
    json!({
        "id": id, "object": "product", "active": true, "created": now, "default_price": null,
        "description": null, "images": [], "livemode": false, "marketing_features": [],
        "metadata": {}, "name": name, "package_dimensions": null, "shippable": null,
        "statement_descriptor": null, "tax_code": null, "tax_details": null, "type": "service",
        "unit_label": null,
        "updated": now, "url": null,
    })
}

/// A price before its parameters are laid over it.
pub(crate) fn price(id: &str, product: &str, currency: &str, amount: i64, now: i64) -> Value {
    json!({
        "id": id, "object": "price", "active": true, "billing_scheme": "per_unit",
        "created": now, "currency": currency, "custom_unit_amount": null, "livemode": false,
        "lookup_key": null, "metadata": {}, "nickname": null, "product": product,
        "recurring": null, "tax_behavior": "unspecified", "tiers_mode": null,
        "transform_quantity": null, "type": "one_time", "unit_amount": amount,
        "unit_amount_decimal": amount.to_string(),
    })
}

/// The legacy `plan` that every subscription item repeats its price as.
fn plan(price: &Value) -> Value {
    let recurring = &price["recurring"];
    json!({
        "id": price["id"], "object": "plan", "active": price["active"],
        "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit", "created": price["created"], "currency": price["currency"],
        "interval": recurring["interval"], "interval_count": recurring["interval_count"],
        "livemode": false, "metadata": price["metadata"], "meter": null,
        "nickname": price["nickname"], "product": price["product"], "tiers_mode": null,
        "transform_usage": null, "trial_period_days": recurring["trial_period_days"],
        "usage_type": "licensed",
    })
}

/// An item of a subscription; its period is set by billing.
pub(crate) fn subscription_item(
    id: &str,
    subscription: &str,
    price: &Value,
    quantity: i64,
    now: i64,
) -> Value {
    json!({
        "id": id, "object": "subscription_item", "billing_thresholds": null, "created": now,
        "current_period_end": now, "current_period_start": now, "current_trial": null,
        "discounts": [], "metadata": {},
        "plan": plan(price), "price": price, "quantity": quantity,
        "subscription": subscription, "tax_rates": [],
    })
}

/// Puts another price into an item.
pub(crate) fn set_item_price(item: &mut Value, price: &Value) {
    item["plan"] = plan(price);
    item["price"] = price.clone();
}

/// A subscription before its parameters are laid over it.
pub(crate) fn subscription(id: &str, customer: &str, now: i64) -> Value {
    json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor": now, "billing_cycle_anchor_config": null,
        "billing_mode": {"flexible": null, "type": "classic"}, "billing_schedules": [],
        "billing_thresholds": null, "cancel_at": null, "cancel_at_period_end": false,
        "canceled_at": null,
        "cancellation_details": {"comment": null, "feedback": null, "feedback_option": null,
            "reason": null},
        "collection_method": "charge_automatically", "created": now, "currency": "usd",
        "customer": customer, "customer_account": null, "days_until_due": null,
        "default_payment_method": null, "default_source": null, "default_tax_rates": [],
        "description": null, "discounts": [], "ended_at": null,
        "invoice_settings": {"account_tax_ids": null, "custom_fields": null, "description": null,
            "footer": null, "issuer": {"type": "self"}},
        "items": {"object": "list", "data": [], "has_more": false, "total_count": 0,
            "url": format!("/v1/subscription_items?subscription={id}")},
        "latest_invoice": null, "livemode": false, "managed_payments": {"enabled": false},
        "metadata": {}, "next_pending_invoice_item_invoice": null, "on_behalf_of": null,
        "pause_collection": null,
        "payment_settings": {"payment_method_options": null, "payment_method_types": null,
            "save_default_payment_method": "off"},
        "pending_invoice_item_interval": null, "pending_setup_intent": null,
        "pending_update": null, "schedule": null, "start_date": now, "status": "incomplete",
        "test_clock": null, "transfer_data": null, "trial_end": null,
        "trial_settings": {"end_behavior": {"billing_cycle_anchor": null,
            "missing_payment_method": "create_invoice"}},
        "trial_start": null,
    })
}

/// A draft invoice of a subscription.
pub(crate) fn invoice(
    id: &str,
    customer: &Value,
    subscription: &Value,
    reason: &str,
    now: i64,
) -> Value {
    let (customer_id, subscription_id) = (text_of(customer, "id"), text_of(subscription, "id"));
    let mut invoice = json!({
        "id": id, "object": "invoice", "account_country": "US", "account_name": "Sandbox",
        "account_tax_ids": null, "amount_due": 0, "amount_overpaid": 0, "amount_paid": 0,
        "amount_remaining": 0, "amount_shipping": 0, "application": null, "attempt_count": 0,
        "attempted": false, "auto_advance": true,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null,
            "provider": null, "status": null},
        "automatically_finalizes_at": null, "billing_reason": reason,
        "collection_method": subscription["collection_method"], "created": now,
        "currency": subscription["currency"], "custom_fields": null, "customer": customer_id,
        "customer_account": null, "customer_address": customer["address"],
        "customer_email": customer["email"], "customer_name": customer["name"],
        "customer_phone": customer["phone"], "customer_shipping": null,
        "customer_tax_exempt": "none", "customer_tax_ids": [], "default_payment_method": null,
        "default_source": null, "default_tax_rates": [], "description": null, "discounts": [],
        "due_date": null, "effective_at": null, "ending_balance": null, "footer": null,
        "from_invoice": null, "hosted_invoice_url": null, "invoice_pdf": null,
        "issuer": {"type": "self"}, "last_finalization_error": null, "latest_revision": null,
        "lines": {"object": "list", "data": [], "has_more": false, "total_count": 0,
            "url": format!("/v1/invoices/{id}/lines")},
    });
    let more = json!({
        "livemode": false, "metadata": {}, "next_payment_attempt": null, "number": null,
        "on_behalf_of": null,
        "parent": {"quote_details": null, "subscription_details":
            {"metadata": subscription["metadata"], "subscription": subscription_id},
            "type": "subscription_details"},
        "payment_settings": {"default_mandate": null, "payment_method_options": null,
            "payment_method_types": null},
        "period_end": now, "period_start": now, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null,
        "shipping_cost": null, "shipping_details": null, "starting_balance": 0,
        "statement_descriptor": null, "status": "draft",
        "status_transitions": {"finalized_at": null, "marked_uncollectible_at": null,
            "paid_at": null, "voided_at": null},
        "subtotal": 0, "subtotal_excluding_tax": 0, "test_clock": null, "total": 0,
        "total_discount_amounts": [], "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [], "total_taxes": [], "webhooks_delivered_at": null,
    });
    if let (Some(invoice), Value::Object(more)) = (invoice.as_object_mut(), more) {
        invoice.extend(more);
    }
    invoice
}

/// One line of an invoice.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// `si_…`
    pub(crate) item: String,
    /// The price that is charged.
    pub(crate) price: Value,
    /// How many.
    pub(crate) quantity: i64,
    /// Minor units; negative for credit.
    pub(crate) amount: i64,
    /// Seconds since 1970.
    pub(crate) period: (i64, i64),
    /// Whether the line settles a change in the middle of a period.
    pub(crate) proration: bool,
}

/// A line as JSON.
pub(crate) fn invoice_line(id: &str, invoice: &str, subscription: &str, line: &Line) -> Value {
    json!({
        "id": id, "object": "line_item", "amount": line.amount, "currency": line.price["currency"],
        "description": format!("{} × {}", line.quantity, text_of(&line.price, "id")),
        "discount_amounts": [], "discountable": !line.proration, "discounts": [],
        "invoice": invoice, "livemode": false, "metadata": {},
        "parent": {"invoice_item_details": null, "subscription_item_details": {
            "invoice_item": null, "proration": line.proration,
            "proration_details": {"credited_items": null}, "subscription": subscription,
            "subscription_item": line.item}, "type": "subscription_item_details"},
        "period": {"start": line.period.0, "end": line.period.1}, "pretax_credit_amounts": [],
        "pricing": {"price_details": {"price": line.price["id"], "product": line.price["product"]},
            "type": "price_details", "unit_amount_decimal": line.price["unit_amount_decimal"]},
        "quantity": line.quantity, "quantity_decimal": line.quantity.to_string(),
        "subscription": subscription, "subtotal": line.amount, "taxes": [],
    })
}

/// The subscription that an invoice belongs to.
pub(crate) fn invoice_subscription(invoice: &Value) -> Option<&str> {
    invoice["parent"]["subscription_details"]["subscription"].as_str()
}

/// The account itself, for `GET /v1/account`.
pub(crate) fn account(id: &str, name: &str) -> Value {
    json!({
        "id": id, "object": "account",
        "business_profile": {"mcc": null, "minority_owned_business_designation": null,
            "name": name, "product_description": null,
            "specified_commercial_transactions_act_url": null, "support_address": null,
            "support_email": null, "support_phone": null, "support_url": null, "url": null},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": true, "controller": {"type": "account"}, "country": "US", "created": 0,
        "default_currency": "usd", "details_submitted": true, "email": null,
        "external_accounts": {"object": "list", "data": [], "has_more": false,
            "url": format!("/v1/accounts/{id}/external_accounts")},
        "future_requirements": no_requirements(), "metadata": {},
        "payouts_enabled": true,
        "requirements": no_requirements(),
        "settings": {
            "branding": {"icon": null, "logo": null, "primary_color": null,
                "secondary_color": null},
            "card_payments": {"statement_descriptor_prefix": null,
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null},
            "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": null, "statement_descriptor_kana": null,
                "statement_descriptor_kanji": null, "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null},
            "payouts": {"debit_negative_balances": true,
                "schedule": {"delay_days": 2, "interval": "daily"}, "statement_descriptor": null}},
        "tos_acceptance": {"date": null, "ip": null, "user_agent": null}, "type": "standard",
    })
}

/// What Stripe still wants to know about an account: nothing.
fn no_requirements() -> Value {
    json!({"alternatives": [], "current_deadline": null, "currently_due": [],
        "disabled_reason": null, "errors": [], "eventually_due": [], "past_due": [],
        "pending_verification": []})
}
