//! Orders about subscriptions.

use super::{
    create::{After, create},
    model::{Kind, Request},
    order::{Order, Orderer, Placed, Refusal},
    requests::{self, Resume},
    store::{self, Subscription},
};
use crate::kernel::{
    Env, Timestamp,
    db::{Result, Tx},
};

/// Decides on an order about the subscription `id`.
pub(super) async fn order_subscription(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    order: &Order,
    id: &str,
) -> Result<std::result::Result<Placed, Refusal>> {
    let organization = orderer.organization;
    let Some(subscription) = store::subscription(tx, organization, id).await? else {
        return Ok(Err(Refusal::NoSubscription(id.to_owned())));
    };
    let open = store::last_open(tx, organization, id).await?;
    let open = open.as_ref().and_then(|(_, kind)| Kind::parse(kind));
    let request = match decide(order, id, &subscription, open, env.now()) {
        Ok(request) => request,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let member = subscription.member_id.as_deref();
    let operation = create(tx, env, orderer, request, member, After::SameObject).await?;
    Ok(Ok(Placed {
        object_id: Some(id.to_owned()),
        operations: vec![operation],
    }))
}

fn decide(
    order: &Order,
    id: &str,
    subscription: &Subscription,
    open: Option<Kind>,
    now: Timestamp,
) -> std::result::Result<Request, Refusal> {
    let status = subscription.status.as_str();
    if matches!(status, "canceled" | "incomplete_expired") {
        return Err(Refusal::Ended(id.to_owned()));
    }
    match order {
        Order::CancelSubscription {
            at_period_end,
            comment,
            feedback,
            ..
        } => Ok(requests::cancel(
            id,
            *at_period_end,
            comment.as_deref(),
            *feedback,
        )),
        Order::PauseSubscription {
            resumes_at: Some(at),
            ..
        } if *at <= now => Err(Refusal::InThePast("resumes_at")),
        Order::PauseSubscription {
            behavior,
            resumes_at,
            ..
        } => Ok(requests::pause(id, *behavior, *resumes_at)),
        Order::ResumeSubscription { .. } => {
            // What is still under way counts as done: the orders are carried out one after the other.
            let what = if open == Some(Kind::PauseSubscription) {
                Resume::Collection
            } else if open == Some(Kind::CancelSubscription) {
                Resume::Cancellation
            } else if status == "paused" {
                Resume::Trial
            } else if subscription.pause_behavior.is_some() {
                Resume::Collection
            } else if subscription.cancel_at_period_end || subscription.cancel_at.is_some() {
                Resume::Cancellation
            } else {
                return Err(Refusal::NothingToResume(id.to_owned()));
            };
            Ok(requests::resume(id, what))
        }
        Order::Catalog(_) | Order::Checkout(_) => Err(Refusal::NoSubscription(id.to_owned())),
    }
}
