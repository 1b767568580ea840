//! Other servers hear of what happened: the real daemon against a receiver of the test.

use memberd_jobs::webhooks_out::ENDPOINTS_MAX;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Daemon, Receiver, World, id, ids, on_both, receiver::Heard, until};

const ENDPOINTS: &str = "/v1/webhook-endpoints";

async fn endpoint(daemon: &Daemon, url: &str, key: &str) -> Value {
    daemon
        .write(Method::POST, ENDPOINTS, &json!({ "url": url }), key)
        .await
        .ok()
}

fn secret(of: &Value) -> &str {
    of["secret"].as_str().unwrap()
}

/// Waits until so many attempts have arrived since the last look.
async fn arrived(receiver: &Receiver, number: usize) -> Vec<Heard> {
    until("the events", async || {
        (receiver.heard().len() >= number).then_some(())
    })
    .await;
    receiver.take()
}

async fn send_test(daemon: &Daemon, endpoint: &Value) -> Value {
    daemon
        .post(&format!("{ENDPOINTS}/{}/test", id(endpoint)))
        .await
}

async fn delivered(daemon: &Daemon, delivery: &Value) -> Value {
    let path = format!("/v1/webhook-deliveries/{}", id(delivery));
    until("a delivery that has ended", async || {
        let shown = daemon.get(&path).await;
        (shown["state"] != "pending").then_some(shown)
    })
    .await
}

