//! What can be asked of Stripe, and how it is told whether it has happened. Pure.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::kernel::ports::ObjectType;

/// Where an operation writes its own id at Stripe, so that its effect can be found again.
pub const METADATA: &str = "memberd_operation";

/// Fields of Stripe's answers that are kept. None of them is about a person.
const KEPT: [&str; 18] = [
    "id",
    "object",
    "active",
    "cancel_at",
    "cancel_at_period_end",
    "canceled_at",
    "created",
    "currency",
    "customer",
    "default_price",
    "ended_at",
    "expires_at",
    "livemode",
    "pause_collection",
    "product",
    "status",
    "unit_amount",
    "url",
];

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ends a subscription, now or with its period.
    CancelSubscription,
    /// Stops collecting for a subscription.
    PauseSubscription,
    /// Undoes a pause, or a cancellation that has not happened yet.
    ResumeSubscription,
    /// Makes a tier's product.
    CreateProduct,
    /// Changes or archives a tier's product.
    UpdateProduct,
    /// Makes a plan's price.
    CreatePrice,
    /// Names or archives a plan's price.
    UpdatePrice,
    /// Makes a member's customer.
    CreateCustomer,
    /// Makes a page on which a member subscribes.
    CreateCheckout,
    /// Closes such a page.
    ExpireCheckout,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::CancelSubscription,
        Self::PauseSubscription,
        Self::ResumeSubscription,
        Self::CreateProduct,
        Self::UpdateProduct,
        Self::CreatePrice,
        Self::UpdatePrice,
        Self::CreateCustomer,
        Self::CreateCheckout,
        Self::ExpireCheckout,
    ];

    /// The word in table, reports and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CancelSubscription => "subscription.cancel",
            Self::PauseSubscription => "subscription.pause",
            Self::ResumeSubscription => "subscription.resume",
            Self::CreateProduct => "product.create",
            Self::UpdateProduct => "product.update",
            Self::CreatePrice => "price.create",
            Self::UpdatePrice => "price.update",
            Self::CreateCustomer => "customer.create",
            Self::CreateCheckout => "checkout.create",
            Self::ExpireCheckout => "checkout.expire",
        }
    }

    /// Whether somebody waits for it, and sends it without its job if all is well.
    pub const fn is_awaited(self) -> bool {
        matches!(
            self,
            Self::CreateCustomer | Self::CreateCheckout | Self::ExpireCheckout
        )
    }

    /// Reads the word; `None` for one of another version of memberd.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where an operation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not sent yet.
    Pending,
    /// On its way; or the process that sent it died.
    Sent,
    /// Stripe has done it.
    Succeeded,
    /// Stripe has refused it, or it was never sent and never will be.
    Failed,
    /// It was sent, and no answer came. It will be sent again with the same key.
    Unknown,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Sent,
        Self::Succeeded,
        Self::Failed,
        Self::Unknown,
    ];

    /// The word in table and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// A request to Stripe, decided and not yet sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it does.
    pub kind: Kind,
    /// Whether the method is DELETE instead of POST.
    pub delete: bool,
    /// Path below `/v1`.
    pub path: String,
    /// Form fields in Stripe's bracket notation.
    pub form: Vec<(String, String)>,
    /// The type of what it changes or makes, by Stripe's word.
    pub object_type: &'static str,
    /// The id of that, if it is known before Stripe answers.
    pub object_id: Option<String>,
    /// Whether Stripe takes metadata with it, so that it can carry the operation's id.
    pub stamped: bool,
}

impl Request {
    /// `POST` or `DELETE`.
    pub const fn method(&self) -> &'static str {
        if self.delete { "DELETE" } else { "POST" }
    }
}

/// The fingerprint of a request: whoever changes the row on its way is noticed.
pub(super) fn form_hash(method: &str, path: &str, form: &str) -> String {
    let mut hash = Sha256::new();
    for part in [method, path, form] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// What is kept of Stripe's answer.
pub(super) fn kept(answer: &Value) -> Value {
    let fields = KEPT.iter().filter_map(|name| {
        let value = answer.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Whether an object, as it is now, shows the effect of the operation `id`.
pub(super) fn has_effect(kind: Kind, delete: bool, id: &str, object: &Value) -> bool {
    if object["metadata"][METADATA] == id {
        return true;
    }
    match kind {
        // These leave no mark, but nothing else is left to do once the state is reached.
        Kind::CancelSubscription => delete && object["status"] == "canceled",
        Kind::ResumeSubscription => {
            object["status"] == "active"
                && object["pause_collection"].is_null()
                && object["cancel_at_period_end"] != true
        }
        Kind::ExpireCheckout => object["status"] == "expired",
        _ => false,
    }
}

/// The mirrored type behind Stripe's word.
pub(super) fn mirrored(object_type: &str) -> Option<ObjectType> {
    ObjectType::parse(object_type)
}
