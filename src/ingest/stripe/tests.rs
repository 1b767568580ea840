//! Each kind of webhook against a database in a file: status, code, what is stored, what is counted.

mod world;

use std::sync::atomic::AtomicUsize;

use axum::http::Request;
use futures::stream;
use memberd_jobs::{
    both,
    kernel::{Clock, db::Sql},
    testing::Engine,
};
use tower::ServiceExt as _;
use world::{LIMIT, Lock, NOW, SECRET, World, customer, event, sign};

use super::*;
use crate::testing::Log;

/// Panics as often as it was told to.
#[derive(Debug)]
struct Faltering(AtomicUsize);

impl Clock for Faltering {
    fn now(&self) -> Timestamp {
        let less = |left: usize| left.checked_sub(1);
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        assert!(left.is_err(), "the clock has no time to tell");
        NOW
    }
}

both! {
async fn a_panic_does_not_end_the_storing(db: TestDb) {
    let panics = 3;
    let clock = Arc::new(Faltering(AtomicUsize::new(panics)));
    let env = Env { clock, ..db.env.clone() };
    let intake = Intake::new(&env);
    let arrived = Arrived::read(&env, "default", Source::Webhook, &customer("evt_1")).unwrap();
    for _ in 0..panics {
        let refused = intake.store(arrived.clone()).await;
        assert!(matches!(refused, Err(db::Error::Unavailable(_))), "{refused:?}");
    }
    assert!(intake.store(arrived).await.is_ok());
    assert_eq!(db.count("stripe_events").await, 1);
}

async fn a_good_webhook_is_stored_once_however_often_it_comes(db: TestDb) {
    let world = World::new(db).await;
    world.good(&customer("evt_1")).await.accepted("new");
    for _ in 0..20 {
        world.good(&customer("evt_1")).await.accepted("seen");
    }
    assert_eq!(
        world.stored().await,
        [("evt_1".to_owned(), "new".to_owned())]
    );
    world.counted("new", 1);
    world.counted("seen", 20);
    let text = world.handle.render();
    assert!(
        text.contains("memberd_stripe_webhook_duration_seconds_count 21"),
        "{text}"
    );
    assert!(
        text.contains("memberd_stripe_webhook_lag_seconds_sum 63"),
        "{text}"
    );
}

async fn each_organization_has_its_own_secrets(db: TestDb) {
    let world = World::new(db).await;
    let body = customer("evt_1");
    let theirs = sign("whsec_acme", NOW, body.as_bytes());
    let path = "/webhooks/stripe/acme";
    world
        .send(path, &theirs, body.clone())
        .await
        .accepted("new");
    let answer = world.send("/webhooks/stripe", &theirs, body.clone()).await;
    answer.refused(400, "invalid_signature");
    let old = sign("whsec_old", NOW, body.as_bytes());
    let answer = world.send("/webhooks/stripe/default", &old, body).await;
    answer.accepted("new");
    assert_eq!(world.stored().await.len(), 2);
}

async fn forged_and_truncated_ones_are_refused_before_they_are_read(db: TestDb) {
    let world = World::new(db).await;
    let body = customer("evt_1");
    let good = sign(SECRET, NOW, body.as_bytes());
    let path = "/webhooks/stripe";
    let forged = sign("whsec_theirs", NOW, body.as_bytes());
    let stale_forgery = sign("whsec_theirs", Timestamp(0), body.as_bytes());
    for (signature, body) in [
        (&*forged, &*body),
        (&stale_forgery, &body),
        (&good, &body[..body.len() - 1]),
        (&good, "not even JSON"),
        (&good, ""),
        ("t=1,v1", &body),
        ("", &body),
    ] {
        let answer = world.send(path, signature, body.to_owned()).await;
        answer.refused(400, "invalid_signature");
    }
    let unsigned = Request::post(path).body(body.clone().into()).unwrap();
    world
        .request(unsigned)
        .await
        .refused(400, "invalid_signature");
    let twice = Request::post(path)
        .header("stripe-signature", &good)
        .header("stripe-signature", &good)
        .body(body.into())
        .unwrap();
    world.request(twice).await.refused(400, "invalid_signature");
    assert_eq!(world.stored().await, []);
    world.counted("invalid_signature", 9);
}

async fn an_old_signature_is_told_from_a_wrong_one(db: TestDb) {
    let world = World::new(db).await;
    let body = customer("evt_1");
    let away = signature::TOLERANCE + Duration::from_secs(1);
    for at in [NOW.minus(away), NOW.plus(away)] {
        let signature = sign(SECRET, at, body.as_bytes());
        let answer = world
            .send("/webhooks/stripe", &signature, body.clone())
            .await;
        answer.refused(400, "signature_expired");
    }
    assert_eq!(world.stored().await, []);
    world.counted("signature_expired", 2);
}

async fn reading_stops_at_the_limit(db: TestDb) {
    let world = World::new(db).await;
    let path = "/webhooks/stripe";
    let large = "x".repeat(LIMIT + 1);
    let signature = sign(SECRET, NOW, large.as_bytes());
    world
        .send(path, &signature, large)
        .await
        .refused(413, "payload_too_large");
    // Without an announced length and without an end.
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 512])));
    let answer = world
        .send(path, &signature, Body::from_stream(endless))
        .await;
    answer.refused(413, "payload_too_large");
    // Announced only: nothing is read at all.
    let silent = stream::pending::<Result<Bytes, std::io::Error>>();
    let announced = Request::post(path)
        .header("content-length", LIMIT + 1)
        .body(Body::from_stream(silent))
        .unwrap();
    world
        .request(announced)
        .await
        .refused(413, "payload_too_large");
    world.counted("too_large", 3);
    // The limit itself fits.
    let mut exact = customer("evt_1");
    exact.push_str(&" ".repeat(LIMIT - exact.len()));
    world.good(&exact).await.accepted("new");
    assert_eq!(world.stored().await.len(), 1);
}

