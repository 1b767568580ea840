//! Deriving all members anew after the policy of access changed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::apply::derive_members;
use crate::{
    entitlements,
    kernel::{Context, Env, Job, JobError, JobResult, Report, Unique, db, outbox, outbox::NewJob},
    members,
};

/// Members derived in one transaction, so that no lock is held for long.
const BATCH_MAX: i64 = 100;

/// A run that was told to stop starts over after this pause.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// Derives every member's access from the mirror and the present policy. It may start over at any time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeriveMembers {}

impl Job for DeriveMembers {
    const KIND: &'static str = "sync.derive_members";
    const ABOUT: &'static str =
        "Derives every member's access anew; the daemon starts it when the policy of access changed.";
    const TIMEOUT: Duration = Duration::from_hours(6);
    const UNIQUE: Unique = Unique::Live;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let policy = entitlements::policy_text(&env.settings.access);
        let (mut after, mut derived) = (String::new(), 0_usize);
        loop {
            if cx.cancel.is_cancelled() {
                return Err(JobError::Snooze(RESUME_PAUSE));
            }
            let ids =
                members::store::ids_after(&env.db, organization, &after, BATCH_MAX).await?;
            let Some(last) = ids.last() else { break };
            after.clone_from(last);
            derived += ids.len();
            let mut tx = env.db.begin().await?;
            derive_members(&mut tx, env, organization, ids.into_iter().collect()).await?;
            tx.commit().await?;
        }
        let report = Report::none().with("derived", derived);
        let mut tx = env.db.begin().await?;
        entitlements::store::put_policy(&mut tx, organization, &policy, env.now()).await?;
        cx.complete_in(&mut tx, &report).await?;
        tx.commit().await?;
        Ok(report)
    }
}

/// Has all members of an organization derived anew whose entitlements follow another policy than the present one. Where
/// there are no members, there is nothing to derive.
///
/// # Errors
/// When the database cannot be read or written.
pub async fn derive_if_policy_changed(env: &Env) -> db::Result<()> {
    let policy = entitlements::policy_text(&env.settings.access);
    for organization in env.settings.organizations.keys() {
        if entitlements::store::policy(&env.db, organization).await?.as_deref() == Some(&policy) {
            continue;
        }
        let has_members =
            !members::store::ids_after(&env.db, organization, "", 1).await?.is_empty();
        let mut tx = env.db.begin().await?;
        if has_members {
            outbox::enqueue(&mut tx, env, NewJob::of(organization, &DeriveMembers {})?).await?;
        } else {
            entitlements::store::put_policy(&mut tx, organization, &policy, env.now()).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}
