//! Orders for a checkout: a page at Stripe on which a member subscribes to a tier.
//!
//! Everything is decided under the lock of the tier, so that its last place is given once: places are taken by members
//! who have the tier, and by reservations of those who are paying. A reservation ends with Stripe's page, and a little
//! later, so that the payment of the last second is known here before the place is given away.

use std::time::Duration;

use serde::Serialize;

use super::{
    create::{AFTER, After, create},
    model::{Kind, Request, State},
    order::{Orderer, Placed, Refusal},
    store::{self, catalog, places},
};
use crate::{
    entitlements::store as tiers,
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
    },
};

/// How long the page is open. Stripe takes from 30 minutes to a day, counted from when it hears of it.
const SESSION: Duration = Duration::from_hours(1);

/// How long a place is kept beyond that: time for the payment of the last second to become known here.
const SETTLE: Duration = Duration::from_mins(15);

/// A checkout that a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckoutOrder {
    /// Who is going to pay: a member's id.
    pub member_id: String,
    /// The tier: Stripe's product.
    pub tier_id: String,
    /// The plan: Stripe's price; without it the tier's own for the interval.
    pub plan_id: Option<String>,
    /// How often she pays, where no plan is named.
    pub interval: &'static str,
    /// Where she goes when she has paid.
    pub success_url: String,
    /// Where she goes when she has not.
    pub cancel_url: Option<String>,
    /// Days before the first payment.
    pub trial_period_days: Option<i64>,
    /// Whether she may enter a promotion code.
    pub allow_promotion_codes: bool,
}

