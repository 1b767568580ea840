//! What is asked of Stripe, ready to be sent: built with async-stripe's generated request builders where parameters
//! matter, and by hand where there are none but those of paging.

use std::borrow::Cow;

use memberd_jobs::kernel::{
    Timestamp,
    ports::{Listing, ObjectType, Operation, StripeError},
};
use stripe_billing::{
    invoice::{ListInvoice, RetrieveInvoice},
    subscription::{ListSubscription, ListSubscriptionStatus, RetrieveSubscription},
};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::{
    customer::{ListCustomer, RetrieveCustomer},
    event::ListEvent,
};
use stripe_product::{
    price::{ListPrice, RetrievePrice},
    product::{ListProduct, RetrieveProduct},
};

use super::endpoints;

/// Objects of one page: the most that Stripe gives.
pub(super) const PAGE_OBJECTS: i64 = 100;

/// Bytes of an id or of an idempotency key: Stripe's own limit for keys, and far above any id.
const TEXT_BYTES_MAX: usize = 255;

/// First segments of Stripe's paths that name a group of collections instead of one.
const PATH_GROUPS: [&str; 4] = ["checkout", "billing", "billing_portal", "test_helpers"];

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    /// Method and path template, the `endpoint` label of the metrics.
    pub(super) endpoint: Cow<'static, str>,
    /// Path and query below the API's base, without a leading slash.
    pub(super) target: String,
    /// Method, and what comes with it.
    pub(super) action: Action,
}

/// The method. A write does not exist without its key.
#[derive(Debug)]
pub(super) enum Action {
    /// GET
    Read,
    /// POST or DELETE
    Write {
        /// Whether it is DELETE.
        delete: bool,
        /// Form fields, encoded.
        form: String,
        /// What makes it safe to repeat.
        key: IdempotencyKey,
    },
}

/// A key that Stripe accepts.
#[derive(Debug)]
pub(super) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// From 1 to 255 visible ASCII characters.
    fn new(key: &str) -> Result<Self, StripeError> {
        let fits = (1..=TEXT_BYTES_MAX).contains(&key.len());
        if fits && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(key.to_owned()))
        } else {
            Err(unsendable(
                "operation.idempotency_key must be 1 to 255 visible ASCII characters",
            ))
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The object as it is now.
pub(super) fn retrieve(kind: ObjectType, id: &str) -> Result<Request, StripeError> {
    let id = segment(id)?;
    let (endpoint, built) = match kind {
        ObjectType::Customer => ("GET /v1/customers/{id}", RetrieveCustomer::new(id).build()),
        ObjectType::Product => ("GET /v1/products/{id}", RetrieveProduct::new(id).build()),
        ObjectType::Price => ("GET /v1/prices/{id}", RetrievePrice::new(id).build()),
        ObjectType::Subscription => (
            "GET /v1/subscriptions/{id}",
            RetrieveSubscription::new(id).build(),
        ),
        ObjectType::Invoice => ("GET /v1/invoices/{id}", RetrieveInvoice::new(id).build()),
        other => return Ok(endpoints::object(other, &id)),
    };
    Ok(read(endpoint, built))
}

/// One page, newest first: that is Stripe's order.
pub(super) fn list(listing: Listing, after: Option<&str>) -> Request {
    match listing {
        Listing::Objects(kind) => objects(kind, after),
        Listing::InactivePrices => prices(false, after),
        Listing::EventsSince(since) => events(since, after),
    }
}

/// The builders look alike but share no trait.
macro_rules! page {
    ($list:expr, $after:expr) => {{
        let list = $list.limit(PAGE_OBJECTS);
        match $after {
            Some(id) => list.starting_after(id).build(),
            None => list.build(),
        }
    }};
}

fn objects(kind: ObjectType, after: Option<&str>) -> Request {
    let (endpoint, built) = match kind {
        ObjectType::Customer => ("GET /v1/customers", page!(ListCustomer::new(), after)),
        ObjectType::Product => ("GET /v1/products", page!(ListProduct::new(), after)),
        ObjectType::Price => return prices(true, after),
        ObjectType::Subscription => {
            // Stripe leaves cancelled ones out unless asked.
            let all = ListSubscription::new().status(ListSubscriptionStatus::All);
            ("GET /v1/subscriptions", page!(all, after))
        }
        ObjectType::Invoice => ("GET /v1/invoices", page!(ListInvoice::new(), after)),
        other => return endpoints::page(other, after),
    };
    read(endpoint, built)
}

/// Stripe lists active prices unless asked; saying it does not depend on that.
fn prices(active: bool, after: Option<&str>) -> Request {
    read(
        "GET /v1/prices",
        page!(ListPrice::new().active(active), after),
    )
}

fn events(since: Timestamp, after: Option<&str>) -> Request {
    let request = read("GET /v1/events", page!(ListEvent::new(), after));
    Request {
        // The builder's type for a range is not public.
        target: format!("{}&created[gte]={}", request.target, since.seconds()),
        ..request
    }
}

/// A write, as the core ordered it.
pub(super) fn write(operation: &Operation) -> Result<Request, StripeError> {
    let path = &operation.path;
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte))
    };
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if !path.starts_with('/') || !parts.iter().all(|part| plain(part)) {
        return Err(unsendable(
            "operation.path must look like /subscriptions/sub_1",
        ));
    }
    Ok(Request {
        endpoint: Cow::Owned(template(operation.delete, &parts)),
        target: format!("v1{path}"),
        action: Action::Write {
            delete: operation.delete,
            form: encode(&operation.form),
            key: IdempotencyKey::new(&operation.idempotency_key)?,
        },
    })
}

