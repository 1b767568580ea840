//! The activity log of the real daemon, which is killed in the middle of a call.

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{Daemon, World, on_both, quiet_daemon, until};

async fn calls(daemon: &Daemon, filters: &str) -> Vec<Value> {
    let page = daemon
        .get(&format!("/v1/activity?limit=100&{filters}"))
        .await;
    page["data"].as_array().unwrap().clone()
}

on_both! {
    async fn a_call_that_died_with_its_process_says_that_its_end_is_not_known(world: World) {
        let mut daemon = quiet_daemon(&world).await;
        // A request whose body does not come to its end.
        let address = daemon.url("");
        let mut half = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
        let head = format!("POST /v1/jobs HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {}\r\n\
            content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"kind\":", world.key);
        half.write_all(head.as_bytes()).await.unwrap();
        let begun = until("a call that has begun", async || calls(&daemon, "status=unknown").await.pop()).await;
        assert_eq!((&begun["method"], &begun["route"]), (&json!("POST"), &json!("/v1/jobs")));
        daemon.post("/v1/queues/email/pause").await;
        daemon.kill9();
        drop(half);
        daemon.up().await;
        let after = calls(&daemon, "status=unknown&route=/v1/jobs").await;
        assert_eq!(after, [begun]);
        // The one that was answered may have lost its end in the same moment, but not its row.
        assert_eq!(calls(&daemon, "route=/v1/queues/{queue}/pause").await.len(), 1);
        daemon.post("/v1/queues/email/resume").await;
        // What was only read, and the ends of writes, are written before the process ends in order.
        let before = calls(&daemon, "method=GET").await.len();
        daemon.get("/v1/jobs").await;
        daemon.restart().await;
        let read = calls(&daemon, "method=GET").await;
        assert!(read.len() > before && read.iter().any(|call| call["route"] == "/v1/jobs"), "{read:?}");
        let resumed = calls(&daemon, "route=/v1/queues/{queue}/resume").await;
        assert_eq!((&resumed[0]["status"], &resumed[0]["object_id"]), (&json!(200), &json!("email")));
    }
}
