//! What must be true at the end of `memberd demo --once`. Each check looks from outside, as anybody could.

mod access;
mod compare;
mod duplicates;
mod mirror;
mod process;

use std::fmt;

pub(super) use self::duplicates::of as digest_of;

use serde_json::{Map, Value};

use super::{facts::Told, measured::Measured, screen::Screen, world::World};

/// One thing that must be true.
#[derive(Clone, Debug)]
pub(super) struct Invariant {
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// True, with a figure for people; or why not.
    pub(super) verdict: Result<String, String>,
}

impl Invariant {
    /// An error says why something is not true, or why nobody can tell.
    pub(super) fn of(name: &'static str, checked: anyhow::Result<String>) -> Self {
        Self {
            name,
            verdict: checked.map_err(|error| format!("{error:#}")),
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match &self.verdict {
            Ok(figure) => write!(f, "  ok      {name:<36} {figure}"),
            Err(why) => write!(f, "  NOT OK  {name:<36} {why}"),
        }
    }
}

/// `{"name": "ok" or why not}`
pub(super) fn json(invariants: &[Invariant]) -> Value {
    let pairs = invariants.iter().map(|one| {
        let word = match &one.verdict {
            Ok(_) => "ok",
            Err(why) => why.as_str(),
        };
        (one.name.to_owned(), Value::from(word))
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Everything that can be checked while both processes run, and what the API tells at the end.
///
/// # Errors
/// When the API does not tell at all.
pub(super) async fn check(
    world: &World,
    measured: &Measured,
    screen: &Screen,
) -> anyhow::Result<(Vec<Invariant>, [Told; 2])> {
    screen.progress(|| "checking: the same webhooks once more");
    let duplicates = duplicates::change_nothing(world, screen).await;
    let told = Told::both(world).await?;
    screen.progress(|| "checking: everything else");
    let invariants = vec![
        Invariant::of("jobs_final", process::jobs_final(world).await),
        Invariant::of("leases", process::leases(world).await),
        Invariant::of(
            "mirror_equals_stripe",
            mirror::equals_stripe(world, &told).await,
        ),
        Invariant::of("events_applied", mirror::events_applied(world).await),
        Invariant::of(
            "members_follow_customers",
            mirror::members_follow(world, &told).await,
        ),
        Invariant::of(
            "entitlements_follow_subscriptions",
            access::follows(world, screen).await,
        ),
        Invariant::of("duplicates_change_nothing", duplicates),
        Invariant::of(
            "organizations_are_separate",
            access::separate(world, &told).await,
        ),
        Invariant::of(
            "webhooks_answered_quickly",
            process::webhooks_quick(measured),
        ),
        Invariant::of(
            "schedules_declared",
            process::schedules_declared(world).await,
        ),
        Invariant::of("healthy", process::healthy(world).await),
    ];
    Ok((invariants, told))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_says_ok_or_why_not() {
        let list = [
            Invariant::of("one", Ok("12 of them".to_owned())),
            Invariant::of("two", Err(anyhow!("inner").context("outer"))),
        ];
        assert_eq!(json(&list), json!({"one": "ok", "two": "outer: inner"}));
    }
}
