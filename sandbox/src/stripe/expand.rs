//! `expand[]`: puts objects in the place of their ids.

use std::sync::Arc;

use serde_json::Value;

use super::{error::ApiError, params::Params};
use crate::account::{Account, Kind};

/// Stripe's bound on the depth of a path.
const MAX_DEPTH: usize = 4;

/// The answer with the wanted ids expanded; unchanged without `expand`.
pub(crate) fn apply(
    account: &Account,
    answer: Arc<str>,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    if !params.has("expand") {
        return Ok(answer);
    }
    let Ok(mut tree) = serde_json::from_str::<Value>(&answer) else {
        return Ok(answer);
    };
    for path in params.texts("expand")? {
        let names: Vec<&str> = path.split('.').collect();
        if names.len() > MAX_DEPTH + 1 || !walk(account, &mut tree, &names) {
            let message = format!("this property cannot be expanded ({path})");
            return Err(ApiError::invalid("expand", message));
        }
    }
    Ok(Arc::from(tree.to_string()))
}

/// Follows the names and expands at their end; `false` when there is no such property.
fn walk(account: &Account, at: &mut Value, names: &[&str]) -> bool {
    if let Value::Array(list) = at {
        return list.iter_mut().all(|item| walk(account, item, names));
    }
    let Some((name, rest)) = names.split_first() else {
        if let Some(id) = at.as_str() {
            let object = Kind::of_id(id).and_then(|kind| account.read(kind, id));
            let Some(object) = object else { return false };
            *at = object;
        }
        return true;
    };
    if *name == "coupon"
        && rest.is_empty()
        && let Some(id) = at["coupon"].as_str()
    {
        // Coupons are named by people, so only the property tells what the id is of.
        let coupon = account.read(Kind::Coupon, id);
        return coupon.is_some_and(|coupon| {
            at["coupon"] = coupon;
            true
        });
    }
    match at.get_mut(*name) {
        // An unset property has nothing to expand.
        Some(Value::Null) => true,
        Some(inner) => {
            if !rest.is_empty() && inner.is_string() && !walk(account, inner, &[]) {
                return false;
            }
            walk(account, inner, rest)
        }
        None => false,
    }
}
