//! A Stripe that answers from a map, remembers what it was asked, and fails when told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::kernel::{
    Clock, TestClock, Timestamp,
    ports::{Done, Fetched, Later, Listing, ObjectType, Operation, Page, Stripe, StripeError},
};

/// Objects of one page, Stripe's largest.
const PAGE_OBJECTS: usize = 100;
/// The API version of every answer.
const API_VERSION: &str = "2026-09-30.endive";
/// The organization that a [`super::TestDb`] has.
const ORGANIZATION: &str = "default";

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Stripe::retrieve`]: organization, type and id.
    Retrieve(String, ObjectType, String),
    /// [`Stripe::list`]: organization, what, and the id after which to go on.
    List(String, Listing, Option<String>),
    /// [`Stripe::perform`]: organization and operation.
    Perform(String, Operation),
}

/// The fake. All methods take `&self`, so that a test keeps a handle beside the one in its `Env`.
#[derive(Debug)]
pub struct FakeStripe {
    clock: Arc<TestClock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    as_of: Option<Timestamp>,
    slow: Duration,
    page: Option<usize>,
    objects: BTreeMap<(String, ObjectType, String), Stored>,
    made: u64,
    /// Organization, time, id and JSON, oldest first.
    events: Vec<(String, Timestamp, String, String)>,
    failures: VecDeque<StripeError>,
    /// Calls that still succeed, and the failure after them.
    later: Option<(usize, StripeError)>,
    answers: VecDeque<String>,
    done: BTreeMap<String, Done>,
    calls: Vec<Call>,
}

/// When a question was asked, and when it was answered.
#[derive(Clone, Copy, Debug)]
struct Answered {
    as_of: Timestamp,
    until: Timestamp,
}

#[derive(Debug)]
struct Stored {
    made: u64,
    /// How often it was put.
    changes: i64,
    raw: String,
    deleted: bool,
}

impl FakeStripe {
    /// An account with nothing in it, whose answers carry the time of `clock`.
    pub fn new(clock: Arc<TestClock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the object, or what replaces it, known in organization `default`.
    pub fn put(&self, object: &Value) {
        self.put_in(ORGANIZATION, object);
    }

    /// Makes the object, or what replaces it, known in `organization`. Its `object` and `id` say what it is.
    pub fn put_in(&self, organization: &str, object: &Value) {
        let kind = object["object"].as_str().and_then(ObjectType::parse);
        let (Some(kind), Some(id)) = (kind, object["id"].as_str()) else {
            panic!("an object needs a known `object` and an `id`: {object}");
        };
        let mut state = self.state();
        state.made += 1;
        let key = (organization.to_owned(), kind, id.to_owned());
        let old = state.objects.get(&key);
        let (made, changes) = old.map_or((state.made, 1), |old| (old.made, old.changes + 1));
        let deleted = object["deleted"] == Value::Bool(true);
        let raw = object.to_string();
        let stored = Stored {
            made,
            changes,
            raw,
            deleted,
        };
        state.objects.insert(key, stored);
    }

    /// Makes organization `default` answer that there is no such object.
    pub fn remove(&self, kind: ObjectType, id: &str) {
        let key = (ORGANIZATION.to_owned(), kind, id.to_owned());
        self.state().objects.remove(&key);
    }

    /// Adds an event of organization `default`; its `id` and `created` say where it stands in the list.
    pub fn put_event(&self, event: &Value) {
        let (Some(id), Some(created)) = (event["id"].as_str(), event["created"].as_i64()) else {
            panic!("an event needs an `id` and `created`: {event}");
        };
        let at = Timestamp::from_seconds(created);
        let mut state = self.state();
        state.events.push((
            ORGANIZATION.to_owned(),
            at,
            id.to_owned(),
            event.to_string(),
        ));
        state.events.sort_by_key(|event| event.1);
    }

    /// How often the object of organization `default` with this id was put.
    pub fn changes(&self, id: &str) -> i64 {
        let state = self.state();
        let found = state.objects.iter().find(|((_, _, of), _)| of == id);
        found.map_or(0, |(_, stored)| stored.changes)
    }

    /// From now on answers are true as of `time`; `None`: as of the test's clock.
    pub fn set_as_of(&self, time: Option<Timestamp>) {
        self.state().as_of = time;
    }

    /// From now on the questions were asked this long before their answers.
    pub fn set_slow(&self, by: Duration) {
        self.state().slow = by;
    }

    /// Objects of one page, to test paging with few.
    pub fn set_page(&self, objects: usize) {
        self.state().page = Some(objects.max(1));
    }

    /// The next call without a failure of its own fails with `error`; several queue up.
    pub fn fail_next(&self, error: StripeError) {
        self.state().failures.push_back(error);
    }

    /// After `calls` more calls the next one fails with `error`.
    pub fn fail_at(&self, calls: usize, error: StripeError) {
        self.state().later = Some((calls, error));
    }

    /// The next write with a new idempotency key answers this object; several queue up.
    pub fn answer_next(&self, object: &Value) {
        self.state().answers.push_back(object.to_string());
    }

    /// What was asked so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Forgets what was asked.
    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// Notes the call and opens the state, unless a failure is due.
    fn called(&self, call: Call) -> Result<(MutexGuard<'_, State>, Answered), StripeError> {
        let mut state = self.state();
        state.calls.push(call);
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        match state.later.take() {
            Some((0, error)) => return Err(error),
            Some((calls, error)) => state.later = Some((calls - 1, error)),
            None => {}
        }
        // As Stripe's answers: in whole seconds.
        let second = || Timestamp::from_seconds(self.clock.now().seconds());
        let until = state.as_of.unwrap_or_else(second);
        let as_of = until.minus(state.slow);
        Ok((state, Answered { as_of, until }))
    }

    fn page(&self, call: Call, after: Option<&str>) -> Result<Page, StripeError> {
        let Call::List(organization, listing, _) = call.clone() else {
            panic!("not a list: {call:?}");
        };
        let (state, answered) = self.called(call)?;
        let mut all = state.listed(&organization, listing);
        if let Some(after) = after {
            let at = all.iter().position(|(id, _)| id == after);
            all.drain(..at.map_or(all.len(), |at| at + 1));
        }
        let size = state.page.unwrap_or(PAGE_OBJECTS);
        Ok(Page {
            has_more: all.len() > size,
            objects: all.into_iter().take(size).map(|(_, raw)| raw).collect(),
            as_of: answered.as_of,
            until: answered.until,
            api_version: Some(API_VERSION.to_owned()),
        })
    }

    fn write(&self, organization: &str, operation: &Operation) -> Result<Done, StripeError> {
        let call = Call::Perform(organization.to_owned(), operation.clone());
        let (mut state, answered) = self.called(call)?;
        if let Some(done) = state.done.get(&operation.idempotency_key) {
            return Ok(Done {
                replayed: true,
                ..done.clone()
            });
        }
        let Some(raw) = state.answers.pop_front() else {
            panic!("no answer was prepared for {operation:?}: call answer_next");
        };
        let done = Done {
            fetched: fetched(Some(raw), answered),
            request_id: Some(format!("req_{}", state.calls.len())),
            replayed: false,
        };
        state
            .done
            .insert(operation.idempotency_key.clone(), done.clone());
        Ok(done)
    }
}

impl State {
    /// Ids and JSON of what is not deleted, newest first.
    fn objects_of(
        &self,
        organization: &str,
        kind: ObjectType,
    ) -> impl Iterator<Item = (String, String)> {
        let mut found: Vec<_> = self
            .objects
            .iter()
            .filter(|((of, is, _), stored)| of == organization && *is == kind && !stored.deleted)
            .map(|((_, _, id), stored)| (stored.made, id.clone(), stored.raw.clone()))
            .collect();
        found.sort_by_key(|(made, ..)| std::cmp::Reverse(*made));
        found.into_iter().map(|(_, id, raw)| (id, raw))
    }

    /// Ids and JSON, newest first.
    fn listed(&self, organization: &str, listing: Listing) -> Vec<(String, String)> {
        match listing {
            Listing::Objects(kind) => {
                let all = self.objects_of(organization, kind);
                all.filter(|(_, raw)| kind != ObjectType::Price || is_active(raw))
                    .collect()
            }
            Listing::InactivePrices => {
                let all = self.objects_of(organization, ObjectType::Price);
                all.filter(|(_, raw)| !is_active(raw)).collect()
            }
            Listing::EventsSince(since) => self
                .events
                .iter()
                .rev()
                .filter(|(of, at, ..)| of == organization && *at >= since)
                .map(|(_, _, id, raw)| (id.clone(), raw.clone()))
                .collect(),
        }
    }
}

/// Stripe's prices are active unless they say otherwise.
fn is_active(raw: &str) -> bool {
    let value: Value = serde_json::from_str(raw).unwrap_or_default();
    value.get("active").and_then(Value::as_bool).unwrap_or(true)
}

fn fetched(raw: Option<String>, answered: Answered) -> Fetched {
    Fetched {
        raw,
        as_of: answered.as_of,
        until: answered.until,
        api_version: Some(API_VERSION.to_owned()),
    }
}

impl Stripe for FakeStripe {
    fn api_version(&self) -> &str {
        API_VERSION
    }

    fn retrieve<'a>(
        &'a self,
        organization: &'a str,
        kind: ObjectType,
        id: &'a str,
    ) -> Later<'a, Result<Fetched, StripeError>> {
        let key = (organization.to_owned(), kind, id.to_owned());
        let call = Call::Retrieve(organization.to_owned(), kind, id.to_owned());
        let answer = self.called(call).map(|(state, answered)| {
            fetched(
                state.objects.get(&key).map(|stored| stored.raw.clone()),
                answered,
            )
        });
        Box::pin(std::future::ready(answer))
    }

    fn list<'a>(
        &'a self,
        organization: &'a str,
        listing: Listing,
        after: Option<&'a str>,
    ) -> Later<'a, Result<Page, StripeError>> {
        let call = Call::List(organization.to_owned(), listing, after.map(str::to_owned));
        Box::pin(std::future::ready(self.page(call, after)))
    }

    fn perform<'a>(
        &'a self,
        organization: &'a str,
        operation: &'a Operation,
    ) -> Later<'a, Result<Done, StripeError>> {
        Box::pin(std::future::ready(self.write(organization, operation)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn it_lists_in_pages_newest_first_and_fails_once_when_told() {
        let stripe = FakeStripe::new(Arc::new(TestClock::at(Timestamp(5_000))));
        stripe.set_page(2);
        for id in ["cus_1", "cus_2", "cus_3"] {
            stripe.put(&json!({"object": "customer", "id": id}));
        }
        let listing = Listing::Objects(ObjectType::Customer);
        stripe.fail_next(StripeError::Unavailable("down".to_owned()));
        assert!(stripe.list("default", listing, None).await.is_err());
        let first = stripe.list("default", listing, None).await.unwrap();
        assert!(first.has_more && first.objects[0].contains("cus_3"));
        let rest = stripe
            .list("default", listing, Some("cus_2"))
            .await
            .unwrap();
        assert!(!rest.has_more && rest.objects[0].contains("cus_1"));
        assert_eq!(rest.as_of, Timestamp(5_000));
        assert_eq!(stripe.calls().len(), 3);
    }

    #[tokio::test]
    async fn the_same_key_replays_the_answer() {
        let stripe = FakeStripe::new(Arc::new(TestClock::at(Timestamp(5_000))));
        stripe.answer_next(&json!({"id": "sub_1"}));
        let operation = Operation {
            path: "/subscriptions/sub_1".to_owned(),
            form: Vec::new(),
            delete: true,
            idempotency_key: "k".to_owned(),
        };
        let first = stripe.perform("default", &operation).await.unwrap();
        let again = stripe.perform("default", &operation).await.unwrap();
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.fetched, again.fetched);
    }
}
