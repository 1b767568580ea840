//! Interactions over HTTP become scores, whatever happens to the daemon in between.

use std::process::Stdio;

use memberd_jobs::{args, kernel::db::Sql};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Daemon, World, id, on_both, until};

/// Members of the kill test.
const MEMBERS: usize = 20;
/// Requests of the kill test, each with one interaction of each member.
const REQUESTS: usize = 60;
/// Kills of the kill test.
const KILLS: usize = 6;
/// Score and level of a member.
const STANDS: Sql = Sql::both(
    "SELECT s.score, s.level FROM engagement_state AS t JOIN member_scores AS s ON s.version = t.version
     JOIN engagement_members AS e ON e.member_no = s.member_no WHERE e.member_id = $1",
);
const COUNTED: Sql = Sql::both("SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM activity_days");

async fn member(daemon: &Daemon, n: usize) -> String {
    let body = json!({"email": format!("{n}@example.test"), "foreign_keys": [{"key": "app", "value": n.to_string()}]});
    let key = format!("member-{n}");
    let made = daemon.write(Method::POST, "/v1/members", &body, &key).await;
    id(&made.ok())
}

async fn tell(daemon: &Daemon, interactions: &Value) -> crate::support::Answer {
    let body = json!({ "interactions": interactions });
    let key = interactions
        .to_string()
        .replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
    let key = key.get(..200).unwrap_or(&key);
    daemon
        .write(Method::POST, "/v1/interactions", &body, key)
        .await
}

/// All scores, compared with what was counted.
fn verified(daemon: &Daemon) -> Value {
    let mut command = daemon.command("engagement");
    let told = command
        .args(["--json", "verify", "--all"])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    serde_json::from_slice(&told.stdout).unwrap()
}

on_both! {
    async fn interactions_become_a_score_and_a_level(world: World) {
        let daemon = world.daemon().await;
        let jane = member(&daemon, 0).await;
        let views = (0..20).map(|n| json!({"source": "app", "id": n.to_string(), "member_id": "ext:app:0", "kind": "content_view"}));
        let told = tell(&daemon, &views.clone().collect()).await;
        assert_eq!(told.status, 202, "{}", told.json);
        assert_eq!(told.json, json!({"accepted": 20, "duplicates": 0, "removed": 0, "refused": []}));
        until("the score", async || {
            let stands: Vec<(i64, i64)> = world.db.rows(STANDS, args![&jane]).await;
            // Twenty views give half of 40 points; from 5 on she is casual.
            (stands == [(20, 1)]).then_some(())
        }).await;
        let bad = json!([{"id": "x", "member_id": jane, "kind": "tip"}, {"member_id": jane, "kind": "share"}]);
        let refused = tell(&daemon, &bad).await;
        assert_eq!(refused.problem(), (422, "invalid_request"));
        let places: Vec<_> = refused.json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
        assert_eq!(places, ["#/interactions/0/kind", "#/interactions/1/id"]);
        assert_eq!(verified(&daemon), json!({"compared": 1, "differ": []}));
        let job = daemon.post("/v1/engagement/rebuild").await;
        assert_eq!(job["kind"], "engagement.rebuild_scores");
        world.idle().await;
        let stands: Vec<(i64, i64)> = world.db.rows(STANDS, args![&jane]).await;
        assert_eq!(stands, [(20, 1)]);
    }

    async fn a_daemon_that_is_killed_counts_each_interaction_once(world: World) {
        let mut daemon = world.daemon().await;
        let mut members = Vec::new();
        for n in 0..MEMBERS {
            members.push(member(&daemon, n).await);
        }
        for request in 0..REQUESTS {
            let items = members.iter().enumerate().map(|(n, member)| {
                json!({"id": format!("{request}-{n}"), "member_id": member, "kind": "comment"})
            });
            let items: Value = items.collect();
            let told = tell(&daemon, &items).await;
            assert_eq!(told.status, 202, "{}", told.json);
            if request % (REQUESTS / KILLS) == 3 {
                // Somewhere in the counting of what was just told.
                daemon.kill9();
                daemon.up().await;
            }
        }
        world.idle().await;
        let counted: Vec<(i64,)> = world.db.rows(COUNTED, &[]).await;
        assert_eq!(counted, [(i64::try_from(MEMBERS * REQUESTS).unwrap(),)]);
        assert_eq!(verified(&daemon)["compared"], json!(MEMBERS));
    }
}
