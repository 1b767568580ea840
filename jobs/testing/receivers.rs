//! Receivers that answer what they are told to, and remember what they were sent.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::kernel::{
    Timestamp,
    ports::{Answer, Later, Message, Receivers, SendError, SigningSecret},
};

/// How long a test waits for attempts.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an attempt was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Where to.
    pub url: String,
    /// The event's id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// JSON.
    pub body: String,
    /// The ids of the secrets it was signed with.
    pub secrets: Vec<String>,
}

#[derive(Debug)]
struct State {
    key_id: Option<String>,
    answers: VecDeque<Answer>,
    always: Answer,
    refused: BTreeSet<String>,
}

/// The fake. All methods take `&self`, so that a test keeps a handle beside the one in its `Env`.
#[derive(Debug)]
pub struct FakeReceivers {
    state: Mutex<State>,
    sent: watch::Sender<Vec<Sent>>,
    /// URLs at which nobody answers for now.
    held: watch::Sender<BTreeSet<String>>,
}

impl Default for FakeReceivers {
    /// Everything is answered with 200.
    fn default() -> Self {
        let state = State {
            key_id: Some("key1".to_owned()),
            answers: VecDeque::new(),
            always: status(200),
            refused: BTreeSet::new(),
        };
        Self {
            state: Mutex::new(state),
            sent: watch::Sender::default(),
            held: watch::Sender::default(),
        }
    }
}

/// An answer with this status, at once.
pub fn status(status: u16) -> Answer {
    Answer {
        status: Ok(status),
        retry_after: None,
        took: Duration::from_millis(7),
    }
}

/// No answer.
pub fn silence() -> Answer {
    Answer {
        status: Err(SendError::Timeout),
        retry_after: None,
        took: Duration::from_secs(20),
    }
}

impl FakeReceivers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next attempt that has no other answer yet gets this one.
    pub fn answer_next(&self, answer: Answer) {
        self.state().answers.push_back(answer);
    }

    /// Every attempt after those gets this one.
    pub fn answer_always(&self, answer: Answer) {
        self.state().always = answer;
    }

    /// Replaces the key of the configuration.
    pub fn set_key(&self, id: Option<&str>) {
        self.state().key_id = id.map(str::to_owned);
    }

    /// From now on this URL may not be sent to, as when its name means another address.
    pub fn refuse(&self, url: &str) {
        self.state().refused.insert(url.to_owned());
    }

    /// What was sent since the last look, in order.
    pub fn take_sent(&self) -> Vec<Sent> {
        self.sent.send_replace(Vec::new())
    }

    /// Waits until so many attempts were made since the last look.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn wait_for(&self, number: usize) {
        let mut sent = self.sent.subscribe();
        let there = timeout(PATIENCE, sent.wait_for(|sent| sent.len() >= number)).await;
        assert!(
            there.is_ok(),
            "{} of {number} attempts were made",
            self.sent.borrow().len()
        );
    }

    /// Attempts to this URL get the answer that is next for them, but not before [`FakeReceivers::let_go`].
    pub fn hold(&self, url: &str) {
        self.held.send_modify(|held| held.extend([url.to_owned()]));
    }

    /// Answers all that is held, and holds nothing any more.
    pub fn let_go(&self) {
        self.held.send_replace(BTreeSet::new());
    }
}

impl Receivers for FakeReceivers {
    fn check<'a>(&'a self, url: &'a str) -> Later<'a, Result<String, String>> {
        let refused = url.contains("refused") || self.state().refused.contains(url);
        Box::pin(async move {
            if refused {
                Err("it is refused".to_owned())
            } else {
                Ok(url.to_owned())
            }
        })
    }

    fn key_id(&self) -> Option<String> {
        self.state().key_id.clone()
    }

    fn reveal(&self, secret: &SigningSecret) -> Option<String> {
        let known = self.state().key_id.as_ref() == Some(&secret.key_id);
        known.then(|| format!("whsec_{}", secret.salt))
    }

    fn send<'a>(&'a self, message: &'a Message<'a>) -> Later<'a, Answer> {
        let attempt = Sent {
            url: message.url.to_owned(),
            id: message.id.to_owned(),
            at: message.at,
            body: message.body.to_owned(),
            secrets: message
                .secrets
                .iter()
                .map(|secret| secret.id.clone())
                .collect(),
        };
        let mut state = self.state();
        let answer = state
            .answers
            .pop_front()
            .unwrap_or_else(|| state.always.clone());
        self.sent.send_modify(|sent| sent.push(attempt));
        let mut held = self.held.subscribe();
        Box::pin(async move {
            // The sender of the held is `self`, which outlives the attempt.
            let _free = held.wait_for(|held| !held.contains(message.url)).await;
            answer
        })
    }
}