async fn a_body_that_breaks_off_is_refused(db: TestDb) {
    let world = World::new(db).await;
    let broken = stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ]);
    let answer = world
        .send("/webhooks/stripe", "t=1,v1=0", Body::from_stream(broken))
        .await;
    answer.refused(400, "invalid_request");
    world.counted("malformed", 1);
}

async fn signed_bodies_that_are_no_events_are_refused(db: TestDb) {
    let world = World::new(db).await;
    for body in ["", "hello", "[]", "{}", r#"{"id":"evt_1"}"#] {
        world.good(body).await.refused(400, "invalid_json");
    }
    let binary = [b'{', 0xff, b'}'];
    let signature = sign(SECRET, NOW, &binary);
    let answer = world
        .send("/webhooks/stripe", &signature, binary.to_vec())
        .await;
    answer.refused(400, "invalid_json");
    assert_eq!(world.stored().await, []);
    world.counted("malformed", 6);
}

async fn events_that_concern_nobody_here_are_kept_and_not_used(db: TestDb) {
    let world = World::new(db).await;
    for (id, kind, account, livemode, outcome) in [
        (
            "evt_1",
            "customer.updated",
            Some("acct_9"),
            false,
            "foreign",
        ),
        ("evt_2", "customer.updated", None, true, "wrong_mode"),
        ("evt_3", "climate.order.created", None, false, "ignored"),
    ] {
        let body = event(id, kind, account, livemode);
        world.good(&body).await.accepted(outcome);
        let last = world.stored().await.pop().unwrap();
        assert_eq!(last, (id.to_owned(), outcome.to_owned()));
        world.counted(outcome, 1);
        world.good(&body).await.accepted("seen");
    }
    assert_eq!(world.db.count("jobs").await, 0);
}

async fn an_event_of_a_connected_account_goes_to_its_organization(db: TestDb) {
    const OWNERS: Sql = Sql::both("SELECT id, organization_id FROM stripe_events ORDER BY id");
    let world = World::new(db).await;
    let paths = [
        ("/webhooks/stripe", SECRET, "default"),
        ("/webhooks/stripe/acme", "whsec_acme", "acme"),
        ("/webhooks/stripe/joined", "whsec_joined", "joined"),
    ];
    let accounts = [
        (None, ["new", "new", "foreign"]),
        (Some("acct_1"), ["new", "foreign", "foreign"]),
        (Some("acct_joined"), ["new", "foreign", "new"]),
        (Some("acct_sibling"), ["new", "foreign", "foreign"]),
        (Some("acct_apart"), ["foreign", "new", "foreign"]),
        (Some("acct_9"), ["foreign", "foreign", "foreign"]),
    ];
    let mut owners = Vec::new();
    for (row, (account, outcomes)) in accounts.into_iter().enumerate() {
        for ((path, secret, organization), outcome) in paths.into_iter().zip(outcomes) {
            let id = format!("evt_{row}_{organization}");
            let body = event(&id, "customer.updated", account, false);
            let signature = sign(secret, NOW, body.as_bytes());
            world.send(path, &signature, body).await.accepted(outcome);
            let named = account.and_then(|account| account.strip_prefix("acct_"));
            let owner = match (named, outcome) {
                (Some(connected @ ("joined" | "sibling" | "apart")), "new") => connected,
                _ => organization,
            };
            owners.push((id, owner.to_owned()));
        }
    }
    owners.sort();
    let stored: Vec<(String, String)> = world.db.rows(OWNERS, &[]).await;
    assert_eq!(stored, owners);
}

