//! The kinds of objects that an account holds: their names, ids and what their lists can filter by.

use serde_json::Value;

use crate::{stripe::objects, table::Key};

/// The kinds of objects that have a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `cus_…`
    Customer,
    /// `prod_…`
    Product,
    /// `price_…`
    Price,
    /// `sub_…`
    Subscription,
    /// `in_…`
    Invoice,
    /// `evt_…`
    Event,
    /// An id that can be chosen.
    Coupon,
    /// `promo_…`
    PromotionCode,
    /// `pm_…`
    PaymentMethod,
    /// `sub_sched_…`
    SubscriptionSchedule,
    /// `inpay_…`
    InvoicePayment,
    /// `ch_…`
    Charge,
    /// `re_…`
    Refund,
    /// `cs_…`
    CheckoutSession,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub(crate) const ALL: [Self; 14] = [
        Self::Customer,
        Self::Product,
        Self::Price,
        Self::Subscription,
        Self::Invoice,
        Self::Event,
        Self::Coupon,
        Self::PromotionCode,
        Self::PaymentMethod,
        Self::SubscriptionSchedule,
        Self::InvoicePayment,
        Self::Charge,
        Self::Refund,
        Self::CheckoutSession,
    ];

    /// The value of `object`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Price => "price",
            Self::Subscription => "subscription",
            Self::Invoice => "invoice",
            Self::Event => "event",
            Self::Coupon => "coupon",
            Self::PromotionCode => "promotion_code",
            Self::PaymentMethod => "payment_method",
            Self::SubscriptionSchedule => "subscription_schedule",
            Self::InvoicePayment => "invoice_payment",
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::CheckoutSession => "checkout.session",
        }
    }

    /// The kind of an id, by its prefix.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        match id.split_once('_')?.0 {
            _ if id.starts_with("sub_sched_") => Some(Self::SubscriptionSchedule),
            "cus" => Some(Self::Customer),
            "prod" => Some(Self::Product),
            "price" => Some(Self::Price),
            "sub" => Some(Self::Subscription),
            "in" => Some(Self::Invoice),
            "evt" => Some(Self::Event),
            "promo" => Some(Self::PromotionCode),
            "pm" => Some(Self::PaymentMethod),
            "inpay" => Some(Self::InvoicePayment),
            "ch" => Some(Self::Charge),
            "re" => Some(Self::Refund),
            "cs" => Some(Self::CheckoutSession),
            _ => None,
        }
    }

    /// The fields that lists can filter by.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Customer => &["email"],
            Self::Product => &["active"],
            Self::Price => &["active", "product", "type", "lookup_key", "currency"],
            Self::Subscription | Self::Invoice => &["customer", "status", "collection_method"],
            // Events are made as text and bring their key along.
            Self::Event | Self::Coupon => &[],
            Self::PromotionCode => &["active", "code", "coupon", "customer"],
            Self::PaymentMethod => &["customer", "type"],
            Self::SubscriptionSchedule => &["customer"],
            Self::InvoicePayment => &["invoice", "status"],
            Self::Charge => &["customer", "payment_intent"],
            Self::Refund => &["charge", "payment_intent"],
            Self::CheckoutSession => &["customer", "payment_intent", "status", "subscription"],
        }
    }

    /// The index keys of an object.
    pub(crate) fn keys(self, object: &Value) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for field in self.fields() {
            match &object[*field] {
                Value::String(text) => keys.push((*field, text.clone())),
                Value::Bool(flag) => keys.push((*field, flag.to_string())),
                _ => {}
            }
        }
        let coupon = object["promotion"]["coupon"].as_str();
        keys.extend(coupon.map(|id| ("coupon", id.to_owned())));
        if self == Self::Subscription {
            let items = object["items"]["data"].as_array().into_iter().flatten();
            keys.extend(
                items
                    .filter_map(|item| item["price"]["id"].as_str())
                    .map(|id| ("price", id.to_owned())),
            );
        }
        if self == Self::Invoice
            && let Some(id) = objects::invoice_subscription(object)
        {
            keys.push(("subscription", id.to_owned()));
        }
        keys
    }
}
