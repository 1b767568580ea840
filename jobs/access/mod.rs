//! Who may call the API: organizations and their keys.
//!
//! An organization owns every row. A key belongs to one organization and carries the scopes it may use; the secret is
//! shown once, when the key is made, and only its SHA-256 is stored. A 256-bit random secret needs no slow hash.

mod model;
mod scope;
mod store;
#[cfg(test)]
mod tests;

pub use model::{KEY_ID_PREFIX, Key, KeyError, NAME_CHARS_MAX};
pub use scope::{Scope, Scopes, UnknownScope};
pub use store::{
    KeyRow, NewKey, create_key, ensure_organization, find_key, list_keys, lock_key, revoke_key, rotate_key,
    touch_key, used_keys,
};

use crate::kernel::Family;

/// This family.
pub const FAMILY: Family = Family {
    name: "access",
    jobs: &[],
    schedules: &[],
    data: &[],
};
