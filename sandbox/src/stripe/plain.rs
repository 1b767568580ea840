//! Reading of types whose lists filter by their indexed fields and by nothing else.

use std::sync::Arc;

use super::{
    error::ApiError,
    lists::{self, PAGING},
    params::Params,
};
use crate::account::{Account, Kind};

/// One object.
pub(crate) fn retrieve(
    account: &Account,
    kind: Kind,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    // Of these types Stripe keeps no stub of what is deleted.
    account.live(kind, id, "id")?;
    account.answer(kind, id)
}

/// One page of a list.
pub(crate) fn list(
    account: &Account,
    kind: Kind,
    url: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[&PAGING[..], kind.fields(), &["created"]].concat())?;
    let filters = lists::equal(params, kind.fields())?;
    lists::page(account, kind, url, params, filters)
}
