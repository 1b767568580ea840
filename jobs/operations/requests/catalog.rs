//! Requests about products and prices. Pure.

use super::field;
use crate::operations::{
    NewPlan,
    model::{Kind, Request},
};

/// Makes a product under an id of ours.
pub(in crate::operations) fn create_product(
    id: &str,
    name: &str,
    description: Option<&str>,
) -> Request {
    let mut form = vec![field("id", id), field("name", name)];
    form.extend(description.map(|text| field("description", text)));
    Request {
        form,
        path: "/products".to_owned(),
        ..product(Kind::CreateProduct, id)
    }
}

/// A request about a product.
fn product(kind: Kind, id: &str) -> Request {
    Request {
        kind,
        delete: false,
        path: format!("/products/{}", segment(id)),
        form: Vec::new(),
        object_type: "product",
        object_id: Some(id.to_owned()),
        stamped: true,
    }
}

/// Names, describes or archives a product; an empty form changes nothing.
pub(in crate::operations) fn update_product(
    id: &str,
    name: Option<&str>,
    description: Option<&str>,
    active: Option<bool>,
) -> Request {
    let mut form = Vec::new();
    form.extend(name.map(|text| field("name", text)));
    form.extend(description.map(|text| field("description", text)));
    form.extend(active.map(|active| field("active", if active { "true" } else { "false" })));
    Request {
        form,
        ..product(Kind::UpdateProduct, id)
    }
}

/// Makes a price.
pub(in crate::operations) fn create_price(plan: &NewPlan) -> Request {
    let mut form = vec![
        field("product", &plan.tier_id),
        field("currency", &plan.currency),
        field("unit_amount", &plan.amount.to_string()),
        field("recurring[interval]", plan.interval),
        field(
            "recurring[interval_count]",
            &plan.interval_count.to_string(),
        ),
    ];
    form.extend(plan.nickname.as_deref().map(|text| field("nickname", text)));
    Request {
        kind: Kind::CreatePrice,
        delete: false,
        path: "/prices".to_owned(),
        form,
        object_type: "price",
        object_id: None,
        stamped: true,
    }
}

/// Names or archives a price.
pub(in crate::operations) fn update_price(
    id: &str,
    nickname: Option<&str>,
    active: Option<bool>,
) -> Request {
    let mut form = Vec::new();
    form.extend(nickname.map(|text| field("nickname", text)));
    form.extend(active.map(|active| field("active", if active { "true" } else { "false" })));
    Request {
        kind: Kind::UpdatePrice,
        delete: false,
        path: format!("/prices/{}", segment(id)),
        form,
        object_type: "price",
        object_id: Some(id.to_owned()),
        stamped: true,
    }
}

/// An id as one segment of a path: those of products and prices can be chosen freely.
fn segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    id.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
