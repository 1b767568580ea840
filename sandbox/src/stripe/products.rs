//! `/v1/products`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    error::ApiError,
    lists::{self, PAGING},
    objects,
    params::Params,
    prices,
};
use crate::account::{Account, Kind};

const WRITABLE: [&str; 11] = [
    "active",
    "default_price",
    "description",
    "images",
    "marketing_features",
    "metadata",
    "name",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
];

/// `POST /v1/products`
pub(crate) fn create(
    account: &mut Account,
    _: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(
        &[
            &WRITABLE[..],
            &["id", "default_price_data", "type", "shippable"],
        ]
        .concat(),
    )?;
    let name = params.required("name")?;
    let id = match params.text("id")?.filter(|id| !id.is_empty()) {
        Some(id) if account.table(Kind::Product).get(id).is_some() => {
            let message = format!("product already exists: '{id}'");
            return Err(ApiError::bad_value(
                "resource_already_exists",
                "id",
                message,
            ));
        }
        Some(id) => id.to_owned(),
        None => account.ids.short("prod_"),
    };
    let mut product = objects::product(&id, name, account.now);
    apply(account, &mut product, params)?;
    let first_price = params.group("default_price_data")?;
    // Checked before anything is stored, so that a bad price leaves no product behind.
    let price = first_price
        .map(|data| prices::build(account, &id, &data))
        .transpose()?;
    account.create(Kind::Product, &product, "product.created");
    if let Some(price) = price {
        product["default_price"] = price["id"].clone();
        account.create(Kind::Price, &price, "price.created");
        account.change(Kind::Product, &product, "product.updated");
    }
    account.answer(Kind::Product, &id)
}

/// `GET /v1/products/{id}`
pub(crate) fn retrieve(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    account.live(Kind::Product, id, "id")?;
    account.answer(Kind::Product, id)
}

/// `POST /v1/products/{id}`
pub(crate) fn update(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&WRITABLE)?;
    let mut product = account.live(Kind::Product, id, "id")?;
    let before = product.clone();
    apply(account, &mut product, params)?;
    if product != before {
        product["updated"] = json!(account.now);
        account.change(Kind::Product, &product, "product.updated");
    }
    account.answer(Kind::Product, id)
}

/// `DELETE /v1/products/{id}`, only without prices.
pub(crate) fn delete(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    let product = account.live(Kind::Product, id, "id")?;
    if account.table(Kind::Price).count_with("product", id) > 0 {
        let message = "a product with prices cannot be deleted: archive it with active=false";
        return Err(ApiError::invalid("id", message));
    }
    Ok(account.delete(Kind::Product, &product, "product.deleted"))
}

/// `GET /v1/products`
pub(crate) fn list(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&[&PAGING[..], &["active", "created"]].concat())?;
    let filters = lists::equal(params, &["active"])?;
    lists::page(account, Kind::Product, "/v1/products", params, filters)
}

fn apply(account: &Account, product: &mut Value, params: &Params) -> Result<(), ApiError> {
    if params.clears("name") {
        return Err(ApiError::missing("name"));
    }
    params.copy_texts(
        product,
        &[
            "description",
            "name",
            "statement_descriptor",
            "tax_code",
            "unit_label",
            "url",
        ],
    )?;
    params.merge_metadata(product)?;
    if let Some(active) = params.boolean("active")? {
        product["active"] = json!(active);
    }
    if let Some(price) = params.text("default_price")? {
        if !price.is_empty() {
            account.live(Kind::Price, price, "default_price")?;
        }
        params.copy_texts(product, &["default_price"])?;
    }
    if params.has("images") {
        product["images"] = json!(params.texts("images")?);
    }
    if params.clears("marketing_features") {
        product["marketing_features"] = json!([]);
    } else if params.has("marketing_features") {
        let mut features = Vec::new();
        for feature in params.groups("marketing_features")? {
            features.push(json!({ "name": feature.required("name")? }));
        }
        product["marketing_features"] = json!(features);
    }
    Ok(())
}
