//! Members whom people write: made, changed, deleted, restored and imported by the real daemon and its commands.

use std::{fmt::Write as _, path::PathBuf, process::Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Daemon, World, id, ids, on_both, until};

/// Lines of the file that is imported.
const PEOPLE: i64 = 6_000;

/// A file with people of whom everybody has a key and a tag.
fn file(world: &World) -> PathBuf {
    let mut lines = String::new();
    for n in 0..PEOPLE {
        let person = json!({"data": {"id": format!("cust_{n}"), "firstname": "Jane", "lastname": n.to_string(),
            "email": format!("{n}@example.test"), "tags": ["old"], "password": "s3cret"}});
        let _ = writeln!(lines, "{person}");
    }
    let path = world.folder().join("people.jsonl");
    std::fs::write(&path, lines).unwrap();
    path
}

/// The command that imports the file.
fn import(daemon: &Daemon, world: &World) -> std::process::Command {
    let mut command = daemon.command("members");
    command
        .args(["--json", "import", "--provider", "old"])
        .arg(file(world));
    command
}

on_both! {
    // Seed rows 2, 7, 15 to 23.
    async fn a_member_lives_as_people_write(world: World) {
        let daemon = world.daemon().await;
        let write = async |method, path: &str, body: Value| {
            let key = format!("{path}{body}");
            daemon.write(method, path, &body, &key).await
        };
        let jane = json!({"email": "jane@example.test", "name": "Jane", "meta": {"a": 1}});
        let made = write(Method::POST, "/v1/members", jane.clone()).await.ok();
        assert_eq!(write(Method::POST, "/v1/members", jane.clone()).await.ok(), made);
        let path = format!("/v1/members/{}", id(&made));
        let put = json!({"email": "jane@example.test", "name": "Jane Smith", "meta": {"b": 2}});
        assert_eq!(write(Method::PUT, &path, put).await.ok()["meta"], json!({"b": 2}));
        let change = json!({"meta": {"b": null, "c": 3}, "tags": ["vip"], "archived": true});
        let patched = write(Method::PATCH, &path, change).await.ok();
        assert_eq!((&patched["meta"], &patched["name"]), (&json!({"c": 3}), &json!("Jane Smith")));
        assert_eq!(ids(&daemon.get("/v1/members?tag=vip&archived=true").await), [id(&made)]);

        assert_eq!(daemon.api(Method::DELETE, &path).await.status, 204);
        assert_eq!(ids(&daemon.get("/v1/members").await).len(), 0);
        let access = daemon.get(&format!("{path}/access")).await;
        assert_eq!(access["reasons"], json!(["member_deleted"]));
        let other = json!({"email": "JANE@example.test"});
        let other = write(Method::POST, "/v1/members", other).await.ok();
        let restore = format!("{path}/restore");
        assert_eq!(daemon.api(Method::POST, &restore).await.problem(), (409, "email_taken"));
        let other = format!("/v1/members/{}", id(&other));
        assert_eq!(daemon.api(Method::DELETE, &other).await.status, 204);
        assert_eq!(daemon.post(&restore).await["tags"], json!(["vip"]));
        assert_eq!(ids(&daemon.get("/v1/members?include_deleted=true").await).len(), 2);
        world.idle().await;
    }

    async fn an_import_that_is_killed_is_finished_by_the_next(world: World) {
        let daemon = world.daemon().await;
        for part in [4, 2] {
            let mut child = import(&daemon, &world).spawn().unwrap();
            until("a part of the import", async || {
                assert_eq!(child.try_wait().unwrap(), None, "it is over already");
                (world.db.count("members").await >= PEOPLE / part).then_some(())
            })
            .await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let there = world.db.count("members").await;
        assert!((PEOPLE / 2..PEOPLE).contains(&there), "{there}");
        let told = import(&daemon, &world).stdout(Stdio::piped()).output().unwrap();
        assert!(told.status.success());
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!((&told["made"], &told["known"]), (&json!(PEOPLE - there), &json!(there)), "{told}");
        assert_eq!(told["left_out"], json!({"password": PEOPLE}));
        for table in ["members", "member_keys", "member_tags", "events WHERE type = 'audience.member_joined'"] {
            assert_eq!(world.db.count(table).await, PEOPLE, "{table}");
        }
        let one = daemon.get("/v1/members/ext:old:cust_17").await;
        assert_eq!((&one["email"], &one["name"]), (&json!("17@example.test"), &json!("Jane 17")));
        assert!(!daemon.log_text().contains("example.test"), "an address in the log");
    }
}
