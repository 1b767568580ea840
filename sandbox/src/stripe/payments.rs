//! How invoices are paid: payment methods, charges, and which charge paid which invoice.

use serde_json::{Value, json};

use super::objects;
use crate::account::{Account, Kind, text_of};

/// Cards that customers hold: brand and last four digits, as Stripe's test cards have them.
const CARDS: [(&str, &str); 3] = [("visa", "4242"), ("mastercard", "4444"), ("amex", "8431")];
/// Seconds of a year, nearly: cards expire in three of them.
const YEAR: i64 = 31_556_952;

/// Gives a customer a card and makes it her default; answers its id.
pub(crate) fn attach(account: &mut Account, customer: &Value, number: usize) -> String {
    let (brand, last4) = CARDS[number % CARDS.len()];
    let year = 1_970 + account.now / YEAR + 3;
    let mut method = payment_method(&account.ids.long("pm_"), brand, last4, year, account.now);
    method["customer"] = customer["id"].clone();
    method["billing_details"]["email"] = customer["email"].clone();
    method["billing_details"]["name"] = customer["name"].clone();
    let id = account.create(Kind::PaymentMethod, &method, "payment_method.attached");
    let mut customer = customer.clone();
    customer["invoice_settings"]["default_payment_method"] = json!(id);
    account.change(Kind::Customer, &customer, "customer.updated");
    id
}

/// The charge that pays an invoice, and the word that it does.
pub(crate) fn charge(account: &mut Account, invoice: &Value) {
    let intent = account.ids.long("pi_");
    let charge = paid_charge(account, &intent, invoice);
    account.create(Kind::Charge, &charge, "charge.succeeded");
    let payment = invoice_payment(&account.ids.long("inpay_"), &intent, invoice, account.now);
    account.create(Kind::InvoicePayment, &payment, "invoice_payment.paid");
}

/// The charge of something that is sold without an invoice; answers its payment (`pi_…`).
pub(crate) fn sale(account: &mut Account, sold: &Value) -> String {
    let intent = account.ids.long("pi_");
    let mut charge = paid_charge(account, &intent, sold);
    charge["description"] = Value::Null;
    account.create(Kind::Charge, &charge, "charge.succeeded");
    intent
}

/// The charge that did not pay an invoice: the card's bank refused it.
pub(crate) fn decline(account: &mut Account, invoice: &Value) {
    let intent = account.ids.long("pi_");
    let mut charge = paid_charge(account, &intent, invoice);
    for (field, value) in [
        ("amount_captured", json!(0)),
        ("captured", json!(false)),
        ("failure_code", json!("card_declined")),
        ("failure_message", json!("Your card was declined.")),
        ("paid", json!(false)),
        ("status", json!("failed")),
        (
            "outcome",
            json!({"advice_code": "try_again_later", "network_advice_code": null,
                "network_decline_code": "05", "network_status": "declined_by_network",
                "reason": "generic_decline", "risk_level": "normal",
                "seller_message": "The bank did not return any further decline details.",
                "type": "issuer_declined"}),
        ),
    ] {
        charge[field] = value;
    }
    account.create(Kind::Charge, &charge, "charge.failed");
}

fn payment_method(id: &str, brand: &str, last4: &str, year: i64, now: i64) -> Value {
    json!({
        "id": id, "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": {"address": objects::address(&Value::Null), "email": null, "name": null, "phone": null, "tax_id": null},
        "card": {"brand": brand, "checks": {"address_line1_check": null,
            "address_postal_code_check": null, "cvc_check": "pass"}, "country": "US",
            "display_brand": brand, "exp_month": 8, "exp_year": year,
            "fingerprint": format!("sandbox{last4}"), "funding": "credit",
            "generated_from": null, "last4": last4,
            "networks": {"available": [brand], "preferred": null},
            "regulated_status": null, "three_d_secure_usage": {"supported": true},
            "wallet": null},
        "created": now, "customer": null, "customer_account": null, "livemode": false,
        "metadata": {}, "type": "card",
    })
}

