//! Deciding: an order of a person becomes operations, or is refused. All in the caller's transaction, so that nothing
//! is sent that was not committed, and a trial run is a transaction that is dropped.

use std::fmt;

use serde::Serialize;

use super::{
    catalog::{CatalogOrder, order_catalog},
    checkout::{CheckoutOrder, order_checkout},
    requests::PauseBehavior,
    subscriptions::order_subscription,
};
use crate::kernel::{
    Env, Timestamp,
    db::{Result, Tx},
};

/// What a person wants to happen at Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Cancel a subscription.
    CancelSubscription {
        /// Stripe's id.
        id: String,
        /// With the period that is paid for, or now.
        at_period_end: bool,
        /// Why, in her words.
        comment: Option<String>,
        /// Why, in one of Stripe's words.
        feedback: Option<&'static str>,
    },
    /// Stop collecting for a subscription.
    PauseSubscription {
        /// Stripe's id.
        id: String,
        /// What happens to its invoices.
        behavior: PauseBehavior,
        /// When it goes on by itself.
        resumes_at: Option<Timestamp>,
    },
    /// Undo a pause; where there is none, a cancellation that has not happened yet.
    ResumeSubscription {
        /// Stripe's id.
        id: String,
    },
    /// Change what is sold.
    Catalog(CatalogOrder),
    /// Make a page on which a member subscribes.
    Checkout(CheckoutOrder),
}

/// What an order came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// What it is about, where the id is known before Stripe answers.
    pub object_id: Option<String>,
    /// The operations that carry it out, in their order.
    pub operations: Vec<String>,
}

/// Why nothing can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The organization has no key for Stripe.
    NoStripe,
    /// There is no such subscription.
    NoSubscription(String),
    /// It is over: nothing can be changed about it.
    Ended(String),
    /// It is neither paused nor going to be cancelled.
    NothingToResume(String),
    /// The moment has passed.
    InThePast(&'static str),
    /// There is no such tier.
    NoTier(String),
    /// There is no such plan.
    NoPlan(String),
    /// It is paid once, so its amount cannot be changed.
    NotRecurring(String),
    /// A price needs a currency.
    NoCurrency,
    /// There is no such member.
    NoMember(String),
    /// The tier cannot be bought, or not like this.
    InvalidTier(String),
    /// She has a subscription to this tier.
    AlreadySubscribed(String),
    /// Another page for her is being made by this operation.
    CheckoutUnderWay(String),
    /// All places of this tier are taken or reserved.
    TierFull(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStripe => {
                f.write_str("the organization has no Stripe key: set stripe.secret_key_file")
            }
            Self::NoSubscription(id) => write!(f, "there is no subscription {id}"),
            Self::Ended(id) => write!(f, "the subscription {id} has ended: make a new one"),
            Self::NothingToResume(id) => {
                write!(
                    f,
                    "the subscription {id} is neither paused nor going to be cancelled"
                )
            }
            Self::InThePast(field) => write!(f, "{field} has passed: name a moment in the future"),
            Self::NoTier(id) => write!(f, "there is no tier {id}"),
            Self::NoPlan(id) => write!(f, "there is no plan {id}"),
            Self::NotRecurring(id) => {
                write!(
                    f,
                    "the plan {id} is paid once: make a new one and archive it"
                )
            }
            Self::NoCurrency => f.write_str("a price needs a currency: give `currency`"),
            Self::NoMember(id) => write!(f, "there is no member {id}"),
            Self::InvalidTier(why) => f.write_str(why),
            Self::AlreadySubscribed(tier) => {
                write!(
                    f,
                    "she has a subscription to the tier {tier}: change that one"
                )
            }
            Self::CheckoutUnderWay(id) => write!(
                f,
                "her other checkout is being made by {id}: try again when that operation has ended"
            ),
            Self::TierFull(tier) => {
                write!(f, "all places of the tier {tier} are taken or reserved")
            }
        }
    }
}

/// Who orders, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Orderer<'a> {
    /// Whose Stripe account.
    pub organization: &'a str,
    /// `key_…` of the API key, or who else.
    pub actor: &'a str,
}

impl Orderer<'_> {
    fn has_stripe(self, env: &Env) -> bool {
        let known = env.settings.organizations.get(self.organization);
        known.is_some_and(|known| known.has_stripe)
    }
}

/// Decides on an order.
pub async fn order(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    order: &Order,
) -> Result<std::result::Result<Placed, Refusal>> {
    if !orderer.has_stripe(env) {
        return Ok(Err(Refusal::NoStripe));
    }
    match order {
        Order::CancelSubscription { id, .. }
        | Order::PauseSubscription { id, .. }
        | Order::ResumeSubscription { id } => order_subscription(tx, env, orderer, order, id).await,
        Order::Catalog(wanted) => order_catalog(tx, env, orderer, wanted).await,
        Order::Checkout(wanted) => order_checkout(tx, env, orderer, wanted).await,
    }
}
