//! Objects have the top-level fields of Stripe's published fixtures (API of autumn 2026), so that
//! strict typed parsers accept them.

use serde_json::{Value, json};

use crate::support::{id, start};

const CUSTOMER: &str = "address balance created currency default_source delinquent description \
    discount email id invoice_prefix invoice_settings livemode metadata name next_invoice_sequence \
    object phone preferred_locales shipping tax_exempt test_clock";
const PRODUCT: &str = "active created default_price description id images livemode \
    marketing_features metadata name object package_dimensions shippable statement_descriptor \
    tax_code tax_details unit_label updated url type";
const PRICE: &str = "active billing_scheme created currency custom_unit_amount id livemode \
    lookup_key metadata nickname object product recurring tax_behavior tiers_mode \
    transform_quantity type unit_amount unit_amount_decimal";
const SUBSCRIPTION: &str = "application application_fee_percent automatic_tax \
    billing_cycle_anchor billing_cycle_anchor_config cancel_at canceled_at cancellation_details \
    collection_method created currency customer days_until_due default_payment_method \
    default_source default_tax_rates description discounts ended_at id invoice_settings items \
    latest_invoice livemode metadata next_pending_invoice_item_invoice object on_behalf_of \
    pause_collection payment_settings pending_invoice_item_interval pending_setup_intent \
    pending_update schedule start_date status test_clock transfer_data trial_end trial_settings \
    trial_start cancel_at_period_end billing_thresholds billing_mode customer_account \
    managed_payments billing_schedules";
const ITEM: &str = "created discounts id metadata object price quantity subscription tax_rates \
    plan current_period_end current_period_start current_trial billing_thresholds";
const PLAN: &str = "active amount amount_decimal billing_scheme created currency id interval \
    interval_count livemode metadata meter nickname object product tiers_mode transform_usage \
    trial_period_days usage_type";
const INVOICE: &str = "account_country account_name account_tax_ids amount_due amount_paid \
    amount_remaining amount_shipping application attempt_count attempted auto_advance \
    automatic_tax billing_reason collection_method created currency custom_fields customer \
    customer_address customer_email customer_name customer_phone customer_shipping \
    customer_tax_exempt customer_tax_ids default_payment_method default_source default_tax_rates \
    description discounts due_date effective_at ending_balance footer from_invoice \
    hosted_invoice_url id invoice_pdf issuer last_finalization_error latest_revision lines \
    livemode metadata next_payment_attempt number object on_behalf_of payment_settings period_end \
    period_start post_payment_credit_notes_amount pre_payment_credit_notes_amount receipt_number \
    rendering shipping_cost shipping_details starting_balance statement_descriptor status \
    status_transitions subtotal subtotal_excluding_tax test_clock total total_discount_amounts \
    total_excluding_tax webhooks_delivered_at automatically_finalizes_at \
    total_pretax_credit_amounts total_taxes amount_overpaid parent customer_account";
const LINE: &str = "amount currency description discount_amounts discountable discounts id \
    invoice livemode metadata object period quantity subscription pretax_credit_amounts taxes \
    parent pricing subtotal quantity_decimal";
const EVENT: &str = "api_version created data id livemode object pending_webhooks request type";

const COUPON: &str = "amount_off created currency duration duration_in_months id livemode \
    max_redemptions metadata name object percent_off redeem_by times_redeemed valid";
const PROMOTION_CODE: &str = "active code created customer expires_at id livemode max_redemptions \
    metadata object restrictions times_redeemed promotion customer_account";
// Without the inline list of refunds, which today's versions leave out.
const CHARGE: &str = "amount amount_captured amount_refunded application application_fee \
    application_fee_amount balance_transaction billing_details calculated_statement_descriptor \
    captured created currency customer description disputed failure_balance_transaction \
    failure_code failure_message fraud_details id livemode metadata object on_behalf_of outcome \
    paid payment_intent payment_method payment_method_details receipt_email receipt_number \
    receipt_url refunded review shipping source source_transfer statement_descriptor \
    statement_descriptor_suffix status transfer_data transfer_group";
const PAYMENT_METHOD: &str = "allow_redisplay billing_details card created customer id livemode \
    metadata object type customer_account";
const INVOICE_PAYMENT: &str = "amount_paid amount_requested created currency id invoice \
    is_default livemode object payment status status_transitions";

fn has_all(object: &Value, fields: &str) {
    let object = object.as_object().unwrap();
    let missing: Vec<&str> = fields
        .split_whitespace()
        .filter(|field| !object.contains_key(*field))
        .collect();
    assert!(missing.is_empty(), "{} lacks {missing:?}", object["object"]);
}