/// How a charge tells which card it was: not all of what the payment method knows.
fn card_details(card: &Value) -> Value {
    json!({"card": {"amount_authorized": null, "authorization_code": null, "brand": card["brand"],
        "checks": card["checks"], "country": card["country"],
        "electronic_commerce_indicator": null, "exp_month": card["exp_month"],
        "exp_year": card["exp_year"], "fingerprint": card["fingerprint"],
        "funding": card["funding"], "installments": null, "last4": card["last4"],
        "mandate": null, "network": card["brand"], "network_token": {"used": false},
        "network_transaction_id": null, "regulated_status": null, "three_d_secure": null,
        "transaction_link_id": null, "wallet": null}, "type": "card"})
}

/// A charge of what an invoice asks for, from the customer's default card. Customers without any
/// pay too, by means that are not told.
fn paid_charge(account: &mut Account, intent: &str, invoice: &Value) -> Value {
    let customer = account
        .read(Kind::Customer, text_of(invoice, "customer"))
        .unwrap_or_default();
    let method = &customer["invoice_settings"]["default_payment_method"];
    let details = method
        .as_str()
        .and_then(|id| account.read(Kind::PaymentMethod, id))
        .map_or(Value::Null, |method| card_details(&method["card"]));
    let (id, now, amount) = (account.ids.long("ch_"), account.now, &invoice["amount_due"]);
    json!({
        "id": id, "object": "charge", "amount": amount, "amount_captured": amount,
        "amount_refunded": 0, "application": null, "application_fee": null,
        "application_fee_amount": null, "balance_transaction": null,
        "billing_details": {"address": objects::address(&Value::Null),
            "email": invoice["customer_email"],
            "name": invoice["customer_name"], "phone": null, "tax_id": null},
        "calculated_statement_descriptor": "SANDBOX", "captured": true, "created": now,
        "currency": invoice["currency"], "customer": invoice["customer"],
        "description": "Subscription", "disputed": false, "failure_balance_transaction": null,
        "failure_code": null, "failure_message": null, "fraud_details": {}, "livemode": false,
        "metadata": {}, "on_behalf_of": null,
        "outcome": {"advice_code": null, "network_advice_code": null,
            "network_decline_code": null, "network_status": "approved_by_network",
            "reason": null, "risk_level": "normal", "seller_message": "Payment complete.",
            "type": "authorized"},
        "paid": true, "payment_intent": intent, "payment_method": method,
        "payment_method_details": details, "receipt_email": null,
        "receipt_number": null, "receipt_url": null, "refunded": false, "review": null,
        "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
        "statement_descriptor_suffix": null, "status": "succeeded", "transfer_data": null,
        "transfer_group": null,
    })
}

fn invoice_payment(id: &str, intent: &str, invoice: &Value, now: i64) -> Value {
    json!({
        "id": id, "object": "invoice_payment", "amount_paid": invoice["amount_due"],
        "amount_requested": invoice["amount_due"], "created": now,
        "currency": invoice["currency"], "invoice": invoice["id"], "is_default": true,
        "livemode": false, "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "paid", "status_transitions": {"canceled_at": null, "paid_at": now},
    })
}

/// A coupon of the catalog, and the code that promises it.
pub(crate) fn offer(account: &mut Account, id: &str, name: &str, percent: i64, code: &str) {
    if account.table(Kind::Coupon).get(id).is_some() {
        return;
    }
    let coupon = json!({
        "id": id, "object": "coupon", "amount_off": null, "created": account.now,
        "currency": null, "duration": "once", "duration_in_months": null, "livemode": false,
        "max_redemptions": null, "metadata": {}, "name": name, "percent_off": percent,
        "redeem_by": null, "times_redeemed": 0, "valid": true,
    });
    account.create(Kind::Coupon, &coupon, "coupon.created");
    let promotion = json!({
        "id": account.ids.long("promo_"), "object": "promotion_code", "active": true,
        "code": code, "created": account.now, "customer": null, "customer_account": null,
        "expires_at": null, "livemode": false, "max_redemptions": null, "metadata": {},
        "promotion": {"coupon": id, "type": "coupon"},
        "restrictions": {"first_time_transaction": false, "minimum_amount": null,
            "minimum_amount_currency": null},
        "times_redeemed": 0,
    });
    account.create(Kind::PromotionCode, &promotion, "promotion_code.created");
}