async fn unknown_organizations_and_those_without_secrets_look_alike(db: TestDb) {
    let world = World::new(db).await;
    let body = customer("evt_1");
    let mut bodies = Vec::new();
    for name in ["nobody", "silent", "DEFAULT", "..%2Fdefault"] {
        let path = format!("/webhooks/stripe/{name}");
        let mut answer = world
            .send(&path, &sign("", NOW, body.as_bytes()), body.clone())
            .await;
        answer.refused(404, "not_found");
        answer.body["request_id"].take();
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert_eq!(world.stored().await, []);
    world.counted("unknown_organization", 4);
}

async fn what_cannot_be_stored_is_asked_for_again(db: TestDb) {
    let mut body = customer("evt_1");
    body.push_str(&" ".repeat(500_000));
    let world = World::over(db, BODY_LIMIT);
    match world.db.engine() {
        // The server is gone.
        Engine::Postgres => world.db.db.close().await,
        // The disk is full: the file may not grow.
        Engine::Sqlite => {
            let full = Sql::both("PRAGMA max_page_count = 1");
            world.db.execute(full, &[]).await;
        }
    }
    let answer = world.good(&body).await;
    answer.refused(503, "overloaded");
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    world.counted("unavailable", 1);

    let world = World::over(world.db.reopen().await, BODY_LIMIT);
    assert_eq!(world.stored().await, []);
    world.good(&body).await.accepted("new");
    assert_eq!(world.stored().await.len(), 1);
}

async fn a_webhook_waits_for_a_database_that_is_away_no_longer_than_allowed(db: TestDb) {
    let world = World::new(db).await;
    let mut lock = Lock::take(&world.db).await;
    let begun = Instant::now();
    let answer = world.good(&customer("evt_1")).await;
    answer.refused(503, "overloaded");
    let waited = begun.elapsed();
    assert!(waited >= STORE_TIMEOUT, "it gave up after {waited:?}");
    assert!(waited < STORE_TIMEOUT * 3, "it waited for {waited:?}");
    world.counted("unavailable", 1);
    lock.release().await;
    // What was begun may end after the answer: Stripe sends it again, and it is stored once whichever comes first.
    world.good(&customer("evt_1")).await.is_stored();
    assert_eq!(world.stored().await, [("evt_1".to_owned(), "new".to_owned())]);
    assert_eq!(world.db.count("jobs").await, 1);
}

async fn refused_webhooks_are_one_line_a_minute_without_what_was_sent(db: TestDb) {
    let log = Log::default();
    let _hears = log.hear();
    let world = World::new(db).await;
    let told = || log.text().matches("a stripe webhook was refused").count();
    for (minute, lines) in [(0, 1), (59, 1), (60, 2), (61, 2), (120, 3)] {
        world.db.clock.set(NOW.plus(Duration::from_secs(minute)));
        for path in ["/webhooks/stripe", "/webhooks/stripe/zoe_example"] {
            let forged = sign("whsec_theirs", NOW, b"zoe@example.com");
            world.send(path, &forged, "zoe@example.com").await;
        }
        assert_eq!(told(), lines, "after {minute} s: {}", log.text());
    }
    let text = log.text();
    assert!(text.contains("invalid_signature") && text.contains("stripe.webhook_secrets"), "{text}");
    for secret in ["zoe", "whsec_", "v1="] {
        assert!(!text.contains(secret), "{text}");
    }
}

async fn only_post_is_answered(db: TestDb) {
    let world = World::new(db).await;
    let request = Request::get("/webhooks/stripe")
        .body(Body::empty())
        .unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), axum::http::StatusCode::METHOD_NOT_ALLOWED);
}
}
