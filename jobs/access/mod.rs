//! Who may call the API: organizations and their keys, and what was called with them.
//!
//! An organization owns every row. A key belongs to one organization and carries the scopes it may use; the secret is
//! shown once, when the key is made, and only its SHA-256 is stored. A 256-bit random secret needs no slow hash.

pub mod activity;
mod model;
mod prune_activity;
mod scope;
mod store;
#[cfg(test)]
mod tests;

pub use model::{
    KEY_ID_PREFIX, Key, KeyError, NAME_CHARS_MAX, OVERLAP_SECONDS_MAX, TOKEN_CALLER_DIGITS, TOKEN_CALLER_PREFIX,
    is_token_caller,
};
pub use prune_activity::PruneActivity;
pub use scope::{Scope, Scopes, UnknownScope};
pub use store::{
    KeyRow, NewKey, create_key, ensure_organization, find_key, is_organization, list_keys, lock_key,
    lock_organization, revoke_key, revoke_tokens, rotate_key, tokens_revoked, touch_key, used_keys,
};

use crate::kernel::{CatchUp, Family, JobDef, Schedule};

/// This family.
pub const FAMILY: Family = Family {
    name: "access",
    jobs: &[JobDef::of::<PruneActivity>()],
    schedules: &[Schedule {
        name: "access.prune_activity",
        kind: "access.prune_activity",
        args: "{}",
        cron: "0 37 * * * *",
        timezone: "UTC",
        catch_up: CatchUp::One,
    }],
    data: &[],
};