/// Decides on a checkout. The last of the operations makes the page.
pub(super) async fn order_checkout(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    order: &CheckoutOrder,
) -> Result<std::result::Result<Placed, Refusal>> {
    let (organization, member, tier) = (orderer.organization, &order.member_id, &order.tier_id);
    // The lock first: what is read after it is what the order before us has left.
    if !tiers::lock_tier(tx, organization, tier).await? {
        return Ok(Err(Refusal::InvalidTier(format!(
            "there is no tier {tier}"
        ))));
    }
    let row = tiers::tier_in(tx, organization, tier).await?;
    let Some(row) = row.filter(|row| row.active) else {
        return Ok(Err(Refusal::InvalidTier(format!(
            "the tier {tier} is not on sale"
        ))));
    };
    let Some(email) = places::member(tx, organization, member).await? else {
        return Ok(Err(Refusal::NoMember(member.clone())));
    };
    let price = match price(tx, organization, order).await? {
        Ok(price) => price,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if places::is_subscribed(tx, organization, member, tier).await? {
        return Ok(Err(Refusal::AlreadySubscribed(tier.clone())));
    }
    let now = env.now();
    if let Some(limit) = row.limit
        && places::taken(tx, organization, tier, member, now).await? >= limit
    {
        return Ok(Err(Refusal::TierFull(tier.clone())));
    }
    let mut operations = Vec::new();
    let mut after = None;
    if let Some(open) = places::reservation(tx, organization, tier, member, now).await? {
        match is_same(&open, order, &price, now) {
            Open::Same => {
                return Ok(Ok(Placed {
                    object_id: None,
                    operations: vec![open.id],
                }));
            }
            // A second page would be a second subscription, so the first is closed before.
            Open::Other(session) => {
                let request = expire(&session);
                let id = create(tx, env, orderer, request, Some(member), After::SameObject).await?;
                operations.push(id.clone());
                after = Some(id);
            }
            Open::UnderWay(id) => return Ok(Err(Refusal::CheckoutUnderWay(id))),
            Open::Gone => {}
        }
    }
    let customer = if let Some(customer) = places::customer(tx, organization, member).await? {
        customer
    } else {
        let request = customer_of(member, email.as_deref());
        let step = after.as_deref().map_or(After::SameObject, After::Success);
        let id = create(tx, env, orderer, request, Some(member), step).await?;
        operations.push(id.clone());
        after = Some(id);
        AFTER.to_owned()
    };
    let until = now.plus(SESSION);
    let request = session(order, &price, &customer, until.seconds());
    let step = after.as_deref().map_or(After::SameObject, After::Success);
    let id = create(tx, env, orderer, request, Some(member), step).await?;
    places::reserve(tx, organization, tier, member, &id, until.plus(SETTLE)).await?;
    operations.push(id);
    Ok(Ok(Placed {
        object_id: None,
        operations,
    }))
}

/// The price she is going to pay.
async fn price(
    tx: &mut Tx,
    organization: &str,
    order: &CheckoutOrder,
) -> Result<std::result::Result<String, Refusal>> {
    let tier = &order.tier_id;
    let Some(plan) = &order.plan_id else {
        let prices = catalog::tier_prices(tx, organization, tier, order.interval).await?;
        return Ok(prices
            .into_iter()
            .next()
            .map(|price| price.id)
            .ok_or_else(|| {
                Refusal::InvalidTier(format!(
                    "the tier {tier} has no price for one {}",
                    order.interval
                ))
            }));
    };
    let row = catalog::plan(tx, organization, plan).await?;
    let fits = row.is_some_and(|row| {
        row.active && row.product_id == *tier && row.recurring_interval.is_some()
    });
    Ok(if fits {
        Ok(plan.clone())
    } else {
        Err(Refusal::InvalidTier(format!(
            "the tier {tier} has no plan {plan} on sale"
        )))
    })
}

/// What the page that is open for her is.
enum Open {
    /// The same as is wanted.
    Same,
    /// Another one: Stripe's id.
    Other(String),
    /// Another one that Stripe has not told the id of yet, so that it cannot be closed: our operation.
    UnderWay(String),
    /// There is none: it was refused, or it has closed.
    Gone,
}

fn is_same(open: &store::Row, order: &CheckoutOrder, price: &str, now: Timestamp) -> Open {
    let form = open.checked_form().unwrap_or_default();
    let value = |name: &str| {
        form.iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    };
    let trial = order.trial_period_days.map(|days| days.to_string());
    let same = value("line_items[0][price]") == Some(price)
        && value("success_url") == Some(order.success_url.as_str())
        && value("cancel_url") == order.cancel_url.as_deref()
        && value("subscription_data[trial_period_days]") == trial.as_deref()
        && value("allow_promotion_codes").is_some() == order.allow_promotion_codes;
    let until = value("expires_at").and_then(|at| at.parse().ok());
    let closed = until.is_none_or(|at: i64| at <= now.seconds());
    match (open.state(), &open.object_id) {
        (State::Failed, _) => Open::Gone,
        _ if closed => Open::Gone,
        _ if same => Open::Same,
        (_, Some(session)) => Open::Other(session.clone()),
        (_, None) => Open::UnderWay(open.id.clone()),
    }
}

fn customer_of(member: &str, email: Option<&str>) -> Request {
    let mut form = vec![field("metadata[memberd_member_id]", member)];
    form.extend(email.map(|email| field("email", email)));
    Request {
        kind: Kind::CreateCustomer,
        delete: false,
        path: "/customers".to_owned(),
        form,
        object_type: "customer",
        object_id: None,
        stamped: true,
    }
}

fn session(order: &CheckoutOrder, price: &str, customer: &str, expires_at: i64) -> Request {
    let mut form = vec![
        field("mode", "subscription"),
        field("customer", customer),
        field("client_reference_id", &order.member_id),
        field("line_items[0][price]", price),
        field("line_items[0][quantity]", "1"),
        field("expires_at", &expires_at.to_string()),
        field("success_url", &order.success_url),
    ];
    form.extend(
        order
            .cancel_url
            .as_deref()
            .map(|url| field("cancel_url", url)),
    );
    let trial = order.trial_period_days.map(|days| days.to_string());
    form.extend(trial.map(|days| field("subscription_data[trial_period_days]", &days)));
    if order.allow_promotion_codes {
        form.push(field("allow_promotion_codes", "true"));
    }
    Request {
        kind: Kind::CreateCheckout,
        delete: false,
        path: "/checkout/sessions".to_owned(),
        form,
        object_type: "checkout.session",
        object_id: None,
        stamped: true,
    }
}

fn expire(session: &str) -> Request {
    Request {
        kind: Kind::ExpireCheckout,
        delete: false,
        path: format!("/checkout/sessions/{session}/expire"),
        form: Vec::new(),
        object_type: "checkout.session",
        object_id: Some(session.to_owned()),
        stamped: false,
    }
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
