//! What becomes of work when Stripe refuses the organization's key: it waits without spending attempts, with a reason
//! that people see, and goes on when the key works again. The poll of events tries every few minutes.

use std::time::Duration;

use super::store::parked::{self, Parked};
use crate::kernel::{Env, JobError, db, ports::StripeError};

/// HTTP's word for a key that is revoked, expired or mistyped.
const UNAUTHORIZED: u16 = 401;

/// Stripe's word for an account that the key may not use any more.
const ACCOUNT_INVALID: &str = "account_invalid";

/// How long work waits before it tries again.
const PARKED_PAUSE: Duration = Duration::from_mins(5);

/// What a job does about an error of Stripe.
pub(super) async fn trouble(
    env: &Env,
    organization: &str,
    error: StripeError,
) -> db::Result<JobError> {
    Ok(if park(env, organization, &error).await? { JobError::Snooze(PARKED_PAUSE) } else { error.into() })
}

/// Parks the organization if Stripe refuses its key; tells whether it does.
pub(super) async fn park(env: &Env, organization: &str, error: &StripeError) -> db::Result<bool> {
    if !refuses_key(error) {
        return Ok(false);
    }
    let parked = Parked { reason: error.to_string(), since: env.now() };
    let mut tx = env.db.begin().await?;
    let new = parked::put(&mut tx, organization, &parked).await?;
    tx.commit().await?;
    if new {
        metrics::counter!("memberd_sync_parked_total").increment(1);
        tracing::error!(
            organization,
            %error,
            "stripe refuses the organization's key or its access to the account, so its work waits: mend secret_key or account in \
             the organization's stripe table and restart"
        );
    }
    Ok(true)
}

fn refuses_key(error: &StripeError) -> bool {
    match error {
        StripeError::Refused { status, code, .. } => *status == UNAUTHORIZED || code == ACCOUNT_INVALID,
        _ => false,
    }
}

/// The key works, as an answer of Stripe has shown: lets the organization's work go on.
pub(super) async fn welcome(env: &Env, organization: &str) -> db::Result<()> {
    if parked::get(&env.db, organization).await?.is_none() {
        return Ok(());
    }
    let mut tx = env.db.begin().await?;
    parked::delete(&mut tx, organization).await?;
    tx.commit().await?;
    tracing::info!(organization, "stripe takes the organization's key again");
    Ok(())
}
