//! One Stripe account: its objects, its events and everything else that keys keep apart.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

pub(crate) use crate::kind::Kind;
use crate::{
    ids::Ids,
    stripe::{
        checkout::Basket, diff::previous_attributes, error::ApiError, idempotency::Idempotency,
        limits::Limits,
    },
    table::{Row, Table},
    webhooks::Endpoint,
};

/// The API version that objects and events are rendered in.
pub const API_VERSION: &str = "2026-09-30.endive";
/// How long events can be read, in seconds (Stripe: 30 days).
const EVENT_RETENTION: i64 = 30 * 86_400;

/// What billing does by itself once its time comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Three days before a trial ends.
    TrialWillEnd(String),
    /// A trial or a billing period of the subscription ends.
    Period(String),
    /// `cancel_at` of the subscription is reached.
    CancelAt(String),
    /// `pause_collection[resumes_at]` of the subscription is reached.
    Resume(String),
    /// A first payment is still missing after 23 hours.
    Expire(String),
    /// An open invoice is charged again.
    Retry(String),
    /// The page of a checkout session closes.
    ExpireCheckout(String),
}

/// The request that causes changes; both are absent when billing acts by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause {
    /// `req_…`
    pub(crate) request: Option<String>,
    /// The client's `Idempotency-Key`.
    pub(crate) idempotency_key: Option<String>,
}

/// An event that webhooks do not know yet.
#[derive(Debug, Clone)]
pub(crate) struct FreshEvent {
    /// `evt_…`
    pub(crate) id: String,
    /// As `customer.updated`.
    pub(crate) kind: String,
    /// The exact bytes that are signed and sent.
    pub(crate) body: Arc<str>,
}

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    /// `acct_…`
    pub(crate) id: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// The account to which it is connected.
    pub(crate) platform: Option<String>,
    /// Makes its ids.
    pub(crate) ids: Ids,
    /// The second at which the present change happens.
    pub(crate) now: i64,
    /// Who causes the present change.
    pub(crate) cause: Cause,
    /// What happens later, by second and then in order of planning.
    pub(crate) timers: BTreeMap<(i64, u64), Timer>,
    /// Events since webhooks last looked.
    pub(crate) fresh: Vec<FreshEvent>,
    /// Where events go.
    pub(crate) endpoints: Vec<Endpoint>,
    /// First answers by key.
    pub(crate) idempotency: Idempotency,
    /// Request budgets.
    pub(crate) limits: Limits,
    /// Where its checkout pages are, as `http://127.0.0.1:7274`.
    pub(crate) site: String,
    /// What the checkout pages sell, by session.
    pub(crate) baskets: BTreeMap<String, Basket>,
    tables: [Table; Kind::ALL.len()],
    timers_made: u64,
    events_emptied: usize,
}

