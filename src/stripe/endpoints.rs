//! Types whose lists and objects are asked for without any parameter but those of paging: their endpoints, by hand.

use std::borrow::Cow;

use memberd_jobs::kernel::ports::ObjectType;

use super::requests::{Action, PAGE_OBJECTS, Request, encode};

/// The list and the object of a type. A type that Stripe does not list, or only for each customer, is never listed; see
/// `Listing::of`.
const fn of(kind: ObjectType) -> [&'static str; 2] {
    match kind {
        ObjectType::Customer => ["GET /v1/customers", "GET /v1/customers/{id}"],
        ObjectType::Product => ["GET /v1/products", "GET /v1/products/{id}"],
        ObjectType::Price => ["GET /v1/prices", "GET /v1/prices/{id}"],
        ObjectType::Subscription => ["GET /v1/subscriptions", "GET /v1/subscriptions/{id}"],
        ObjectType::Invoice => ["GET /v1/invoices", "GET /v1/invoices/{id}"],
        ObjectType::Coupon => ["GET /v1/coupons", "GET /v1/coupons/{id}"],
        ObjectType::PromotionCode => ["GET /v1/promotion_codes", "GET /v1/promotion_codes/{id}"],
        ObjectType::PaymentMethod => ["GET /v1/payment_methods", "GET /v1/payment_methods/{id}"],
        ObjectType::SubscriptionSchedule => [
            "GET /v1/subscription_schedules",
            "GET /v1/subscription_schedules/{id}",
        ],
        ObjectType::InvoicePayment => ["GET /v1/invoice_payments", "GET /v1/invoice_payments/{id}"],
        ObjectType::Charge => ["GET /v1/charges", "GET /v1/charges/{id}"],
        ObjectType::Refund => ["GET /v1/refunds", "GET /v1/refunds/{id}"],
        ObjectType::CheckoutSession => [
            "GET /v1/checkout/sessions",
            "GET /v1/checkout/sessions/{id}",
        ],
        ObjectType::Account => ["GET /v1/accounts", "GET /v1/accounts/{id}"],
    }
}

/// The object with this id, which is one segment of a path already.
pub(super) fn object(kind: ObjectType, id: &str) -> Request {
    let [_, endpoint] = of(kind);
    request(endpoint, path(endpoint).replace("{id}", id))
}

/// One page of the list.
pub(super) fn page(kind: ObjectType, after: Option<&str>) -> Request {
    let [endpoint, _] = of(kind);
    let mut query = vec![("limit".to_owned(), PAGE_OBJECTS.to_string())];
    query.extend(after.map(|id| ("starting_after".to_owned(), id.to_owned())));
    request(endpoint, format!("{}?{}", path(endpoint), encode(&query)))
}

fn path(endpoint: &str) -> &str {
    endpoint.trim_start_matches("GET /")
}

fn request(endpoint: &'static str, target: String) -> Request {
    Request {
        endpoint: Cow::Borrowed(endpoint),
        target,
        action: Action::Read,
    }
}
