//! A set of keys that is fetched.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use jsonwebtoken::Algorithm;
use memberd_jobs::kernel::Timestamp;
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

use super::{NOW, Pair, claims, options, roles, sign::set};
use crate::jwt::{
    Issuers, Refusal, Source,
    keys::{FETCH_INTERVAL_MIN, SET_AGE_MAX, SET_BELIEVED_MAX, SET_BYTES_MAX},
};

/// What a server of keys answers, and how often it was asked.
#[derive(Clone, Default)]
struct Shared {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Shared {
    fn say(&self, status: u16, text: impl Into<String>) {
        *self.answer.lock().unwrap() = (status, text.into());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A server of keys, and an issuer who has his keys there. The server stops with its set.
async fn world() -> (Shared, Issuers, JoinSet<()>) {
    let shared = Shared::default();
    let answer = async |State(shared): State<Shared>| {
        shared.asked.fetch_add(1, Ordering::SeqCst);
        let (status, text) = shared.answer.lock().unwrap().clone();
        (
            StatusCode::from_u16(status).unwrap(),
            [("location", "/elsewhere")],
            text,
        )
    };
    let router = Router::new()
        .route("/keys", get(answer))
        .with_state(shared.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let source = Source::Url(url.parse().unwrap());
    let issuers = Issuers::new([options(source, &[Algorithm::EdDSA])], roles()).unwrap();
    (shared, issuers, server)
}

async fn at(issuers: &Issuers, pair: &Pair, at: Instant) -> Option<Refusal> {
    let now = Timestamp::from_seconds(NOW);
    issuers.check(&pair.token(&claims()), now, at).await.err()
}

#[tokio::test]
async fn a_set_is_fetched_once_and_again_for_a_key_that_is_not_in_it() {
    let (server, issuers, _stop) = world().await;
    let (first, second, begin) = (Pair::ed("1"), Pair::ed("2"), Instant::now());
    server.say(200, set(&[&first]));
    for _ in 0..3 {
        assert_eq!(at(&issuers, &first, begin).await, None);
    }
    assert_eq!(server.asked(), 1);
    // A stranger's tokens do not make us ask again and again.
    server.say(200, set(&[&first, &second]));
    let soon = begin + FETCH_INTERVAL_MIN - Duration::from_millis(1);
    assert_eq!(at(&issuers, &second, soon).await, Some(Refusal::Signature));
    assert_eq!(server.asked(), 1);
    let later = begin + FETCH_INTERVAL_MIN;
    assert_eq!(at(&issuers, &second, later).await, None);
    assert_eq!(at(&issuers, &first, later).await, None);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_key_that_was_taken_out_is_believed_no_longer_than_the_set() {
    let (server, issuers, _stop) = world().await;
    let (first, second, begin) = (Pair::ed("1"), Pair::ed("2"), Instant::now());
    server.say(200, set(&[&first]));
    assert_eq!(at(&issuers, &first, begin).await, None);
    server.say(200, set(&[&second]));
    let still = begin + SET_AGE_MAX - Duration::from_millis(1);
    assert_eq!(at(&issuers, &first, still).await, None);
    assert_eq!(
        at(&issuers, &first, begin + SET_AGE_MAX).await,
        Some(Refusal::Signature)
    );
}

#[tokio::test]
async fn while_a_set_cannot_be_had_the_one_before_is_used_for_a_day() {
    let (server, issuers, _stop) = world().await;
    let (pair, begin) = (Pair::ed("1"), Instant::now());
    server.say(200, set(&[&pair]));
    assert_eq!(at(&issuers, &pair, begin).await, None);
    let mut now = begin;
    for (status, text) in [
        (500, String::new()),
        (302, String::new()),
        (200, "<html>".to_owned()),
        (200, "{\"keys\":[]}".to_owned()),
        (200, " ".repeat(SET_BYTES_MAX + 1)),
    ] {
        server.say(status, text);
        now += SET_AGE_MAX;
        let asked = server.asked();
        assert_eq!(at(&issuers, &pair, now).await, None, "{status}");
        assert_eq!(server.asked(), asked + 1, "{status}");
    }
    let stranger = Pair::ed("2");
    let day = begin + SET_BELIEVED_MAX;
    let still = day - Duration::from_millis(1);
    assert_eq!(at(&issuers, &pair, still).await, None);
    assert_eq!(
        at(&issuers, &stranger, still).await,
        Some(Refusal::Signature)
    );
    for pair in [&pair, &stranger] {
        assert_eq!(at(&issuers, pair, day).await, Some(Refusal::NoKeys));
    }
}

#[tokio::test]
async fn before_a_set_was_had_nobody_says_that_a_token_is_forged() {
    let (server, issuers, _stop) = world().await;
    let (pair, begin) = (Pair::ed("1"), Instant::now());
    server.say(503, "");
    for _ in 0..2 {
        assert_eq!(at(&issuers, &pair, begin).await, Some(Refusal::NoKeys));
    }
    assert_eq!(server.asked(), 1);
    server.say(200, set(&[&pair]));
    let later = begin + FETCH_INTERVAL_MIN;
    assert_eq!(at(&issuers, &pair, later).await, None);
}

#[tokio::test]
async fn callers_who_come_at_once_wait_for_one_request() {
    let (server, issuers, _stop) = world().await;
    let (pair, begin) = (Pair::ed("1"), Instant::now());
    server.say(200, set(&[&pair]));
    let twenty = (0..20).map(|_| at(&issuers, &pair, begin));
    let answers = futures::future::join_all(twenty).await;
    assert!(answers.iter().all(Option::is_none), "{answers:?}");
    assert_eq!(server.asked(), 1);
}
