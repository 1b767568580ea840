//! Webhooks that are wrong: each gets its status and its code, adds exactly one to its counter, and stores nothing that
//! it should not.

use std::time::Duration;

use memberd_sandbox::signature;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Answer, Daemon, World, on_both, quiet_daemon, until,
    webhook::{self, SECRET, customer_event, seconds_now, send, sign},
};

/// One byte more than `server.webhook_body_limit`.
const TOO_LARGE: usize = 1024 * 1024 + 1;
const PATH: &str = "/webhooks/stripe";

/// The counter of an outcome grows by one, and no other.
async fn counted(daemon: &Daemon, outcome: &str, answer: impl AsyncFnOnce() -> Answer) -> Answer {
    let before = daemon.metrics().await;
    let answer = answer().await;
    let after = daemon.metrics().await;
    let grown = after.webhooks(outcome) - before.webhooks(outcome);
    let all = after.all_webhooks() - before.all_webhooks();
    assert_eq!(
        (grown, all),
        (1, 1),
        "`{outcome}` and all of them, for {}",
        answer.json
    );
    answer
}

async fn refuses(
    daemon: &Daemon,
    (status, code, outcome): (u16, &str, &str),
    path: &str,
    signature: &str,
    body: Vec<u8>,
) {
    let answer = counted(daemon, outcome, async || {
        send(daemon, path, signature, body).await
    })
    .await;
    assert_eq!(answer.problem(), (status, code), "{}", answer.json);
}

async fn nothing_is_stored(world: &World) {
    let rows = [
        world.db.count("stripe_events").await,
        world.db.count("jobs").await,
        world.db.count("jobs_done").await,
    ];
    assert_eq!(rows, [0, 0, 0], "events, jobs, finished jobs");
}

on_both! {
    async fn forged_and_stale_signatures(world: World) {
        let daemon = quiet_daemon(&world).await;
        let body = customer_event("evt_1", "cus_1").to_string().into_bytes();
        let now = seconds_now();
        let forged = (400, "invalid_signature", "invalid_signature");
        let stale = (400, "signature_expired", "signature_expired");
        let (good, other) = (sign(&body), signature::header("whsec_wrong", now, &body));
        let mut changed = body.clone();
        changed.extend_from_slice(b" ");
        let cases = [
            (forged, "/webhooks/stripe", other, body.clone()),
            (forged, "/webhooks/stripe", String::new(), body.clone()),
            (forged, "/webhooks/stripe", format!("t={now},v0={}", signature::digest(SECRET, now, &body)), body.clone()),
            (forged, "/webhooks/stripe", good.replace("v1=", "v1=0"), body.clone()),
            (forged, "/webhooks/stripe", good.clone(), changed),
            // Truncated: the signature is that of the whole.
            (forged, "/webhooks/stripe", good.clone(), body[..body.len() / 2].to_vec()),
            (forged, "/webhooks/stripe", good.clone(), Vec::new()),
            // The secret of one organization opens no other.
            (forged, "/webhooks/stripe/other", good, body.clone()),
            (stale, "/webhooks/stripe", signature::header(SECRET, now - 330, &body), body.clone()),
            (stale, "/webhooks/stripe", signature::header(SECRET, now + 330, &body), body.clone()),
        ];
        for (expected, path, signature, body) in cases {
            refuses(&daemon, expected, path, &signature, body).await;
        }
        nothing_is_stored(&world).await;
    }

    async fn bodies_that_are_no_event(world: World) {
        let daemon = quiet_daemon(&world).await;
        let malformed = (400, "invalid_json", "malformed");
        for body in [&b"hello"[..], b"", b"\xff\xfe", b"[]", b"{}", b"{\"id\":\"evt_1\"}", b"{\"id\":\"evt_1\"", b"null"] {
            refuses(&daemon, malformed, PATH, &sign(body), body.to_vec()).await;
        }
        let large = vec![b' '; TOO_LARGE];
        refuses(&daemon, (413, "payload_too_large", "too_large"), PATH, &sign(&large), large).await;
        nothing_is_stored(&world).await;
    }

    async fn a_body_that_breaks_off(world: World) {
        let daemon = quiet_daemon(&world).await;
        let before = daemon.metrics().await;
        let body = customer_event("evt_1", "cus_1").to_string();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nstripe-signature: {}\r\ncontent-length: {}\r\n\r\n",
            sign(body.as_bytes()), body.len(),
        );
        let address = daemon.url("").replace("http://", "");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..body.len() / 2]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Whether an answer still comes through is the connection's matter.
        let read = stream.read_to_end(&mut answer);
        assert!(tokio::time::timeout(Duration::from_secs(15), read).await.is_ok(), "the connection stays open");
        until("the broken body in the counter", async || {
            let after = daemon.metrics().await;
            let grown = after.webhooks("malformed") - before.webhooks("malformed");
            (grown == 1).then_some(())
        }).await;
        nothing_is_stored(&world).await;
    }

    async fn an_organization_that_is_not_there(world: World) {
        let daemon = quiet_daemon(&world).await;
        let body = customer_event("evt_1", "cus_1").to_string().into_bytes();
        let nowhere = (404, "not_found", "unknown_organization");
        refuses(&daemon, nowhere, "/webhooks/stripe/nobody", &sign(&body), body).await;
        let get = daemon.api(reqwest::Method::GET, PATH).await;
        assert_eq!(get.status, 405, "{}", get.json);
        nothing_is_stored(&world).await;
    }

    async fn events_that_are_not_ours_are_kept_and_do_nothing(world: World) {
        let daemon = quiet_daemon(&world).await;
        let mut foreign = customer_event("evt_foreign", "cus_1");
        foreign["account"] = json!("acct_somebody");
        let mut live = customer_event("evt_live", "cus_1");
        live["livemode"] = json!(true);
        let unknown = json!({"id": "dp_1", "object": "dispute"});
        let unknown = webhook::event("evt_unknown", "charge.dispute.created", &unknown);
        let brand_new = json!({"id": "xyz_1", "object": "invented_tomorrow"});
        let brand_new = webhook::event("evt_new", "invented_tomorrow.done", &brand_new);
        for (event, outcome) in [(foreign, "foreign"), (live, "wrong_mode"), (unknown, "ignored"), (brand_new, "ignored")] {
            let answer = counted(&daemon, outcome, async || webhook::good(&daemon, &event).await).await;
            assert_eq!(answer.status, 200, "{}", answer.json);
            let stored = format!("stripe_events WHERE id = '{}' AND state = '{outcome}'", event["id"].as_str().unwrap());
            assert_eq!(world.db.count(&stored).await, 1, "{stored}");
        }
        let rows = [world.db.count("stripe_events").await, world.db.count("jobs").await, world.db.count("jobs_done").await];
        assert_eq!(rows, [4, 0, 0], "events, jobs, finished jobs");
    }
}
