//! `POST /v1/members/{id}/grants`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::{
    entitlements::grants::{
        Granted, NOTE_CHARS_MAX, NewGrant, NotGranted, REFERENCE_CHARS_MAX, grant,
    },
    kernel::Timestamp,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    super::model::{found, is_hers, is_still_hers, nobody},
    model::{Grant, Kind, KindWord},
};
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Json, Kept, NoQuery, Once, Path,
    Problem, Text, Word, limits::STRIPE_ID_CHARS_MAX,
};

/// A name of the caller's own for the grant.
type Reference = Text<REFERENCE_CHARS_MAX>;
/// Words for people.
type Note = Text<NOTE_CHARS_MAX>;
/// An id of Stripe's.
type StripeId = Text<STRIPE_ID_CHARS_MAX>;

/// Access to give.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"product_id": "prod_gold", "external_reference": "order-4711", "until": null}))]
pub(super) struct NewGrantBody {
    /// The product it gives; one of `GET /v1/tiers`.
    product_id: StripeId,
    /// Which sort of grant; without it `complimentary`.
    kind: Option<KindWord>,
    /// What the grant is called where it was decided, such as the number of an order. A second request with it gives
    /// nothing again and answers the first grant.
    external_reference: Option<Reference>,
    /// The subscription that an extension prolongs; it must be over and have given her the product.
    subscription_id: Option<StripeId>,
    /// The other member who gave it, where the kind is `gift`.
    from_member_id: Option<StripeId>,
    /// Why, in words.
    note: Option<Note>,
    /// From when; without it at once.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// Until when; null or left out: for a lifetime.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Give a member access
///
/// Access that nobody pays for here: complimentary, a gift, what was bought elsewhere, or the extension of a
/// subscription that is over. What Stripe says never changes it. With an `external_reference` a repetition is harmless:
/// it answers 200 and the first grant, also when that was taken back meanwhile.
#[utoipa::path(post, path = "/v1/members/{id}/grants", tag = "members", operation_id = "create_grant",
    request_body = NewGrantBody,
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        IdempotencyKey),
    responses((status = 201, description = "The grant.", body = Grant),
        (status = 200, description = "The grant that was given before under this reference.", body = Grant)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<NewGrantBody>,
) -> Answer<Response> {
    let new = NewGrant {
        product_id: body.product_id.0,
        source: body
            .kind
            .map_or(Kind::Complimentary, |Word(kind)| kind)
            .source(),
        external_reference: body.external_reference.map(|text| text.0),
        subscription_id: body.subscription_id.map(|text| text.0),
        from_member_id: body.from_member_id.map(|text| text.0),
        note: body.note.map(|text| text.0),
        starts_at: body.starts_at,
        ends_at: body.until,
    };
    let asked = json!({ "grant_to": id, "product_id": new.product_id, "kind": new.source.as_str(),
        "external_reference": new.external_reference, "subscription_id": new.subscription_id,
        "from_member_id": new.from_member_id, "note": new.note, "starts_at": new.starts_at, "until": new.ends_at });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let given = give(&state, &caller, &id, &new, &once).await;
    Ok(once.ended(&state, given).await?.into_response())
}

async fn give(
    state: &ApiState,
    caller: &Caller,
    member: &str,
    new: &NewGrant,
    once: &Once,
) -> Answer<Kept> {
    let (env, organization) = (&state.env, &caller.organization);
    let member = found(state, caller, member).await?.id;
    if let Some(giver) = &new.from_member_id
        && !is_hers(state, caller, Some(giver)).await?
    {
        return Err(refuse(&NotGranted::NoGiver(giver.clone()), &member));
    }
    let mut tx = env.db.begin().await?;
    let granted = grant(&mut tx, env, organization, &member, &caller.key_id, new).await?;
    let (status, row) = match granted {
        Ok(Granted::New(row)) => (StatusCode::CREATED, row),
        Ok(Granted::Known(row)) => (StatusCode::OK, row),
        // Whose grant it is would tell a narrowed caller of another creator's member.
        Err(NotGranted::ReferenceTaken(_)) if caller.creator.is_some() => {
            let why = NotGranted::ReferenceTaken("another grant".to_owned());
            return Err(refuse(&why, &member));
        }
        Err(why) => return Err(refuse(&why, &member)),
    };
    if !is_still_hers(&mut tx, caller, &member).await? {
        return Err(refuse(&NotGranted::NoMember, &member));
    }
    let id = row.id.clone();
    let kept = Kept::json(status, &Grant::of(row, env.now()))?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    if status == StatusCode::CREATED {
        tracing::info!(grant = id, by = caller.key_id, "access was granted");
    }
    Ok(kept)
}

fn refuse(why: &NotGranted, member: &str) -> Problem {
    let (code, pointer) = match why {
        NotGranted::NoMember => return nobody(member),
        NotGranted::NoProduct(_) => (Code::InvalidTier, "#/product_id"),
        NotGranted::EndsBeforeItBegins { .. } => (Code::InvalidRequest, "#/until"),
        NotGranted::ReferenceTaken(_) => (Code::IdempotencyKeyReused, "#/external_reference"),
        NotGranted::NotAGift(_) | NotGranted::NoGiver(_) => {
            (Code::InvalidRequest, "#/from_member_id")
        }
        NotGranted::SubscriptionMissing
        | NotGranted::NotAnExtension(_)
        | NotGranted::NotHerSubscription(_)
        | NotGranted::NotOver(_) => (Code::InvalidRequest, "#/subscription_id"),
    };
    Problem::field(code, pointer, why.to_string()).unprocessable()
}
