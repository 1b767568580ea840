//! Commands that change something stand in the activity log, and nothing is done that it cannot take.

use std::{
    collections::BTreeSet,
    process::{Output, Stdio},
};

use memberd::commands::activity::WRITES;
use memberd_jobs::kernel::db::Sql;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Daemon, Receiver, World, id, on_both};

const BREAK: Sql = Sql::both("ALTER TABLE activity RENAME TO elsewhere");
const MEND: Sql = Sql::both("ALTER TABLE elsewhere RENAME TO activity");

/// Runs a command, its words between blanks.
fn run(daemon: &Daemon, words: &str) -> Output {
    let (name, rest) = words.split_once(' ').unwrap();
    let mut command = daemon.command(name);
    command.args(rest.split(' ')).arg("--json");
    command.stdout(Stdio::piped()).output().unwrap()
}

/// The same; what it prints.
fn done(daemon: &Daemon, words: &str) -> Value {
    let output = run(daemon, words);
    assert!(output.status.success(), "{words}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn logged(daemon: &Daemon) -> Vec<Value> {
    let page = daemon
        .get("/v1/activity?method=CLI&key_id=cli&limit=100")
        .await;
    page["data"].as_array().unwrap().clone()
}

/// The latest call of a command: its status, its object, and what it made.
async fn last(daemon: &Daemon, command: &str) -> (Value, Value, Value) {
    let calls = logged(daemon).await;
    let call = calls.iter().find(|call| call["route"] == command);
    let call = call.unwrap_or_else(|| panic!("no {command}: {calls:?}"));
    (
        call["status"].clone(),
        call["object_id"].clone(),
        call["made_id"].clone(),
    )
}

on_both! {
    async fn every_command_that_changes_something_stands_in_the_activity_log(world: World) {
        let receiver = Receiver::start().await;
        let mut daemon = world.daemon_with(Receiver::node().roles("")).await;
        let ann = world.subscriber("ann@example.test").await;
        world.settled().await;
        let folder = world.folder();
        let (people, grants) = (folder.join("people.jsonl"), folder.join("grants.jsonl"));
        std::fs::write(&people, r#"{"id": "1", "email": "jane@example.test"}"#).unwrap();
        let line = json!({"member": "ext:old:1", "product": ann.product, "external_reference": "r-1"});
        std::fs::write(&grants, line.to_string()).unwrap();
        let endpoint = json!({"url": receiver.url("/hooks")});
        let endpoint = id(&daemon.write(Method::POST, "/v1/webhook-endpoints", &endpoint, "e").await.ok());

        let made = id(&done(&daemon, "keys create ours --scopes members:read"));
        assert_eq!(last(&daemon, "keys create").await, (json!(200), Value::Null, json!(made)));
        let rotated = id(&done(&daemon, &format!("keys rotate {made} --overlap 1h")));
        assert_eq!(last(&daemon, "keys rotate").await, (json!(200), json!(made), json!(rotated)));
        done(&daemon, &format!("keys revoke {made}"));
        let caller = "jwt:b9818fa3fc243c32401d60257cb8e35c";
        done(&daemon, &format!("keys revoke-tokens {caller}"));
        assert_eq!(last(&daemon, "keys revoke-tokens").await, (json!(200), json!(caller), Value::Null));
        let job = done(&daemon, "jobs enqueue housekeeping.prune_jobs");
        assert_eq!(last(&daemon, "jobs enqueue").await, (json!(200), Value::Null, job["job_id"].clone()));
        let job = job["job_id"].as_str().unwrap();
        // It may be over by now; either way the call is there, with what became of it.
        run(&daemon, &format!("jobs cancel {job}"));
        run(&daemon, &format!("jobs retry {job} job_none"));
        assert_eq!(last(&daemon, "jobs retry").await, (json!(400), Value::Null, Value::Null));
        for command in ["queues pause email", "queues resume email", "sync backfill", "sync reconcile", "sync reproject", "engagement rebuild",
            "schedules pause sync.poll_events", "schedules resume sync.poll_events", "schedules run sync.poll_events"] {
            done(&daemon, command);
        }
        assert_eq!(last(&daemon, "queues pause").await.1, "email");
        assert_eq!(last(&daemon, "schedules run").await.1, "sync.poll_events");
        let import = format!("members import {} --provider old", people.display());
        done(&daemon, &format!("{import} --dry-run"));
        assert!(logged(&daemon).await.iter().all(|call| call["route"] != "members import"), "it did nothing");
        done(&daemon, &import);
        let jane = id(&daemon.get("/v1/members/ext:old:1").await);
        let grant = id(&done(&daemon, &format!("members grant ext:old:1 {}", ann.product)));
        assert_eq!(last(&daemon, "members grant").await, (json!(200), json!(jane), json!(grant)));
        done(&daemon, &format!("members revoke-grant ext:old:1 {grant}"));
        assert_eq!(last(&daemon, "members revoke-grant").await, (json!(200), json!(jane), json!(grant)));
        done(&daemon, &format!("members import-grants {}", grants.display()));
        done(&daemon, &format!("webhooks test {endpoint}"));
        assert_eq!(last(&daemon, "webhooks test").await.1, endpoint);

        let calls = logged(&daemon).await;
        let found: BTreeSet<_> = calls.iter().map(|call| call["route"].as_str().unwrap()).collect();
        // `init` makes an installation of its own.
        let expected = WRITES.into_iter().filter(|command| *command != "init").collect();
        assert_eq!(found, expected);
        let text = Value::from(calls).to_string();
        for hidden in ["jane@", "ours", "people.jsonl", "ext:"] {
            assert!(!text.contains(hidden), "{hidden} is in the log: {text}");
        }

        assert!(!run(&daemon, "keys revoke key_none --organization nobody").status.success());
        assert_eq!(world.db.count("activity WHERE organization_id = 'nobody'").await, 0);
        world.idle().await;
        daemon.stop();
        let before = world.db.count("api_keys").await;
        world.db.execute(BREAK, &[]).await;
        assert!(!run(&daemon, "keys create more --scopes members:read").status.success());
        assert_eq!(world.db.count("api_keys").await, before);
        world.db.execute(MEND, &[]).await;
        done(&daemon, "keys create more --scopes members:read");
        assert_eq!(world.db.count("api_keys").await, before + 1);
    }
}
