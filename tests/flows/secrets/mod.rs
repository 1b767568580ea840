//! Secrets are found nowhere, and what is known of people only where it belongs: the real daemon is driven along its main paths
//! and led into errors, and then everything that it has left is searched.

mod caller;
mod mistakes;

use std::collections::BTreeSet;

use memberd_jobs::{kernel::db::Sql, testing::Engine};

use self::caller::Caller;
use crate::support::{
    Receiver, World, on_both,
    token::{self, TOKEN_SECRET},
    until,
    webhook::{OTHER_SECRET, SECRET},
};

/// Columns that may hold what is known of people, and why. Whoever adds one decides what an erasure does with it.
const PERSONAL: &[(&str, &str)] = &[
    ("customers.email", "whom Stripe knows, for linking"),
    ("customers.name", "the same"),
    (
        "idempotency_keys.body",
        "the answer to a creation, for 24 hours",
    ),
    (
        "member_keys.external_id",
        "how another system calls her, which may be an address",
    ),
    ("members.email", "who she is"),
    ("members.email_normalized", "who she is"),
    ("members.name", "who she is"),
    ("members.phone", "who she is"),
    ("members.meta", "what others note about her"),
    ("member_tags.tag", "the same"),
    (
        "stripe_events.body",
        "what Stripe sent, for retention.stripe_event_bodies",
    ),
    ("stripe_objects.raw", "what Stripe has"),
    (
        "stripe_operations.form",
        "her own words about a cancellation, which Stripe gets",
    ),
    ("grants.note", "what people note about a grant"),
];

/// Of people; each is in nothing else that the test says.
const PEOPLE: [&str; 14] = [
    "zuse@people.test",
    "Zuse, Konrad",
    "+49666777888",
    "hopper@people.test",
    "Lovelace",
    "noether@people.test",
    "vip-noether",
    "turing@people.test",
    "Turing says bye",
    "curie@people.test",
    "+49555444333",
    "Germain, Sophie",
    "germain@people.test",
    "lamarr@people.test",
];

/// The key of the configuration that secrets of endpoints are made from.
const ENDPOINT_KEY: &str = "0123456789abcdef0123456789abcdef";

/// What must not be read of a secret: all of it but what says which sort it is.
fn cores(secret: &str) -> Vec<String> {
    let parts: Vec<_> = secret.split('_').collect();
    let tokens: Vec<_> = secret.split('.').collect();
    let cores = match (&parts[..], &tokens[..]) {
        (["mbd", _, _, core, _] | ["whsec", core], _) => vec![*core],
        (_, [_, claims, signature]) => vec![*claims, *signature],
        _ => vec![secret],
    };
    cores.into_iter().map(str::to_owned).collect()
}

/// The columns of the database in which one of the texts is.
async fn columns(world: &World, texts: &[String]) -> BTreeSet<String> {
    let all = Sql::split(
        "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'",
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema()",
    );
    let all: Vec<(String, String)> = world.db.rows(all, &[]).await;
    assert!(all.len() > 300, "only {} columns", all.len());
    let mut found = BTreeSet::new();
    for (table, column) in all {
        let has = |text: &String| format!("CAST(\"{column}\" AS TEXT) LIKE '%{text}%'");
        let conditions: Vec<_> = texts.iter().map(has).collect();
        let rows = format!("{table} WHERE {}", conditions.join(" OR "));
        if world.db.count(&rows).await > 0 {
            found.insert(format!("{table}.{column}"));
        }
    }
    found
}

/// Every text that is in a place, with what stands before it.
fn found_in(place: &str, text: &str, wanted: &[String]) -> Vec<String> {
    let text = text.to_lowercase();
    let mut found = Vec::new();
    for one in wanted {
        for (at, _) in text.match_indices(&one.to_lowercase()) {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let before = text.get(line.max(at.saturating_sub(200))..at);
            found.push(format!(
                "{place}: `{one}` after {}",
                before.unwrap_or_default()
            ));
        }
    }
    found
}

on_both! {
    async fn secrets_are_nowhere_and_people_only_where_they_belong(world: World) {
        let receiver = Receiver::start().await;
        let node = token::taking(Receiver::node()).set("log.filter", "debug");
        let daemon = world.daemon_with(node).await;
        let mut caller = Caller::new(&daemon, &world);
        caller.webhooks(&receiver).await;
        caller.people().await;
        caller.mistakes().await;
        caller.keys().await;
        caller.tokens().await;
        world.idle().await;
        let fixed = ["sk_test_sandbox", "sk_test_other", SECRET, OTHER_SECRET, ENDPOINT_KEY, TOKEN_SECRET].map(str::to_owned);
        let keys = [world.key.clone(), world.other_key.clone()];
        let secrets: Vec<_> = caller.secrets.iter().chain(&keys).flat_map(|one| cores(one)).chain(fixed).collect();
        let people = PEOPLE.map(str::to_owned).to_vec();
        // The call that comes last is in the log of calls, too.
        daemon.get("/v1/nodes").await;
        until("the last call", async || (world.db.count("activity WHERE route = '/v1/nodes'").await > 0).then_some(())).await;

        let mut found = caller.accepted.clone();
        for column in columns(&world, &secrets).await {
            found.push(format!("{column}: a secret"));
        }
        let allowed: BTreeSet<_> = PERSONAL.iter().map(|(column, _)| (*column).to_owned()).collect();
        for column in columns(&world, &people).await.symmetric_difference(&allowed) {
            found.push(format!("{column}: people are here and may not be, or may be and are not"));
        }
        let metrics = world.http.get(daemon.url("/metrics")).send().await.unwrap().text().await.unwrap();
        let (log, refusals) = (daemon.log_text(), caller.refusals.join("\n"));
        // What is looked through is what was meant.
        let tokens_refused = ["signature", "expired", "issuer", "creator"].map(|why| format!("reason=\"token_{why}\""));
        assert!(tokens_refused.iter().all(|reason| metrics.contains(reason)), "{metrics}");
        assert!(metrics.contains("memberd_build_info") && log.contains("DEBUG") && log.contains("a key was rotated"));
        assert!(caller.refusals.len() > 50 && refusals.contains("insufficient_scope"), "{refusals}");
        for (place, text) in [("log", log), ("metrics", metrics), ("refusals", refusals)] {
            found.extend(found_in(place, &text, &secrets));
            found.extend(found_in(place, &text, &people));
        }
        if world.db.engine() == Engine::Sqlite {
            let file = world.db.file();
            for path in [file.with_extension("db-wal"), file] {
                let bytes = std::fs::read(&path).unwrap();
                found.extend(found_in("file", &String::from_utf8_lossy(&bytes), &secrets));
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