fn read(endpoint: &'static str, built: RequestBuilder) -> Request {
    let query = built.query.filter(|query| !query.is_empty());
    Request {
        endpoint: Cow::Borrowed(endpoint),
        target: match query {
            Some(query) => format!("v1{}?{query}", built.path),
            None => format!("v1{}", built.path),
        },
        action: Action::Read,
    }
}

/// Collections and actions stay, ids become `{id}`: a label must come from a small set.
fn template(delete: bool, parts: &[&str]) -> String {
    let mut text = String::from(if delete { "DELETE /v1" } else { "POST /v1" });
    let groups = usize::from(parts.first().is_some_and(|part| PATH_GROUPS.contains(part)));
    for (index, part) in parts.iter().enumerate() {
        let named = index < groups || (index - groups).is_multiple_of(2);
        text.push('/');
        text.push_str(if named { part } else { "{id}" });
    }
    text
}

/// An id as one segment of a path. Ids of products and prices can be chosen freely in Stripe.
fn segment(id: &str) -> Result<String, StripeError> {
    if !(1..=TEXT_BYTES_MAX).contains(&id.len()) || matches!(id, "." | "..") {
        return Err(unsendable("the object's id must be 1 to 255 bytes long"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encoded = id.bytes().map(|byte| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    Ok(encoded.collect())
}

pub(super) fn encode(form: &[(String, String)]) -> String {
    // The encoder of the URL type that reqwest brings, on an address that is not used.
    let Ok(mut url) = reqwest::Url::parse("form:") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

/// Refused here, before it could reach Stripe as something else than it was meant to be.
fn unsendable(message: &str) -> StripeError {
    StripeError::Refused {
        status: 400,
        code: "not_sent".to_owned(),
        message: message.to_owned(),
        request_id: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(path: &str, key: &str) -> Operation {
        Operation {
            path: path.to_owned(),
            form: vec![
                ("items[0][price]".to_owned(), "price_1".to_owned()),
                ("metadata[note]".to_owned(), "a&b=ü c".to_owned()),
            ],
            delete: false,
            idempotency_key: key.to_owned(),
        }
    }

    #[test]
    fn reads_have_stripes_paths_and_parameters() {
        let one = |kind, id| retrieve(kind, id).unwrap().target;
        let page = |listing, after| list(listing, after).target;
        for kind in ObjectType::ALL {
            let name = kind.as_str();
            let query = match kind {
                ObjectType::Subscription => "limit=100&status=all",
                ObjectType::Price => "active=true&limit=100",
                _ => "limit=100",
            };
            let name = name.replace('.', "/");
            assert_eq!(
                page(Listing::Objects(kind), None),
                format!("v1/{name}s?{query}")
            );
            assert_eq!(one(kind, "x_1"), format!("v1/{name}s/x_1"));
            let next = page(Listing::Objects(kind), Some("x_1"));
            assert!(next.contains("&starting_after=x_1"), "{next}");
        }
        assert_eq!(
            page(Listing::InactivePrices, None),
            "v1/prices?active=false&limit=100"
        );
        assert_eq!(
            page(
                Listing::EventsSince(Timestamp(1_768_473_000_999)),
                Some("evt_1")
            ),
            "v1/events?limit=100&starting_after=evt_1&created[gte]=1768473000"
        );
    }

    #[test]
    fn an_id_stays_one_segment() {
        let target = |id| retrieve(ObjectType::Product, id).map(|request| request.target);
        assert_eq!(
            target("gold/../customers?limit=1#ü").unwrap(),
            "v1/products/gold%2F..%2Fcustomers%3Flimit%3D1%23%C3%BC"
        );
        for id in ["", ".", "..", &"x".repeat(256)] {
            assert!(target(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_write_needs_a_key_and_a_plain_path() {
        let sent = write(&operation("/subscriptions/sub_1", "memberd:op_1")).unwrap();
        let Action::Write { delete, form, key } = sent.action else {
            panic!("{sent:?}")
        };
        assert_eq!((delete, key.as_str()), (false, "memberd:op_1"));
        assert_eq!(
            form,
            "items%5B0%5D%5Bprice%5D=price_1&metadata%5Bnote%5D=a%26b%3D%C3%BC+c"
        );
        for key in ["", "two words", "schlüssel", &"k".repeat(256)] {
            assert!(write(&operation("/customers", key)).is_err(), "{key}");
        }
        for path in [
            "customers",
            "/",
            "//x",
            "/customers/../x",
            "/customers?x=1",
            "/a b",
            "",
        ] {
            assert!(write(&operation(path, "k")).is_err(), "{path}");
        }
    }

    #[test]
    fn the_label_of_a_write_holds_no_id() {
        for (path, delete, label) in [
            ("/customers", false, "POST /v1/customers"),
            ("/customers/cus_1", true, "DELETE /v1/customers/{id}"),
            (
                "/subscriptions/sub_1/resume",
                false,
                "POST /v1/subscriptions/{id}/resume",
            ),
            ("/checkout/sessions", false, "POST /v1/checkout/sessions"),
            (
                "/checkout/sessions/cs_1/expire",
                false,
                "POST /v1/checkout/sessions/{id}/expire",
            ),
        ] {
            let order = Operation {
                delete,
                ..operation(path, "k")
            };
            assert_eq!(write(&order).unwrap().endpoint, label);
        }
    }

    /// async-stripe's types read what is sent today, with fields they do not know. Only a hint: the mirror never
    /// depends on it.
    #[test]
    fn async_stripes_types_read_todays_objects() {
        let customer =
            r#"{"id":"cus_1","object":"customer","created":1,"livemode":false,"new":{"a":[1]}}"#;
        let read: stripe_shared::Customer = miniserde::json::from_str(customer).unwrap();
        assert_eq!(read.id.as_str(), "cus_1");
        let product = r#"{"id":"prod_1","object":"product","active":true,"created":1,"images":[],"livemode":false,
            "marketing_features":[],"metadata":{},"name":"Gold","type":"service","updated":1,"new":null}"#;
        let read: stripe_shared::Product = miniserde::json::from_str(product).unwrap();
        assert_eq!(read.name, "Gold");
        let price = r#"{"id":"price_1","object":"price","active":true,"billing_scheme":"later","created":1,
            "currency":"eur","livemode":false,"metadata":{},"product":"prod_1","type":"recurring","new":1}"#;
        let read: stripe_shared::Price = miniserde::json::from_str(price).unwrap();
        assert_eq!(read.billing_scheme.as_str(), "later");
    }
}
