//! Applying the truth about one object: raw row, projection, link, members, entitlements. All in the caller's
//! transaction.

use serde_json::{Value, json};

use super::{
    FetchObject,
    model::{self, Customer},
    store::{
        facts,
        objects::{self, Scope, Truth},
        projections,
    },
};
use crate::{
    entitlements,
    kernel::{
        Env,
        db::{Result, Tx},
        events::{Event, emit},
        outbox::{self, NewJob},
        ports::{Fetched, ObjectType, Organization},
    },
    members::{self, Link, LinkSources, NewMember},
};

/// What a tombstone looks like when Stripe only says "no such object". It differs from Stripe's own tombstones, because
/// those are final and this one is not.
fn tombstone(kind: ObjectType, id: &str) -> String {
    json!({ "id": id, "object": kind.as_str(), "deleted": true, "missing": true }).to_string()
}

/// The organization's account and mode.
pub(super) fn stripe_of(env: &Env, organization: &str) -> Organization {
    env.settings.organizations.get(organization).cloned().unwrap_or_default()
}

/// Applies the answer to a single fetch; answers whether anything newer was learnt.
pub async fn fetched(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    id: &str,
    fetched: &Fetched,
) -> Result<bool> {
    let missing = tombstone(kind, id);
    let raw = fetched.raw.as_deref().unwrap_or(&missing);
    let value: Value = serde_json::from_str(raw).unwrap_or_default();
    let truth = Truth {
        kind,
        id,
        raw,
        replaces: &missing,
        as_of: fetched.as_of,
        deleted: model::is_deleted(&value),
        api_version: fetched.api_version.as_deref(),
        replaces_same_second: true,
    };
    apply(tx, env, organization, &truth, &value).await
}

/// Applies the truth of one object, unless something newer is known.
pub(super) async fn apply(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    truth: &Truth<'_>,
    value: &Value,
) -> Result<bool> {
    let stripe = stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    if !objects::store(tx, env.now(), &scope, truth).await? {
        return Ok(false);
    }
    if truth.deleted {
        projections::delete(tx, organization, truth.kind, truth.id).await?;
        match truth.kind {
            ObjectType::Subscription => {
                derive_for_subscription(tx, env, organization, truth.id, None).await?;
            }
            ObjectType::Product => {
                entitlements::store::retire_tier(tx, env, organization, truth.id).await?;
            }
            ObjectType::Customer | ObjectType::Price | ObjectType::Invoice => {}
        }
        return Ok(true);
    }
    project(tx, env, organization, truth.kind, value).await?;
    Ok(true)
}

async fn project(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    value: &Value,
) -> Result<()> {
    match kind {
        ObjectType::Product => {
            if let Some((product, created_at)) = model::product(value) {
                projections::put_product(tx, organization, &product, created_at).await?;
                entitlements::store::upsert_tier(tx, env, organization, &product).await?;
            }
        }
        ObjectType::Price => {
            if let Some(price) = model::price(value) {
                projections::put_price(tx, organization, &price).await?;
            }
        }
        ObjectType::Customer => {
            if let Some(customer) = model::customer(value) {
                link_customer(tx, env, organization, &customer).await?;
            }
        }
        ObjectType::Subscription => {
            if let Some(subscription) = model::subscription(value) {
                projections::put_subscription(tx, organization, &subscription).await?;
                let (id, customer) = (&subscription.facts.id, &subscription.customer_id);
                derive_for_subscription(tx, env, organization, id, Some(customer)).await?;
            }
        }
        ObjectType::Invoice => {
            if let Some(invoice) = model::invoice(value) {
                projections::put_invoice(tx, organization, &invoice).await?;
            }
        }
    }
    Ok(())
}

