//! `/v1/events`.

use std::sync::Arc;

use super::{
    error::ApiError,
    lists::{self, PAGING},
    params::Params,
};
use crate::{
    account::{Account, Kind},
    table::Filter,
};

/// `GET /v1/events/{id}`
pub(crate) fn retrieve(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    account.answer(Kind::Event, id)
}

/// `GET /v1/events`
pub(crate) fn list(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&[&PAGING[..], &["created", "type", "types"]].concat())?;
    let mut filters = Vec::new();
    if let Some(pattern) = params.text("type")? {
        filters.push(match pattern.split_once('*') {
            None => Filter::Is("type", pattern.to_owned()),
            Some((prefix, "")) => Filter::Starts("type", prefix.to_owned()),
            Some(_) => {
                return Err(ApiError::invalid(
                    "type",
                    "a * stands only at the end of a type",
                ));
            }
        });
    }
    if params.has("types") {
        if params.has("type") {
            return Err(ApiError::invalid("types", "give type or types, not both"));
        }
        filters.push(Filter::AnyOf("type", params.texts("types")?));
    }
    lists::page(account, Kind::Event, "/v1/events", params, filters)
}
