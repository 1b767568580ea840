//! One database mirrors one account in one mode for each organization, because the projections do not tell them apart.

use std::fmt;

use super::store::objects::{self, Scope};
use crate::kernel::{Env, db::Result};

/// The mirror of an organization holds objects of another account or mode than the configured one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAccount {
    organization: String,
    mirrored: (String, bool),
    configured: (String, bool),
}

impl fmt::Display for OtherAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the database mirrors {} for organization `{}`, the configuration says {}: set stripe.account and \
             stripe.livemode back, or use another database.url for the other account or mode",
            words(&self.mirrored),
            self.organization,
            words(&self.configured),
        )
    }
}

fn words((account, livemode): &(String, bool)) -> String {
    let mode = if *livemode { "live mode" } else { "test mode" };
    match account.as_str() {
        "" => format!("an account without stripe.account in {mode}"),
        account => format!("{account} in {mode}"),
    }
}

/// The first organization whose mirror is of another account or mode than its configuration.
pub async fn other_account(env: &Env) -> Result<Option<OtherAccount>> {
    for (organization, stripe) in &env.settings.organizations {
        let scope = Scope { organization, stripe };
        if let Some(mirrored) = objects::of_another(&env.db, &scope).await? {
            return Ok(Some(OtherAccount {
                organization: organization.clone(),
                mirrored,
                configured: (stripe.account.clone(), stripe.livemode),
            }));
        }
    }
    Ok(None)
}
