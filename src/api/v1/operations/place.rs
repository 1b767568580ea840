//! Placing an order: checks, idempotency, dry runs, and the answer 202.

use axum::{http::StatusCode, response::Response};
use memberd_jobs::{
    kernel::db::Tx,
    operations::{Order, Orderer, Placed, Refusal, order, store},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{members::is_still_hers, subscriptions::found},
    Operation,
};
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, DryRun, IdempotencyKey, Kept, Once, Problem,
};

/// The codes that every order may answer.
pub(in crate::api::v1) const PLACED: [Code; 2] = [Code::NotFound, Code::InvalidRequest];

/// What an order of several steps came to.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct PlacedBody {
    /// The object at Stripe, where its id is known before Stripe answers.
    #[schema(example = "prod_gold")]
    object_id: Option<String>,
    /// The operations that carry the order out, one after the other.
    operations: Vec<Operation>,
}

/// Places an order: 202 with the operation, which is committed and not yet sent. Orders about the catalog have several.
pub(in crate::api::v1) async fn place(
    state: &ApiState,
    caller: &Caller,
    key: IdempotencyKey,
    DryRun { dry_run }: DryRun,
    wanted: &Order,
) -> Answer<Response> {
    if let (
        Some(_),
        Order::CancelSubscription { id, .. }
        | Order::PauseSubscription { id, .. }
        | Order::ResumeSubscription { id },
    ) = (&caller.creator, wanted)
    {
        // Of another creator's member it is not there.
        found(state, caller, id).await?;
    }
    let once = if dry_run {
        Once::without_key()
    } else {
        match key.begin(state, caller, wanted).await? {
            Begun::First(once) => once,
            Begun::Replayed(response) => return Ok(response),
        }
    };
    let placed = commit(state, caller, dry_run, wanted, &once).await;
    Ok(once.ended(state, placed).await?.into_response())
}

async fn commit(
    state: &ApiState,
    caller: &Caller,
    dry_run: bool,
    wanted: &Order,
    once: &Once,
) -> Answer<Kept> {
    let mut tx = state.env.db.begin().await?;
    let placed = decided(&mut tx, state, caller, wanted).await?;
    let mut operations = shown(&mut tx, caller, &placed, dry_run).await?;
    let kept = if matches!(wanted, Order::Catalog(_)) {
        let object_id = placed.object_id;
        Kept::json(
            StatusCode::ACCEPTED,
            &PlacedBody {
                object_id,
                operations,
            },
        )?
    } else {
        let operation = operations.pop();
        let operation = operation.ok_or_else(|| Problem::internal(&"an operation vanished"))?;
        Kept::json(StatusCode::ACCEPTED, &operation)?
    };
    if !dry_run {
        once.settle(&mut tx, &kept).await?;
        tx.commit().await?;
    }
    Ok(kept)
}

/// Decides on an order in the caller's transaction.
pub(in crate::api::v1) async fn decided(
    tx: &mut Tx,
    state: &ApiState,
    caller: &Caller,
    wanted: &Order,
) -> Answer<Placed> {
    let orderer = Orderer {
        organization: &caller.organization,
        actor: &caller.key_id,
    };
    let placed = order(tx, &state.env, orderer, wanted).await?;
    let placed = placed.map_err(|refusal| refused(&refusal))?;
    if caller.creator.is_some() {
        keep_to_hers(tx, caller, &placed, wanted).await?;
    }
    Ok(placed)
}

/// Refuses what was placed for a member who is not the narrowed caller's any more.
async fn keep_to_hers(tx: &mut Tx, caller: &Caller, placed: &Placed, wanted: &Order) -> Answer<()> {
    for id in &placed.operations {
        let row = store::get_in(tx, &caller.organization, id).await?;
        let is_hers = match row.and_then(|row| row.member_id) {
            Some(member) => is_still_hers(tx, caller, &member).await?,
            None => false,
        };
        if !is_hers {
            return Err(refused(&match wanted {
                Order::Checkout(order) => Refusal::NoMember(order.member_id.clone()),
                _ => Refusal::NoSubscription(placed.object_id.clone().unwrap_or_default()),
            }));
        }
    }
    Ok(())
}

/// The operations of an order, as its transaction sees them.
pub(in crate::api::v1) async fn shown(
    tx: &mut Tx,
    caller: &Caller,
    placed: &Placed,
    dry_run: bool,
) -> Answer<Vec<Operation>> {
    let mut operations = Vec::new();
    for id in &placed.operations {
        let row = store::get_in(tx, &caller.organization, id).await?;
        let row = row.ok_or_else(|| Problem::internal(&"an operation vanished"))?;
        operations.push(Operation::of(row, dry_run));
    }
    Ok(operations)
}

fn refused(refusal: &Refusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        Refusal::NoSubscription(_) | Refusal::NoTier(_) | Refusal::NoPlan(_) => {
            Problem::new(Code::NotFound, detail)
        }
        Refusal::NoMember(_) => Problem::new(Code::MemberNotFound, detail),
        Refusal::InvalidTier(_) => Problem::new(Code::InvalidTier, detail),
        Refusal::AlreadySubscribed(_) => Problem::new(Code::AlreadySubscribed, detail),
        Refusal::TierFull(_) => Problem::new(Code::TierLimitReached, detail),
        Refusal::CheckoutUnderWay(_) => Problem::new(Code::IdempotencyInProgress, detail),
        Refusal::InThePast(field) => {
            Problem::field(Code::InvalidRequest, format!("#/{field}"), detail).unprocessable()
        }
        Refusal::NoStripe
        | Refusal::Ended(_)
        | Refusal::NothingToResume(_)
        | Refusal::NoCurrency
        | Refusal::NotRecurring(_) => Problem::new(Code::InvalidRequest, detail).unprocessable(),
    }
}
