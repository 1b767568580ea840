//! The client against a server on this machine that answers what each test says.

mod fake;
mod limits;
mod network;
mod secrecy;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fake::{Answer, Fake};
use memberd_jobs::kernel::{
    Clock, TestClock, Timestamp,
    ports::{Listing, ObjectType, Operation, Stripe, StripeError},
};

use super::{Account, StripeClient};

const KEY: &str = "sk_test_never_to_be_seen";
const NOW: Timestamp = Timestamp(1_768_473_000_000);

fn account(base: &str) -> Account {
    Account {
        secret_key: KEY.into(),
        api_base: base.to_owned(),
        account: "acct_1".to_owned(),
        connected: false,
        livemode: false,
        rate_limit: 1000,
        timeout: Duration::from_secs(10),
    }
}

fn client(base: &str) -> StripeClient {
    with(&account(base))
}

fn with(account: &Account) -> StripeClient {
    let of = |id: &str| Account {
        account: id.to_owned(),
        ..account.clone()
    };
    let accounts = [
        ("default", account.clone()),
        ("twin", account.clone()),
        ("other", of("acct_2")),
    ];
    let accounts = accounts.map(|(name, account)| (name.to_owned(), account));
    StripeClient::new(accounts.into(), clock()).unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock::at(NOW))
}

fn operation(delete: bool) -> Operation {
    Operation {
        path: "/subscriptions/sub_1".to_owned(),
        form: vec![("metadata[a b]".to_owned(), "ü&=".to_owned())],
        delete,
        idempotency_key: "memberd:op_1".to_owned(),
    }
}

