//! Commands that change something stand in the activity log, as calls of the API do: before anything is done, and nothing is
//! done when that cannot be written (docs/decisions/0025).

use std::time::Instant;

use memberd_jobs::{
    access::{
        self,
        activity::{self, CALL_ID_PREFIX, CLI, CLI_METHOD, Call},
    },
    kernel::{Env, millis},
};

use super::{Failure, Outcome};
use crate::api::is_id;

/// What stands in the place of an HTTP status: of a command that ends with 0, and of any other, which may have done a part.
const STATUS: (i64, i64) = (200, 400);

/// What ids of commands begin with, as those of requests do.
const REQUEST_ID_PREFIX: &str = "req";

/// The commands that change something, in the words of the command line; not `migrate up`, which changes nobody's rows.
pub const WRITES: [&str; 22] = [
    "init",
    "keys create",
    "keys rotate",
    "keys revoke",
    "keys revoke-tokens",
    "jobs enqueue",
    "jobs retry",
    "jobs cancel",
    "queues pause",
    "queues resume",
    "schedules run",
    "schedules pause",
    "schedules resume",
    "sync backfill",
    "sync reconcile",
    "sync reproject",
    "engagement rebuild",
    "members import",
    "members grant",
    "members revoke-grant",
    "members import-grants",
    "webhooks test",
];

/// Does what a command changes, with its call in the log: `command` is one of [`WRITES`], and `object` what it is said to be
/// about, which counts if it is an id. The work may say more: the member whom it found, and what it made.
///
/// # Errors
/// Those of the work; an organization that nobody knows; a log that cannot be written.
pub async fn logged(
    env: &Env,
    organization: &str,
    command: &str,
    object: Option<&str>,
    work: impl AsyncFnOnce(&mut Call) -> Outcome,
) -> Outcome {
    let is_configured = env.settings.organizations.contains_key(organization);
    if !is_configured && !access::is_organization(&env.db, organization).await? {
        return Err(no_organization(env, organization));
    }
    let begun = Instant::now();
    let mut call = Call {
        id: env.id(CALL_ID_PREFIX),
        organization_id: organization.to_owned(),
        key_id: CLI.to_owned(),
        method: CLI_METHOD.to_owned(),
        route: command.to_owned(),
        object_id: object.filter(|object| is_id(object)).map(str::to_owned),
        made_id: None,
        request_id: env.id(REQUEST_ID_PREFIX),
        status: None,
        milliseconds: None,
        calls: 1,
        created_at: env.now(),
    };
    activity::begin(&env.db, &call).await.map_err(|error| {
        let text = format!(
            "nothing was done, because it could not be written into the activity log: {error}"
        );
        Failure::new(Failure::FAILED, text)
    })?;
    let outcome = work(&mut call).await;
    let (done, failed) = STATUS;
    call.status = Some(if outcome.is_ok() { done } else { failed });
    call.milliseconds = Some(millis(begun.elapsed()));
    // It is done, and its row says that it began.
    if let Err(error) = activity::write(&env.db, &[call]).await {
        tracing::warn!(%error, "the activity log could not be told how a command ended");
    }
    outcome
}

/// The one object that a command is about that takes several; what is about several names none.
pub fn only(ids: &[String]) -> Option<&str> {
    match ids {
        [id] => Some(id),
        _ => None,
    }
}

/// That no such organization is configured, and which are.
pub fn no_organization(env: &Env, organization: &str) -> Failure {
    let known: Vec<_> = env
        .settings
        .organizations
        .keys()
        .map(String::as_str)
        .collect();
    let text = format!(
        "no organization `{organization}` is configured: known are {}",
        known.join(", ")
    );
    Failure::new(Failure::USAGE, text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    /// The commands that change nobody's rows.
    const OTHERS: [&str; 29] = [
        "serve",
        "keys list",
        "jobs list",
        "jobs show",
        "jobs wait",
        "queues list",
        "schedules list",
        "sync diff",
        "sync status",
        "engagement explain",
        "engagement calibrate",
        "engagement verify",
        "report engagement",
        "members find",
        "members show",
        "members access",
        "operations list",
        "operations show",
        "webhooks verify",
        "migrate status",
        "migrate up",
        "config check",
        "config show",
        "config reference",
        "config schema",
        "openapi",
        "healthcheck",
        "demo",
        "sandbox",
    ];

    fn leaves(command: &clap::Command, before: &str, found: &mut BTreeSet<String>) {
        for one in command
            .get_subcommands()
            .filter(|one| one.get_name() != "help")
        {
            let name = format!("{before} {}", one.get_name()).trim().to_owned();
            if one.has_subcommands() {
                leaves(one, &name, found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn each_command_is_known_to_change_something_or_not_to() {
        let mut found = BTreeSet::new();
        leaves(&Cli::command(), "", &mut found);
        let told = WRITES.iter().chain(&OTHERS).map(|name| (*name).to_owned());
        assert_eq!(found, told.collect());
    }
}
