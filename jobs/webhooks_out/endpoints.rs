//! What people do to endpoints, each in the caller's transaction.

use std::time::Duration;

use serde_json::json;

use super::{
    hurry_pending::hurry,
    model::{Disabled, Told, payload},
    store::{
        deliveries,
        endpoints::{self, Endpoint, Wanted},
        secrets,
    },
};
use crate::kernel::{
    Env,
    db::{Result, Tx},
    events::{Event, emit, emit_to, wake},
    ports::{Answer, Message, SigningSecret},
};

/// Endpoints of one organization: each costs a row for every event.
pub const ENDPOINTS_MAX: i64 = 50;

/// The type of a test.
pub const TEST_EVENT: &str = "webhook_endpoint.test";

/// Bytes of a salt: as many as the secret that is made from it.
const SALT_BYTES: usize = 32;

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing to make a secret from.
    #[error("the configuration has no key for secrets: set webhooks_out.keys_file")]
    NoKey,
    /// The configuration does not have the key any more that the secrets were made from.
    #[error(
        "no key in webhooks_out.keys_file has the id {key_id}, which the secret of {endpoint} was made with: put that key \
         back, or rotate the secret"
    )]
    KeyMissing {
        /// `whe_…`
        endpoint: String,
        /// The key's id, as it stands with the secret.
        key_id: String,
    },
    /// There are as many as there may be.
    #[error("there are {ENDPOINTS_MAX} endpoints already: delete one that is not used")]
    TooMany,
    /// There is no such endpoint.
    #[error("there is no webhook endpoint {0}")]
    NoEndpoint(String),
    /// There is no such delivery.
    #[error("there is no webhook delivery {0}")]
    NoDelivery(String),
    /// Nothing is sent to it.
    #[error("the webhook endpoint {0} is disabled: enable it first")]
    Disabled(String),
}

/// An endpoint with the secret that was made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What the secret is made from.
    pub secret: SigningSecret,
}

/// The result of what people want.
type Done<T> = Result<std::result::Result<T, Refused>>;

/// Makes an endpoint and its first secret.
pub async fn create(tx: &mut Tx, env: &Env, organization: &str, wanted: &Wanted<'_>) -> Done<Created> {
    let id = env.id("whe");
    let Some(secret) = new_secret(env, &id) else { return Ok(Err(Refused::NoKey)) };
    if endpoints::count(tx, organization).await? >= ENDPOINTS_MAX {
        return Ok(Err(Refused::TooMany));
    }
    endpoints::insert(tx, organization, &id, wanted, env.now()).await?;
    secrets::insert(tx, &secret).await?;
    let made = endpoints::lock(tx, organization, &id).await?;
    Ok(made.map(|endpoint| Created { endpoint, secret }).ok_or(Refused::NoEndpoint(id)))
}

/// Changes an endpoint that the caller has locked.
pub async fn update(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    wanted: &Wanted<'_>,
) -> Result<()> {
    endpoints::update(tx, organization, id, wanted, env.now()).await
}

/// Sends to it again, or nothing any more. If nothing was sent to it before, what is pending goes out at once.
pub async fn set_enabled(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    enabled: bool,
) -> Result<()> {
    if !enabled {
        endpoints::disable(tx, organization, id, Disabled::ByHand, env.now()).await?;
        return Ok(());
    }
    let Some(before) = endpoints::lock(tx, organization, id).await? else { return Ok(()) };
    endpoints::enable(tx, organization, id, env.now()).await?;
    if before.disabled_at.is_some() {
        hurry(tx, env, organization, id).await
    } else {
        wake(tx, env, organization, id)
    }
}

/// Disables an endpoint for what it did, and tells the others of it.
pub(super) async fn disable(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    why: Disabled,
) -> Result<bool> {
    let new = endpoints::disable(tx, organization, id, why, env.now()).await?;
    if new {
        let event = Event {
            kind: "webhook_endpoint.disabled",
            organization_id: organization.to_owned(),
            member_id: None,
            data: json!({ "endpoint_id": id, "reason": why.as_str() }),
        };
        emit(tx, env, &event).await?;
    }
    Ok(new)
}

/// Deletes an endpoint with its secrets, and gives up what is pending. Answers whether it was there.
pub async fn delete(tx: &mut Tx, organization: &str, id: &str) -> Result<bool> {
    if !endpoints::delete(tx, organization, id).await? {
        return Ok(false);
    }
    deliveries::close(tx, organization, id).await?;
    Ok(true)
}

