//! What the routes of the mirror share.

use crate::api::{Answer, ApiState, Caller, Code, Problem};

/// Refuses an organization that has no key for Stripe: nothing could be mirrored.
pub(super) fn has_stripe(state: &ApiState, caller: &Caller) -> Answer<()> {
    let organization = state.env.settings.organizations.get(&caller.organization);
    if organization.is_some_and(|known| known.has_stripe) {
        return Ok(());
    }
    Err(no_stripe(&caller.organization))
}

/// The organization has no key for Stripe.
pub(super) fn no_stripe(organization: &str) -> Problem {
    let detail =
        format!("organization {organization} has no Stripe key: set stripe.secret_key_file");
    Problem::new(Code::InvalidRequest, detail).unprocessable()
}