/// Finds or makes the customer's member, then derives what she may see.
async fn link_customer(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    customer: &Customer,
) -> Result<()> {
    let before = projections::customer_link(tx, organization, &customer.id).await?;
    let known = before.as_ref().and_then(|linked| linked.member_id.clone());
    let (member, word) = match (known, before) {
        (Some(member), Some(linked)) => {
            follow_profile(tx, env, organization, customer, &member, &linked).await?;
            (member, linked.link)
        }
        _ => find_member(tx, env, organization, customer).await?,
    };
    projections::put_customer(tx, organization, customer, &member, &word).await?;
    derive_for_member(tx, env, organization, &member).await
}

async fn find_member(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    customer: &Customer,
) -> Result<(String, String)> {
    let normalized = customer.email.as_deref().and_then(members::normalize_email);
    let sources = LinkSources {
        by_metadata: match &customer.member_id {
            Some(id) => members::store::living(tx, organization, id).await?,
            None => None,
        },
        by_foreign_key: members::store::by_key(tx, organization, "stripe", &customer.id).await?,
        by_email: match &normalized {
            Some(email) => members::store::by_email(tx, organization, email).await?,
            None => None,
        },
    };
    let link = members::link(&sources);
    let word = link.as_str().to_owned();
    let member = match link {
        Link::Metadata(member) | Link::ForeignKey(member) | Link::Email(member) => member,
        Link::Create { email_taken } => {
            create_member(tx, env, organization, customer, email_taken).await?
        }
    };
    members::store::add_key(tx, env, organization, "stripe", &customer.id, &member).await?;
    Ok((member, word))
}

async fn create_member(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    customer: &Customer,
    email_taken: bool,
) -> Result<String> {
    let new = NewMember {
        organization_id: organization.to_owned(),
        email: customer.email.clone().filter(|_| !email_taken),
        name: customer.name.clone(),
        joined_at: customer.created_at,
    };
    let member = members::store::insert(tx, env, &new).await?;
    let event = Event {
        kind: "audience.member_joined",
        organization_id: organization.to_owned(),
        member_id: Some(member.clone()),
        data: json!({ "customer_id": customer.id, "joined_at": customer.created_at }),
    };
    emit(tx, env, &event).await?;
    Ok(member)
}

/// A member whom the sync made follows her customer's address and name; one whom people made does not.
async fn follow_profile(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    customer: &Customer,
    member: &str,
    linked: &projections::Linked,
) -> Result<()> {
    if linked.link != "created" {
        return Ok(());
    }
    let normalized = customer.email.as_deref().and_then(members::normalize_email);
    let holder = match &normalized {
        Some(email) => members::store::by_email(tx, organization, email).await?,
        None => None,
    };
    // An address that is another member's by now is not taken away from her.
    let taken = holder.is_some_and(|(other, _)| other != member);
    let email = if taken { linked.email.as_deref() } else { customer.email.as_deref() };
    let name = customer.name.as_deref();
    members::store::set_profile(tx, organization, member, email, name, env.now()).await?;
    Ok(())
}

/// Derives for the member behind a subscription; a customer that is not here yet is sent for.
async fn derive_for_subscription(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    subscription: &str,
    customer: Option<&str>,
) -> Result<()> {
    let customer = match customer {
        Some(customer) => Some(customer.to_owned()),
        None => facts::customer_of(tx, organization, subscription).await?,
    };
    let Some(customer) = customer else { return Ok(()) };
    let Some(linked) = projections::customer_link(tx, organization, &customer).await? else {
        let job = FetchObject { object_type: ObjectType::Customer.as_str().to_owned(), id: customer };
        outbox::enqueue(tx, env, NewJob::of(organization, &job)?).await?;
        return Ok(());
    };
    match linked.member_id {
        Some(member) => derive_for_member(tx, env, organization, &member).await,
        None => Ok(()),
    }
}

async fn derive_for_member(tx: &mut Tx, env: &Env, organization: &str, member: &str) -> Result<()> {
    // The lock first: what is read after it is what the derivation before us has left.
    let Some(before) = members::store::lock(tx, organization, member).await? else { return Ok(()) };
    let subscriptions = facts::subscriptions_of(tx, organization, member).await?;
    entitlements::derive(tx, env, organization, member, &before, &subscriptions).await?;
    Ok(())
}