#[tokio::test]
async fn objects_have_every_field_of_the_fixtures() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("email=a@example.com").await;
    let subscription = sandbox.subscribe(&customer, &price, "").await;
    let price = sandbox.get(&format!("/v1/prices/{price}")).await.ok();
    let product = price["product"].as_str().unwrap();
    let invoices = sandbox.get("/v1/invoices").await.ok();
    let item = &subscription["items"]["data"][0];
    has_all(
        &sandbox.get(&format!("/v1/customers/{customer}")).await.ok(),
        CUSTOMER,
    );
    has_all(
        &sandbox.get(&format!("/v1/products/{product}")).await.ok(),
        PRODUCT,
    );
    has_all(&price, PRICE);
    has_all(&subscription, SUBSCRIPTION);
    has_all(item, ITEM);
    has_all(&item["price"], PRICE);
    has_all(&item["plan"], PLAN);
    has_all(&invoices["data"][0], INVOICE);
    has_all(&invoices["data"][0]["lines"]["data"][0], LINE);
    has_all(&sandbox.get("/v1/events").await.ok()["data"][0], EVENT);
    assert_eq!(
        invoices["data"][0]["parent"]["subscription_details"]["subscription"],
        id(&subscription)
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn payments_have_every_field_of_the_fixtures_and_belong_together() {
    let sandbox = start().await;
    sandbox
        .post_json("/stripe/world", &json!({"seed": 1, "members": 20}))
        .await
        .ok();
    let first = async |path: &str| sandbox.get(path).await.ok()["data"][0].clone();
    let charges = sandbox.get("/v1/charges").await.ok();
    for charge in charges["data"].as_array().unwrap() {
        has_all(charge, CHARGE);
    }
    let paid = |charge: &&Value| charge["status"] == "succeeded";
    let charge = charges["data"].as_array().unwrap().iter().find(paid);
    let charge = charge.unwrap().clone();
    has_all(&first("/v1/coupons").await, COUPON);
    has_all(
        &first("/v1/promotion_codes?code=HELLO25").await,
        PROMOTION_CODE,
    );
    let payments = sandbox.get("/v1/invoice_payments").await.ok();
    let of_charge =
        |payment: &&Value| payment["payment"]["payment_intent"] == charge["payment_intent"];
    let payment = payments["data"].as_array().unwrap().iter().find(of_charge);
    let payment = payment.unwrap();
    has_all(payment, INVOICE_PAYMENT);
    let customer = charge["customer"].as_str().unwrap();
    let method = first(&format!("/v1/payment_methods?customer={customer}")).await;
    has_all(&method, PAYMENT_METHOD);
    assert_eq!(method["id"], charge["payment_method"]);
    let path = format!("/v1/payment_methods/{}", id(&method));
    assert_eq!(sandbox.get(&path).await.ok(), method);
    let whole = sandbox.get("/v1/payment_methods").await;
    assert_eq!(whole.status, 400, "they are listed for one customer only");
    for path in [
        "/v1/refunds",
        "/v1/checkout/sessions",
        "/v1/subscription_schedules",
    ] {
        assert_eq!(sandbox.get(path).await.ok()["data"], json!([]), "{path}");
        assert_eq!(sandbox.get(&format!("{path}/x_1")).await.status, 404);
    }
    let account = sandbox.get("/v1/account").await.ok();
    let path = format!("/v1/accounts/{}", id(&account));
    assert_eq!(sandbox.get(&path).await.ok(), account);
    sandbox.stop().await;
}

#[tokio::test]
async fn addresses_have_all_their_lines() {
    let sandbox = start().await;
    let form = "address[city]=Lyon&shipping[name]=Ada&shipping[address][country]=FR";
    let customer = sandbox.post("/v1/customers", form).await.ok();
    let lines = |city: Value, country: Value| {
        json!({"city": city, "country": country, "line1": null, "line2": null,
            "postal_code": null, "state": null})
    };
    assert_eq!(customer["address"], lines(json!("Lyon"), json!(null)));
    assert_eq!(
        customer["shipping"]["address"],
        lines(json!(null), json!("FR"))
    );
    let path = format!("/v1/customers/{}", id(&customer));
    let moved = sandbox.post(&path, "address[city]=Paris").await.ok();
    assert_eq!(moved["address"]["city"], "Paris");
    assert_eq!(
        sandbox.post(&path, "address=").await.ok()["address"],
        json!(null)
    );
    sandbox.stop().await;
}