/// Makes a new secret. The ones before sign on for a while beside it.
pub async fn rotate(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    overlap: Duration,
) -> Done<Created> {
    let Some(endpoint) = endpoints::lock(tx, organization, id).await? else {
        return Ok(Err(Refused::NoEndpoint(id.to_owned())));
    };
    let Some(secret) = new_secret(env, id) else { return Ok(Err(Refused::NoKey)) };
    secrets::insert(tx, &secret).await?;
    secrets::replace(tx, organization, &secret, secret.created_at.plus(overlap)).await?;
    Ok(Ok(Created { endpoint, secret }))
}

/// Sends an event that only this endpoint hears of. Answers the delivery's id.
pub async fn send_test(tx: &mut Tx, env: &Env, organization: &str, id: &str) -> Done<String> {
    if let Err(refused) = enabled(tx, organization, id).await? {
        return Ok(Err(refused));
    }
    let event = Event {
        kind: TEST_EVENT,
        organization_id: organization.to_owned(),
        member_id: None,
        data: json!({ "endpoint_id": id }),
    };
    Ok(Ok(emit_to(tx, env, &event, id).await?))
}

/// Sends a test at once, without a delivery and also to a disabled endpoint, and answers what came of it.
pub async fn try_out(env: &Env, organization: &str, id: &str) -> Done<Answer> {
    let Some(endpoint) = endpoints::get(&env.db, organization, id).await? else {
        return Ok(Err(Refused::NoEndpoint(id.to_owned())));
    };
    let secrets = match signing(env, organization, id).await? {
        Ok(secrets) => secrets,
        Err(refused) => return Ok(Err(refused)),
    };
    let event = Told {
        id: env.id("evt"),
        kind: TEST_EVENT.to_owned(),
        member_id: None,
        sequence: None,
        occurred_at: env.now(),
        data: json!({ "endpoint_id": id }).to_string(),
    };
    let body = payload(&event).unwrap_or_default();
    let message = Message {
        url: &endpoint.url,
        id: &event.id,
        at: env.now(),
        body: &body,
        secrets: &secrets,
    };
    Ok(Ok(env.receivers.send(&message).await))
}

/// Makes a delivery due now, with all its attempts before it, whatever became of it.
pub async fn resend(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
) -> Done<deliveries::Delivery> {
    let none = || Refused::NoDelivery(id.to_owned());
    let Some(delivery) = deliveries::get_in(tx, organization, id).await? else { return Ok(Err(none())) };
    if let Err(refused) = enabled(tx, organization, &delivery.endpoint_id).await? {
        return Ok(Err(refused));
    }
    deliveries::resend(tx, organization, id, env.now()).await?;
    wake(tx, env, organization, &delivery.endpoint_id)?;
    Ok(deliveries::get_in(tx, organization, id).await?.ok_or_else(none))
}

/// The endpoint, unless nothing is sent to it.
pub async fn enabled(tx: &mut Tx, organization: &str, id: &str) -> Done<Endpoint> {
    let found = endpoints::lock(tx, organization, id).await?;
    Ok(match found {
        None => Err(Refused::NoEndpoint(id.to_owned())),
        Some(endpoint) if endpoint.disabled_at.is_some() => Err(Refused::Disabled(endpoint.id)),
        Some(endpoint) => Ok(endpoint),
    })
}

/// What an endpoint's events are signed with.
pub(super) async fn signing(env: &Env, organization: &str, id: &str) -> Done<Vec<SigningSecret>> {
    let secrets = secrets::live(&env.db, organization, id, env.now()).await?;
    if secrets.iter().any(|secret| env.receivers.reveal(secret).is_some()) {
        return Ok(Ok(secrets));
    }
    let endpoint = id.to_owned();
    Ok(Err(match secrets.into_iter().next() {
        Some(newest) => Refused::KeyMissing { endpoint, key_id: newest.key_id },
        // Its secrets go with it, and with nothing else.
        None => Refused::NoEndpoint(endpoint),
    }))
}

/// What a new secret is made from; `None` while the configuration has no key.
fn new_secret(env: &Env, endpoint: &str) -> Option<SigningSecret> {
    let mut salt = [0; SALT_BYTES];
    env.chance.fill(&mut salt);
    Some(SigningSecret {
        id: env.id("whs"),
        endpoint_id: endpoint.to_owned(),
        salt: hex::encode(salt),
        key_id: env.receivers.key_id()?,
        created_at: env.now(),
        expires_at: None,
    })
}

