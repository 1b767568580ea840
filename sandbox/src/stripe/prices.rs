//! `/v1/prices`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    error::ApiError,
    lists::{self, PAGING},
    objects,
    params::Params,
};
use crate::{
    account::{Account, Kind},
    table::Filter,
};

/// `POST /v1/prices`
pub(crate) fn create(
    account: &mut Account,
    _: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    let product = params.required("product")?.to_owned();
    account.live(Kind::Product, &product, "product")?;
    let price = build(account, &product, params)?;
    let id = account.create(Kind::Price, &price, "price.created");
    account.answer(Kind::Price, &id)
}

/// A price from its parameters, not yet stored.
pub(crate) fn build(
    account: &mut Account,
    product: &str,
    params: &Params,
) -> Result<Value, ApiError> {
    params.only(&[
        "active",
        "billing_scheme",
        "currency",
        "lookup_key",
        "metadata",
        "nickname",
        "product",
        "recurring",
        "tax_behavior",
        "unit_amount",
    ])?;
    let currency = params.required("currency")?.to_lowercase();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        let message = format!("invalid currency: '{currency}' is not a three-letter code");
        return Err(ApiError::invalid(&params.name("currency"), message));
    }
    let amount = params
        .integer("unit_amount")?
        .ok_or_else(|| ApiError::missing("unit_amount"))?;
    if amount < 0 {
        return Err(ApiError::invalid(
            "unit_amount",
            "unit_amount must not be negative",
        ));
    }
    let mut price = objects::price(
        &account.ids.long("price_"),
        product,
        &currency,
        amount,
        account.now,
    );
    if let Some(recurring) = params.group("recurring")? {
        price["recurring"] = self::recurring(&recurring)?;
        price["type"] = json!("recurring");
    }
    apply(&mut price, params)?;
    Ok(price)
}

fn recurring(params: &Params) -> Result<Value, ApiError> {
    params.only(&[
        "interval",
        "interval_count",
        "trial_period_days",
        "usage_type",
    ])?;
    params.required("interval")?;
    let interval = params.one_of("interval", &["day", "week", "month", "year"])?;
    let count = params.integer("interval_count")?.unwrap_or(1);
    // Stripe's bound: at most three years.
    if !(1..=1_095).contains(&count) {
        let message = "interval_count must be at least 1 and the period at most three years";
        return Err(ApiError::invalid(&params.name("interval_count"), message));
    }
    Ok(json!({
        "interval": interval, "interval_count": count, "meter": null,
        "trial_period_days": params.integer("trial_period_days")?, "usage_type": "licensed",
    }))
}

/// `GET /v1/prices/{id}`
pub(crate) fn retrieve(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    account.answer(Kind::Price, id)
}

/// `POST /v1/prices/{id}`
pub(crate) fn update(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[
        "active",
        "lookup_key",
        "metadata",
        "nickname",
        "tax_behavior",
    ])?;
    let mut price = account.live(Kind::Price, id, "id")?;
    apply(&mut price, params)?;
    account.change(Kind::Price, &price, "price.updated");
    account.answer(Kind::Price, id)
}

/// `GET /v1/prices`
pub(crate) fn list(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(
        &[
            &PAGING[..],
            &[
                "active",
                "created",
                "currency",
                "lookup_keys",
                "product",
                "type",
            ],
        ]
        .concat(),
    )?;
    let mut filters = lists::equal(params, &["active", "currency", "product", "type"])?;
    if params.has("lookup_keys") {
        filters.push(Filter::AnyOf("lookup_key", params.texts("lookup_keys")?));
    }
    lists::page(account, Kind::Price, "/v1/prices", params, filters)
}

fn apply(price: &mut Value, params: &Params) -> Result<(), ApiError> {
    params.copy_texts(price, &["lookup_key", "nickname"])?;
    params.merge_metadata(price)?;
    if let Some(active) = params.boolean("active")? {
        price["active"] = json!(active);
    }
    if let Some(tax) = params.one_of("tax_behavior", &["exclusive", "inclusive", "unspecified"])? {
        price["tax_behavior"] = json!(tax);
    }
    Ok(())
}
