//! Which route is which function.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    checkout, customers, error::ApiError, events, invoices, lists::PAGING, objects, params::Params,
    plain, prices, products, refunds, subscriptions,
};
use crate::account::{Account, Kind};

/// What a route does: the account, the `{id}` of the path (or nothing), the parameters.
type Handler = fn(&mut Account, &str, &Params) -> Result<Arc<str>, ApiError>;

/// A route of the API.
#[derive(Debug)]
pub(crate) struct Route {
    /// `GET`, `POST` or `DELETE`.
    pub(crate) method: &'static str,
    /// The path with `{id}` for the id.
    pub(crate) template: &'static str,
    /// What it does.
    pub(crate) handler: Handler,
}

const fn route(method: &'static str, template: &'static str, handler: Handler) -> Route {
    Route {
        method,
        template,
        handler,
    }
}

/// All of them.
pub(crate) const ROUTES: &[Route] = &[
    route("GET", "/v1/account", account),
    route("GET", "/v1/accounts", accounts),
    route("GET", "/v1/accounts/{id}", account_by_id),
    route("GET", "/v1/charges", |account, _, params| {
        plain::list(account, Kind::Charge, "/v1/charges", params)
    }),
    route("GET", "/v1/charges/{id}", |account, id, params| {
        plain::retrieve(account, Kind::Charge, id, params)
    }),
    route("GET", "/v1/checkout/sessions", checkout::list),
    route("POST", "/v1/checkout/sessions", checkout::create),
    route("GET", "/v1/checkout/sessions/{id}", checkout::retrieve),
    route(
        "POST",
        "/v1/checkout/sessions/{id}/expire",
        checkout::expire,
    ),
    route(
        "GET",
        "/v1/checkout/sessions/{id}/line_items",
        checkout::line_items,
    ),
    route("GET", "/v1/coupons", |account, _, params| {
        plain::list(account, Kind::Coupon, "/v1/coupons", params)
    }),
    route("GET", "/v1/coupons/{id}", |account, id, params| {
        plain::retrieve(account, Kind::Coupon, id, params)
    }),
    route("GET", "/v1/customers", customers::list),
    route("POST", "/v1/customers", customers::create),
    route("GET", "/v1/customers/{id}", customers::retrieve),
    route("POST", "/v1/customers/{id}", customers::update),
    route("DELETE", "/v1/customers/{id}", customers::delete),
    route("GET", "/v1/events", events::list),
    route("GET", "/v1/events/{id}", events::retrieve),
    route("GET", "/v1/invoice_payments", |account, _, params| {
        plain::list(
            account,
            Kind::InvoicePayment,
            "/v1/invoice_payments",
            params,
        )
    }),
    route("GET", "/v1/invoice_payments/{id}", |account, id, params| {
        plain::retrieve(account, Kind::InvoicePayment, id, params)
    }),
    route("GET", "/v1/invoices", invoices::list),
    route("GET", "/v1/invoices/{id}", invoices::retrieve),
    route("POST", "/v1/invoices/{id}", invoices::update),
    route("GET", "/v1/invoices/{id}/lines", invoice_lines),
    route("POST", "/v1/invoices/{id}/finalize", invoices::finalize),
    route("POST", "/v1/invoices/{id}/pay", invoices::pay),
    route("POST", "/v1/invoices/{id}/void", invoices::void),
    route("GET", "/v1/payment_methods", |account, _, params| {
        // Stripe lists them for one customer only.
        params.required("customer")?;
        plain::list(account, Kind::PaymentMethod, "/v1/payment_methods", params)
    }),
    route("GET", "/v1/payment_methods/{id}", |account, id, params| {
        plain::retrieve(account, Kind::PaymentMethod, id, params)
    }),
    route("GET", "/v1/prices", prices::list),
    route("POST", "/v1/prices", prices::create),
    route("GET", "/v1/prices/{id}", prices::retrieve),
    route("POST", "/v1/prices/{id}", prices::update),
    route("GET", "/v1/products", products::list),
    route("POST", "/v1/products", products::create),
    route("GET", "/v1/products/{id}", products::retrieve),
    route("POST", "/v1/products/{id}", products::update),
    route("DELETE", "/v1/products/{id}", products::delete),
    route("GET", "/v1/promotion_codes", |account, _, params| {
        plain::list(account, Kind::PromotionCode, "/v1/promotion_codes", params)
    }),
    route("GET", "/v1/promotion_codes/{id}", |account, id, params| {
        plain::retrieve(account, Kind::PromotionCode, id, params)
    }),
    route("GET", "/v1/refunds", |account, _, params| {
        plain::list(account, Kind::Refund, "/v1/refunds", params)
    }),
    route("POST", "/v1/refunds", refunds::create),
    route("GET", "/v1/refunds/{id}", |account, id, params| {
        plain::retrieve(account, Kind::Refund, id, params)
    }),
    route("POST", "/v1/refunds/{id}", refunds::update),
    route("GET", "/v1/subscription_items", subscription_items),
    route("GET", "/v1/subscription_schedules", |account, _, params| {
        plain::list(
            account,
            Kind::SubscriptionSchedule,
            "/v1/subscription_schedules",
            params,
        )
    }),
    route(
        "GET",
        "/v1/subscription_schedules/{id}",
        |account, id, params| plain::retrieve(account, Kind::SubscriptionSchedule, id, params),
    ),
    route("GET", "/v1/subscriptions", subscriptions::list),
    route("POST", "/v1/subscriptions", subscriptions::create),
    route("GET", "/v1/subscriptions/{id}", subscriptions::retrieve),
    route(
        "POST",
        "/v1/subscriptions/{id}",
        subscriptions::update::update,
    ),
    route(
        "DELETE",
        "/v1/subscriptions/{id}",
        subscriptions::ending::cancel,
    ),
    route(
        "POST",
        "/v1/subscriptions/{id}/resume",
        subscriptions::update::resume,
    ),
];