impl Account {
    /// An empty account. Its ids depend on the seed and on its own id.
    pub(crate) fn new(id: &str, name: &str, seed: u64) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            platform: None,
            ids: Ids::new(seed, id),
            now: 0,
            cause: Cause::default(),
            timers: BTreeMap::new(),
            fresh: Vec::new(),
            endpoints: Vec::new(),
            idempotency: Idempotency::default(),
            limits: Limits::default(),
            site: String::new(),
            baskets: BTreeMap::new(),
            tables: Default::default(),
            timers_made: 0,
            events_emptied: 0,
        }
    }

    /// Says when and by whom the next changes are made.
    pub(crate) fn enter(&mut self, now: i64, cause: Cause) {
        self.now = self.now.max(now);
        self.cause = cause;
    }

    /// The table of a kind.
    pub(crate) fn table(&self, kind: Kind) -> &Table {
        &self.tables[kind as usize]
    }

    fn table_mut(&mut self, kind: Kind) -> &mut Table {
        &mut self.tables[kind as usize]
    }

    /// An object as a tree, deleted customers' stubs included.
    pub(crate) fn read(&self, kind: Kind, id: &str) -> Option<Value> {
        let row = self.table(kind).get(id)?;
        serde_json::from_str(&row.json).ok()
    }

    /// An object that is not deleted, or Stripe's error. `param` is where the id was given; in a
    /// path it is `id` and the status 404.
    pub(crate) fn live(&self, kind: Kind, id: &str, param: &str) -> Result<Value, ApiError> {
        let status = if param == "id" { 404 } else { 400 };
        self.read(kind, id)
            .filter(|object| object["deleted"] != json!(true))
            .ok_or_else(|| ApiError::no_such(status, kind.name(), id, param))
    }

    /// The stored text of an object.
    pub(crate) fn answer(&self, kind: Kind, id: &str) -> Result<Arc<str>, ApiError> {
        let row = self.table(kind).get(id).filter(|row| !row.json.is_empty());
        row.map(|row| Arc::clone(&row.json))
            .ok_or_else(|| ApiError::no_such(404, kind.name(), id, "id"))
    }

    /// Stores a new object and tells it.
    pub(crate) fn create(&mut self, kind: Kind, object: &Value, event: &str) -> String {
        let json = self.create_quietly(kind, object);
        self.tell(event, &json, None);
        text_of(object, "id").to_owned()
    }

    /// Stores a new object that no event tells of; answers its text.
    pub(crate) fn create_quietly(&mut self, kind: Kind, object: &Value) -> Arc<str> {
        let json: Arc<str> = Arc::from(object.to_string());
        let row = Row {
            id: text_of(object, "id").to_owned(),
            json: Arc::clone(&json),
            created: self.now,
            keys: kind.keys(object),
            gone: false,
        };
        self.table_mut(kind).push(row);
        json
    }

    /// Stores a changed object and tells it, with what the changed fields were before. Nothing
    /// changed: nothing happens. Every change goes through here, so none is silent.
    pub(crate) fn change(&mut self, kind: Kind, object: &Value, event: &str) -> bool {
        let id = text_of(object, "id");
        let Some(old) = self.read(kind, id) else {
            return false;
        };
        let Some(previous) = previous_attributes(&old, object) else {
            return false;
        };
        let json = self.store(kind, object);
        self.tell(event, &json, Some(&previous));
        true
    }

    /// Stores a changed object and tells it by an event of its own, which has no
    /// `previous_attributes`.
    pub(crate) fn put(&mut self, kind: Kind, object: &Value, event: &str) {
        let json = self.store(kind, object);
        self.tell(event, &json, None);
    }

    fn store(&mut self, kind: Kind, object: &Value) -> Arc<str> {
        let json: Arc<str> = Arc::from(object.to_string());
        let keys = kind.keys(object);
        self.table_mut(kind)
            .replace(text_of(object, "id"), Arc::clone(&json), keys);
        json
    }

    /// Deletes an object: its last state goes into the event, a stub stays.
    pub(crate) fn delete(&mut self, kind: Kind, object: &Value, event: &str) -> Arc<str> {
        let id = text_of(object, "id").to_owned();
        let stub: Arc<str> =
            Arc::from(json!({"id": id, "object": kind.name(), "deleted": true}).to_string());
        self.table_mut(kind).bury(&id, Arc::clone(&stub));
        self.emit(event, object);
        stub
    }

    /// Makes an event about an object as it is now, without a change.
    pub(crate) fn emit(&mut self, kind: &str, object: &Value) {
        self.tell(kind, &object.to_string(), None);
    }

    /// Makes an event. It is put together as text, because the object already is one.
    fn tell(&mut self, kind: &str, object: &str, previous: Option<&Value>) {
        let id = self.ids.long("evt_");
        let pending = self.endpoints.iter().filter(|it| it.wants(kind)).count();
        let previous = previous
            .map(|previous| format!(r#","previous_attributes":{previous}"#))
            .unwrap_or_default();
        let request =
            json!({"id": self.cause.request, "idempotency_key": self.cause.idempotency_key});
        let body: Arc<str> = Arc::from(format!(
            r#"{{"id":"{id}","object":"event","api_version":"{API_VERSION}","created":{},"data":{{"object":{object}{previous}}},"livemode":false,"pending_webhooks":{pending},"request":{request},"type":"{kind}"}}"#,
            self.now
        ));
        let row = Row {
            id: id.clone(),
            json: Arc::clone(&body),
            created: self.now,
            keys: vec![("type", kind.to_owned())],
            gone: false,
        };
        self.table_mut(Kind::Event).push(row);
        self.fresh.push(FreshEvent {
            id,
            kind: kind.to_owned(),
            body,
        });
    }

    /// Plans what happens at a second.
    pub(crate) fn plan(&mut self, at: i64, timer: Timer) {
        self.timers.insert((at, self.timers_made), timer);
        self.timers_made += 1;
    }

    /// The first second from which events can be read.
    pub(crate) fn oldest_event(&self) -> i64 {
        self.now.saturating_sub(EVENT_RETENTION)
    }

    /// Forgets the bodies of events that can no longer be read.
    pub(crate) fn forget_old_events(&mut self) {
        let (oldest, from) = (self.oldest_event(), self.events_emptied);
        self.events_emptied = self.table_mut(Kind::Event).empty_before(oldest, from);
    }
}

/// A text field of an object, empty when it is none.
pub(crate) fn text_of<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}
