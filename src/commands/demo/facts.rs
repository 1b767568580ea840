//! What the API tells about an organization, and what the sandbox knows to be true.

use serde_json::Value;

use super::{client::Http, world::World};

/// The foreign key under which a member carries her Stripe customer.
const STRIPE: &str = "stripe";

/// Everything that the API tells about an organization.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Members with what they may use.
    pub(super) members: Vec<Value>,
    /// Subscriptions.
    pub(super) subscriptions: Vec<Value>,
    /// Invoices.
    pub(super) invoices: Vec<Value>,
    /// Tiers.
    pub(super) tiers: Vec<Value>,
}

impl Told {
    /// Asks the API.
    ///
    /// # Errors
    /// When it does not answer with lists.
    pub(super) async fn read(api: &Http) -> anyhow::Result<Self> {
        Ok(Self {
            members: api.list("/v1/members?include=entitlements").await?,
            subscriptions: api.list("/v1/subscriptions").await?,
            invoices: api.list("/v1/invoices").await?,
            tiers: api.list("/v1/tiers").await?,
        })
    }

    /// Asks for both organizations.
    ///
    /// # Errors
    /// As [`Told::read`].
    pub(super) async fn both(world: &World) -> anyhow::Result<[Self; 2]> {
        let [default, other] = &world.towns;
        Ok([
            Self::read(&default.api).await?,
            Self::read(&other.api).await?,
        ])
    }
}

/// A text field; empty when there is none.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// The Stripe customer of a member.
pub(super) fn customer_of(member: &Value) -> Option<&str> {
    let keys = member["foreign_keys"].as_array()?;
    let stripe = keys.iter().find(|key| text(key, "key") == STRIPE)?;
    stripe["value"].as_str()
}

/// Whether Stripe has deleted an object: only a stub of it is left.
pub(super) fn is_deleted(object: &Value) -> bool {
    object["deleted"] == Value::Bool(true)
}