/// The route of a request and the id in its path.
pub(crate) fn find<'a>(method: &str, path: &'a str) -> Option<(&'static Route, &'a str)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ROUTES
        .iter()
        .filter(|route| route.method == method)
        .find_map(|route| fits(route.template, path).map(|id| (route, id)))
}

/// The id when the path fits the template, empty when the template has none.
fn fits<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = template.split_once("{id}") else {
        return (template == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// `GET /v1/account`
fn account(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    Ok(Arc::from(
        objects::account(&account.id, &account.name).to_string(),
    ))
}

/// `GET /v1/accounts`: connected accounts, of which there are none.
fn accounts(_: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&PAGING)?;
    Ok(whole_list("/v1/accounts", &json!([])))
}

/// `GET /v1/accounts/{id}`
fn account_by_id(account: &mut Account, id: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    if id != account.id {
        return Err(ApiError::no_such(404, "account", id, "id"));
    }
    self::account(account, "", params)
}

/// `GET /v1/subscription_items?subscription=…`
fn subscription_items(
    account: &mut Account,
    _: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["limit", "subscription"])?;
    let id = params.required("subscription")?;
    let subscription = account.live(Kind::Subscription, id, "subscription")?;
    Ok(whole_list(
        "/v1/subscription_items",
        &subscription["items"]["data"],
    ))
}

/// `GET /v1/invoices/{id}/lines`
fn invoice_lines(account: &mut Account, id: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    params.only(&["limit"])?;
    let invoice = account.live(Kind::Invoice, id, "id")?;
    Ok(whole_list(
        &format!("/v1/invoices/{id}/lines"),
        &invoice["lines"]["data"],
    ))
}

/// A list that always fits on one page.
fn whole_list(url: &str, data: &Value) -> Arc<str> {
    let list = json!({"object": "list", "url": url, "has_more": false, "data": data});
    Arc::from(list.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_route_and_id() {
        let found = |method, path| find(method, path).map(|(route, id)| (route.template, id));
        assert_eq!(found("GET", "/v1/customers"), Some(("/v1/customers", "")));
        assert_eq!(found("GET", "/v1/customers/"), Some(("/v1/customers", "")));
        assert_eq!(
            found("POST", "/v1/invoices/in_1/pay"),
            Some(("/v1/invoices/{id}/pay", "in_1"))
        );
        assert_eq!(
            found("GET", "/v1/customers/cus_1"),
            Some(("/v1/customers/{id}", "cus_1"))
        );
        assert_eq!(found("GET", "/v1/customers/cus_1/x"), None);
        assert_eq!(found("PATCH", "/v1/customers"), None);
    }
}