#[tokio::test]
async fn fifty_reads_one_after_the_other_use_one_connection() {
    let fake = Fake::start(vec![Answer::json("{}"); 50]).await;
    let client = client(&fake.base);
    for _ in 0..50 {
        let read = client.retrieve("default", ObjectType::Customer, "cus_1");
        assert!(read.await.unwrap().raw.is_some());
    }
    assert_eq!(fake.requests().len(), 50);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn only_requests_for_a_connected_account_name_it() {
    let fake = Fake::start(vec![Answer::json("{}"); 3]).await;
    let own = account(&fake.base);
    let connected = Account {
        account: "acct_9".to_owned(),
        connected: true,
        ..own.clone()
    };
    let accounts = [("default", own), ("creator", connected)].map(|(id, it)| (id.to_owned(), it));
    let client = StripeClient::new(accounts.into(), clock()).unwrap();
    for organization in ["default", "creator"] {
        let read = client.retrieve(organization, ObjectType::Customer, "cus_1");
        read.await.unwrap();
    }
    client.perform("creator", &operation(false)).await.unwrap();
    let named: Vec<_> = fake
        .requests()
        .iter()
        .map(|it| it.header("stripe-account").to_owned())
        .collect();
    assert_eq!(named, ["", "acct_9", "acct_9"]);
}

#[tokio::test]
async fn an_object_comes_back_byte_for_byte_with_stripes_time() {
    let raw = r#" {"id": "prod_1" ,"new_field":1.10,"name":"\u00fc"}"#;
    let answer = Answer::json(raw)
        .header("date", "Thu, 15 Jan 2026 10:29:58 GMT")
        .header("stripe-version", "2026-09-30.endive");
    let fake = Fake::start([answer]).await;
    let client = client(&fake.base);
    let read = client
        .retrieve("default", ObjectType::Product, "gold/plan")
        .await
        .unwrap();
    assert_eq!(read.raw.as_deref(), Some(raw));
    assert!(read.as_of < NOW.minus(Duration::from_secs(2)));
    assert_eq!(read.api_version.as_deref(), Some("2026-09-30.endive"));

    let request = &fake.requests()[0];
    assert_eq!(request.line, "GET /v1/products/gold%2Fplan");
    assert_eq!(request.header("authorization"), format!("Bearer {KEY}"));
    assert_eq!(
        request.header("stripe-version"),
        stripe_shared::version::VERSION.as_str()
    );
    let agent = request.header("user-agent");
    assert!(agent.starts_with("memberd/"), "{agent}");
    assert_eq!(request.header("idempotency-key"), "");
}

#[tokio::test]
async fn gone_is_an_answer_and_deleted_stays_as_it_is() {
    let missing = r#"{"error":{"code":"resource_missing","message":"No such customer"}}"#;
    let deleted = r#"{"id":"cus_1","object":"customer","deleted":true}"#;
    let fake = Fake::start([
        Answer::status(404, missing).header("date", "Thu, 15 Jan 2026 10:30:00 GMT"),
        Answer::json(deleted),
        Answer::status(404, missing),
    ])
    .await;
    let client = client(&fake.base);
    let read = async || {
        client
            .retrieve("default", ObjectType::Customer, "cus_1")
            .await
    };
    let gone = read().await.unwrap();
    assert!(gone.raw.is_none() && gone.as_of < NOW, "{gone:?}");
    assert_eq!(read().await.unwrap().raw.as_deref(), Some(deleted));
    // For a list it is an error: the cursor is unknown.
    let page = client.list(
        "default",
        Listing::Objects(ObjectType::Invoice),
        Some("in_9"),
    );
    assert!(matches!(
        page.await,
        Err(StripeError::Refused { status: 404, .. })
    ));
}

/// What changes while Stripe makes an answer is newer than the answer, although its event can be of an earlier second.
#[tokio::test]
async fn an_answer_is_as_old_as_its_question() {
    let answer = Answer::json(r#"{"data":[],"has_more":false}"#)
        .header("date", "Thu, 15 Jan 2026 10:30:00 GMT");
    let fake = Fake::start(vec![answer; 2]).await;
    let client = client(&fake.base);
    let invoices = Listing::Objects(ObjectType::Invoice);
    let page = client.list("default", invoices, None).await.unwrap();
    let object = client.retrieve("default", ObjectType::Invoice, "in_1");
    let meanwhile = NOW.minus(Duration::from_secs(1));
    let object = object.await.unwrap();
    for (as_of, until) in [(page.as_of, page.until), (object.as_of, object.until)] {
        assert!(as_of <= meanwhile, "{as_of}");
        assert_eq!(as_of, Timestamp::from_seconds(as_of.seconds()));
        assert_eq!(until, NOW);
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let fake = Fake::start([
        Answer::json(r#"{"data":[{"id":"sub_2"},{"id":"sub_1" }],"has_more":true}"#),
        Answer::json(r#"{"data":[],"has_more":false}"#),
        Answer::json(r#"{"data":[{"id":"evt_1"}],"has_more":false}"#),
        Answer::json(r#"{"object":"customer"}"#),
    ])
    .await;
    let client = client(&fake.base);
    let subscriptions = Listing::Objects(ObjectType::Subscription);
    let page = client.list("default", subscriptions, None).await.unwrap();
    assert_eq!(page.objects, [r#"{"id":"sub_2"}"#, r#"{"id":"sub_1" }"#]);
    assert!(page.has_more);
    let page = client.list("default", subscriptions, Some("sub_1")).await;
    assert!(!page.unwrap().has_more);
    let page = client.list("default", Listing::EventsSince(NOW), None);
    assert_eq!(page.await.unwrap().objects.len(), 1);
    let page = client.list("default", subscriptions, None).await;
    assert!(matches!(page, Err(StripeError::Unavailable(_))));

    let lines: Vec<_> = fake.requests().into_iter().map(|it| it.line).collect();
    assert_eq!(lines[0], "GET /v1/subscriptions?limit=100&status=all");
    assert_eq!(
        lines[1],
        "GET /v1/subscriptions?limit=100&starting_after=sub_1&status=all"
    );
    assert_eq!(lines[2], "GET /v1/events?limit=100&created[gte]=1768473000");
}

#[tokio::test]
async fn every_write_carries_its_key_and_is_sent_once() {
    let fake = Fake::start([
        Answer::json(r#"{"id":"sub_1"}"#)
            .header("request-id", "req_1")
            .header("idempotent-replayed", "true"),
        Answer::json(r#"{"id":"sub_1"}"#),
        Answer::status(500, "{}"),
    ])
    .await;
    let client = client(&fake.base);
    let done = client.perform("default", &operation(false)).await.unwrap();
    assert_eq!(done.fetched.raw.as_deref(), Some(r#"{"id":"sub_1"}"#));
    assert_eq!(done.request_id.as_deref(), Some("req_1"));
    assert!(done.replayed);
    let done = client.perform("default", &operation(true)).await.unwrap();
    assert!(!done.replayed);
    let failed = client.perform("default", &operation(false)).await;
    assert!(matches!(failed, Err(StripeError::Unavailable(_))));
    let keyless = Operation {
        idempotency_key: String::new(),
        ..operation(false)
    };
    let refused = client.perform("default", &keyless).await;
    assert!(matches!(refused, Err(StripeError::Refused { .. })));

    let requests = fake.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].line, "POST /v1/subscriptions/sub_1");
    assert_eq!(requests[1].line, "DELETE /v1/subscriptions/sub_1");
    for request in requests {
        assert_eq!(request.header("idempotency-key"), "memberd:op_1");
        assert_eq!(request.body, "metadata%5Ba+b%5D=%C3%BC%26%3D");
        assert_eq!(
            request.header("content-type"),
            "application/x-www-form-urlencoded"
        );
    }
}

#[tokio::test]
async fn an_organization_without_a_key_is_told_so() {
    let client = StripeClient::new(BTreeMap::new(), clock()).unwrap();
    let answer = client
        .retrieve("default", ObjectType::Price, "price_1")
        .await;
    assert_eq!(
        answer,
        Err(StripeError::NotConfigured("default".to_owned()))
    );
}

/// What makes a good account a bad one.
type Change<'a> = &'a dyn Fn(&mut Account);

#[test]
fn an_account_that_cannot_work_is_refused_with_the_field() {
    let good = account("https://api.stripe.com/");
    let with = |change: &dyn Fn(&mut Account)| {
        let mut account = good.clone();
        change(&mut account);
        StripeClient::new([("acme".to_owned(), account)].into(), clock())
    };
    assert!(with(&|_| ()).is_ok());
    let live = |account: &mut Account| {
        account.livemode = true;
        account.api_base = "http://127.0.0.1:1/".to_owned();
    };
    let base = |base: &'static str| move |it: &mut Account| it.api_base = base.to_owned();
    let key = |key: &'static str| move |it: &mut Account| it.secret_key = key.into();
    let nameless = |it: &mut Account| {
        it.connected = true;
        it.account.clear();
    };
    let table: [(&str, Change<'_>); 8] = [
        ("connected", &nameless),
        ("api_base", &base("https://api.stripe.com")),
        ("api_base", &base("ftp://api.stripe.com/")),
        ("TLS", &live),
        ("secret_key", &key("")),
        ("secret_key", &key("sk_test_1\n")),
        ("rate", &|it| it.rate_limit = 0),
        ("timeout", &|it| it.timeout = Duration::ZERO),
    ];
    for (field, change) in table {
        let text = with(change).unwrap_err().to_string();
        assert!(text.contains(field) && text.contains("`acme`"), "{text}");
        assert!(!text.contains("sk_test"), "{text}");
    }
}
