//! Lists: newest first, by cursor.

use std::sync::Arc;

use super::{error::ApiError, params::Params};
use crate::{
    account::{Account, Kind},
    table::{Cursor, Filter, Page, Query},
};

const DEFAULT_LIMIT: i64 = 10;
const MAX_LIMIT: i64 = 100;
/// The parameters that every list has.
pub(crate) const PAGING: [&str; 3] = ["limit", "starting_after", "ending_before"];

/// Answers one page of a kind.
pub(crate) fn page(
    account: &Account,
    kind: Kind,
    url: &str,
    params: &Params,
    filters: Vec<Filter>,
) -> Result<Arc<str>, ApiError> {
    let table = account.table(kind);
    let place = |key: &'static str| match params.text(key)? {
        None => Ok(None),
        Some(id) => {
            let position = table.position(id);
            position
                .map(Some)
                .ok_or_else(|| ApiError::no_such(400, kind.name(), id, key))
        }
    };
    let cursor = match (place("starting_after")?, place("ending_before")?) {
        (None, None) => Cursor::Newest,
        (Some(at), None) => Cursor::After(at),
        (None, Some(at)) => Cursor::Before(at),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "ending_before",
                "give starting_after or ending_before, not both",
            ));
        }
    };
    let limit = params.integer("limit")?.unwrap_or(DEFAULT_LIMIT);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|_| (1..=MAX_LIMIT).contains(&limit))
        .ok_or_else(|| {
            ApiError::bad_value(
                "parameter_invalid_integer",
                "limit",
                format!("limit must be between 1 and {MAX_LIMIT}, not {limit}"),
            )
        })?;
    let mut created = created(params)?;
    if kind == Kind::Event {
        created.start = created.start.max(account.oldest_event());
    }
    Ok(render(
        url,
        &table.list(&Query {
            filters,
            created,
            cursor,
            limit,
        }),
    ))
}

/// `created=5`, `created[gt]`, `[gte]`, `[lt]`, `[lte]`.
fn created(params: &Params) -> Result<std::ops::Range<i64>, ApiError> {
    let mut range = i64::MIN..i64::MAX;
    let Ok(Some(group)) = params.group("created") else {
        if let Some(exact) = params.integer("created")? {
            range = exact..exact.saturating_add(1);
        }
        return Ok(range);
    };
    group.only(&["gt", "gte", "lt", "lte"])?;
    if let Some(second) = group.integer("gt")? {
        range.start = range.start.max(second.saturating_add(1));
    }
    if let Some(second) = group.integer("gte")? {
        range.start = range.start.max(second);
    }
    if let Some(second) = group.integer("lt")? {
        range.end = range.end.min(second);
    }
    if let Some(second) = group.integer("lte")? {
        range.end = range.end.min(second.saturating_add(1));
    }
    Ok(range)
}

/// A page as JSON; the objects are already text.
fn render(url: &str, page: &Page) -> Arc<str> {
    let length: usize = page.data.iter().map(|json| json.len() + 1).sum();
    let mut text = String::with_capacity(length + url.len() + 64);
    text.push_str(r#"{"object":"list","url":""#);
    text.push_str(url);
    text.push_str(r#"","has_more":"#);
    text.push_str(if page.has_more { "true" } else { "false" });
    text.push_str(r#","data":["#);
    for (number, json) in page.data.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(json);
    }
    text.push_str("]}");
    Arc::from(text)
}

/// An equality filter for each parameter that was sent.
pub(crate) fn equal(params: &Params, fields: &[&'static str]) -> Result<Vec<Filter>, ApiError> {
    let mut filters = Vec::new();
    for field in fields {
        if let Some(value) = params.text(field)? {
            filters.push(Filter::Is(field, value.to_owned()));
        }
    }
    Ok(filters)
}