on_both! {
    async fn an_endpoint_hears_what_happens_in_its_organization_and_nothing_else(world: World) {
        let receiver = Receiver::start().await;
        let daemon = world.daemon_with(Receiver::node()).await;
        let ours = endpoint(&daemon, &receiver.url("/ours"), "k-1").await;
        let request = world.http.post(daemon.url(ENDPOINTS)).bearer_auth(&world.other_key)
            .json(&json!({ "url": receiver.url("/theirs") }));
        Answer::to(request).await.unwrap().ok();
        let ada = world.subscriber("ada@example.test").await;
        world.settled().await;
        let heard = receiver.take();
        let mut kinds: Vec<_> = heard.iter().map(Heard::kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["audience.access_changed", "audience.member_joined", "audience.member_upgraded"]);
        for one in &heard {
            assert_eq!(one.path, "/ours", "{one:?}");
            assert!(one.is_signed_with(secret(&ours)));
            let body = one.json();
            assert_eq!(body["id"], one.id);
            assert!(!body.to_string().contains("ada@") && !body.to_string().contains("Ada"), "{body}");
        }
        let mut numbers: Vec<_> = heard.iter().map(|one| one.json()["sequence"].as_i64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);

        world.stripe("DELETE", &format!("/v1/subscriptions/{}", ada.subscription), "").await;
        world.settled().await;
        let kinds: Vec<_> = receiver.take().iter().map(Heard::kind).collect();
        assert!(kinds.contains(&"audience.member_churned".to_owned()), "{kinds:?}");
        let deliveries = daemon.get("/v1/webhook-deliveries?state=delivered").await;
        assert_eq!(ids(&deliveries).len(), 5);
        let theirs = daemon.get_as(&world.other_key, "/v1/webhook-deliveries").await.ok();
        assert_eq!(ids(&theirs), Vec::<String>::new());
    }

    async fn a_failure_is_repeated_and_a_secret_rotates_without_a_gap(world: World) {
        let receiver = Receiver::start().await;
        let daemon = world.daemon_with(Receiver::node()).await;
        let made = endpoint(&daemon, &receiver.url("/"), "k-1").await;
        let path = format!("{ENDPOINTS}/{}", id(&made));
        let again = endpoint(&daemon, &receiver.url("/"), "k-1").await;
        assert_eq!(again, made, "the repeated request has the same secret");
        let body = json!({ "overlap_seconds": 3600 });
        let new = daemon.write(Method::POST, &format!("{path}/rotate-secret"), &body, "k-2").await.ok();
        receiver.answer_next(500);
        let sent = send_test(&daemon, &made).await;
        // The second attempt comes after about five seconds.
        let heard = arrived(&receiver, 2).await;
        assert_eq!((heard[0].status, heard[1].status), (500, 204));
        assert_eq!(heard[0].id, heard[1].id);
        for one in &heard {
            assert!(one.is_signed_with(secret(&made)) && one.is_signed_with(secret(&new)));
        }
        let shown = delivered(&daemon, &sent).await;
        assert_eq!((&shown["state"], &shown["attempts"]), (&json!("delivered"), &json!(2)));
        assert_eq!(shown["event_id"], heard[0].id);
        daemon.post(&format!("/v1/webhook-deliveries/{}/resend", id(&sent))).await;
        assert_eq!(arrived(&receiver, 1).await[0].id, heard[0].id);

        let body = json!({ "overlap_seconds": 0 });
        let last = daemon.write(Method::POST, &format!("{path}/rotate-secret"), &body, "k-3").await.ok();
        send_test(&daemon, &made).await;
        let heard = arrived(&receiver, 1).await;
        assert!(heard[0].is_signed_with(secret(&last)) && !heard[0].is_signed_with(secret(&new)));
        world.idle().await;
        let secrets = [secret(&made), secret(&new), secret(&last), "0123456789abcdef0123456789abcdef"];
        nowhere(&world, &daemon, &secrets).await;
    }

    async fn an_organization_with_nothing_but_slow_endpoints_holds_up_nobody_else(world: World) {
        let (slow, quick) = (Receiver::start().await, Receiver::start().await);
        let daemon = world.daemon_with(Receiver::node()).await;
        slow.hold();
        for number in 0..usize::try_from(ENDPOINTS_MAX).unwrap() {
            let made = endpoint(&daemon, &slow.url("/"), &format!("k-{number}")).await;
            send_test(&daemon, &made).await;
        }
        until("all their receivers at work", async || {
            (i64::try_from(slow.held()).unwrap() == ENDPOINTS_MAX).then_some(())
        })
        .await;
        let as_other = |path: &str, body: Value| {
            let request = world.http.post(daemon.url(path)).bearer_auth(&world.other_key);
            Answer::to(request.json(&body))
        };
        let made = as_other(ENDPOINTS, json!({ "url": quick.url("/") })).await.unwrap().ok();
        as_other(&format!("{ENDPOINTS}/{}/test", id(&made)), json!({})).await.unwrap().ok();
        arrived(&quick, 1).await;
        assert_eq!(i64::try_from(slow.held()).unwrap(), ENDPOINTS_MAX, "they are slow still");
        slow.let_go();
        world.idle().await;
    }

    async fn an_endpoint_that_is_gone_is_disabled_and_gets_what_it_missed_by_a_replay(world: World) {
        let receiver = Receiver::start().await;
        let daemon = world.daemon_with(Receiver::node()).await;
        let made = endpoint(&daemon, &receiver.url("/"), "k-1").await;
        let path = format!("{ENDPOINTS}/{}", id(&made));
        receiver.answer_next(410);
        let sent = send_test(&daemon, &made).await;
        let shown = until("the end of the endpoint", async || {
            let shown = daemon.get(&path).await;
            (shown["enabled"] == false).then_some(shown)
        })
        .await;
        assert_eq!(shown["disabled_reason"], "gone");
        let told = until("a line in the log", async || {
            let log = daemon.log_text();
            log.lines().find(|line| line.contains("is sent nothing any more")).map(str::to_owned)
        })
        .await;
        for word in [id(&made).as_str(), "default", "gone", "410", "enable it"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        world.subscriber("ada@example.test").await;
        world.settled().await;
        assert_eq!(receiver.take().len(), 1, "nothing is sent to it");

        daemon.write(Method::PATCH, &path, &json!({ "enabled": true }), "k-2").await.ok();
        let since = json!({ "since": made["created_at"], "undelivered_only": true });
        daemon.write(Method::POST, &format!("{path}/replay"), &since, "k-3").await.ok();
        let mut kinds: Vec<_> = arrived(&receiver, 5).await.iter().map(Heard::kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["audience.access_changed", "audience.member_joined", "audience.member_upgraded",
            "webhook_endpoint.disabled", "webhook_endpoint.test"]);
        assert_eq!(delivered(&daemon, &sent).await["state"], "delivered", "it was pending");
        world.idle().await;
        assert_eq!(receiver.take().len(), 0);
        let metrics = daemon.metrics().await;
        assert_eq!(metrics.sum("memberd_webhook_deliveries_total", &[]), 6);
    }
}

/// None of the texts is in the database's file, in the log, in the metrics or in what is shown of endpoints.
async fn nowhere(world: &World, daemon: &Daemon, secrets: &[&str]) {
    let metrics = world.http.get(daemon.url("/metrics")).send().await.unwrap();
    let mut places = vec![
        ("log", daemon.log_text().into_bytes()),
        ("metrics", metrics.bytes().await.unwrap().to_vec()),
        (
            "endpoints",
            daemon.get(ENDPOINTS).await.to_string().into_bytes(),
        ),
        (
            "deliveries",
            daemon
                .get("/v1/webhook-deliveries")
                .await
                .to_string()
                .into_bytes(),
        ),
    ];
    if world.db.engine() == memberd_jobs::testing::Engine::Sqlite {
        let file = world.db.file();
        places.push((
            "log ahead",
            std::fs::read(file.with_extension("db-wal")).unwrap_or_default(),
        ));
        places.push(("database", std::fs::read(file).unwrap()));
    }
    for (place, bytes) in places {
        assert!(!bytes.is_empty() || place == "log ahead", "{place}");
        for secret in secrets {
            let secret = secret.trim_start_matches("whsec_").as_bytes();
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "a secret is in the {place}");
        }
    }
}
