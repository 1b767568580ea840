//! What the core needs from outside, as small traits. `src/` implements them.

mod receivers;

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, time::Duration};

pub use receivers::{Answer, Message, Receivers, SendError, SigningSecret};

use chrono_tz::Tz;

use super::{
    clock::Timestamp,
    job::JobError,
    policy::AccessPolicy,
    scoring::{LATE_DAYS_DEFAULT, Scoring},
};

/// An answer that arrives later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The objects that are mirrored, by Stripe's own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectType {
    /// `customer`
    Customer,
    /// `product`
    Product,
    /// `price`
    Price,
    /// `subscription`
    Subscription,
    /// `invoice`
    Invoice,
    /// `coupon`
    Coupon,
    /// `promotion_code`
    PromotionCode,
    /// `payment_method`
    PaymentMethod,
    /// `subscription_schedule`
    SubscriptionSchedule,
    /// `invoice_payment`
    InvoicePayment,
    /// `charge`
    Charge,
    /// `refund`
    Refund,
    /// `checkout.session`
    CheckoutSession,
    /// `account`
    Account,
}

impl ObjectType {
    /// All of them; products and prices before what refers to them.
    pub const ALL: [Self; 14] = [
        Self::Account,
        Self::Product,
        Self::Price,
        Self::Coupon,
        Self::PromotionCode,
        Self::Customer,
        Self::PaymentMethod,
        Self::Subscription,
        Self::SubscriptionSchedule,
        Self::Invoice,
        Self::InvoicePayment,
        Self::Charge,
        Self::Refund,
        Self::CheckoutSession,
    ];

    /// The value of Stripe's `object` field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Price => "price",
            Self::Subscription => "subscription",
            Self::Invoice => "invoice",
            Self::Coupon => "coupon",
            Self::PromotionCode => "promotion_code",
            Self::PaymentMethod => "payment_method",
            Self::SubscriptionSchedule => "subscription_schedule",
            Self::InvoicePayment => "invoice_payment",
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::CheckoutSession => "checkout.session",
            Self::Account => "account",
        }
    }

    /// Reads the value of an `object` field; `None` for types that are not mirrored.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One object as Stripe answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Stripe's JSON, byte for byte; `None` when Stripe says that there is no such object.
    pub raw: Option<String>,
    /// Stripe's time of the question, in whole seconds and rather too early than too late: this was true at it or later.
    pub as_of: Timestamp,
    /// Stripe's time of the answer (its `Date` header): this was true at it or earlier, because what changes while an
    /// answer is made is not in it.
    pub until: Timestamp,
    /// The API version of the answer.
    pub api_version: Option<String>,
}

/// One page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The objects' JSON, one text each.
    pub objects: Vec<String>,
    /// Whether older ones follow.
    pub has_more: bool,
    /// Stripe's time of the question, in whole seconds and rather too early than too late: the objects were true at it
    /// or later.
    pub as_of: Timestamp,
    /// Stripe's time of the answer: the objects were true at it or earlier, because a page is rendered before it is
    /// answered.
    pub until: Timestamp,
    /// The API version of the answer.
    pub api_version: Option<String>,
}

/// What to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All objects of a type, in every status; of prices those that are active.
    Objects(ObjectType),
    /// Prices that cannot be bought any more: Stripe lists them only when asked for them.
    InactivePrices,
    /// Events made at or after a moment, at most the 30 days that Stripe keeps them.
    EventsSince(Timestamp),
}

impl Listing {
    /// The lists that together hold every object of a type. Empty for what Stripe lists only for each customer, and for
    /// the account itself: those are fetched one by one once something refers to them.
    pub const fn of(kind: ObjectType) -> &'static [Self] {
        match kind {
            ObjectType::Customer => &[Self::Objects(ObjectType::Customer)],
            ObjectType::Product => &[Self::Objects(ObjectType::Product)],
            ObjectType::Price => &[Self::Objects(ObjectType::Price), Self::InactivePrices],
            ObjectType::Subscription => &[Self::Objects(ObjectType::Subscription)],
            ObjectType::Invoice => &[Self::Objects(ObjectType::Invoice)],
            ObjectType::Coupon => &[Self::Objects(ObjectType::Coupon)],
            ObjectType::PromotionCode => &[Self::Objects(ObjectType::PromotionCode)],
            ObjectType::SubscriptionSchedule => &[Self::Objects(ObjectType::SubscriptionSchedule)],
            ObjectType::InvoicePayment => &[Self::Objects(ObjectType::InvoicePayment)],
            ObjectType::Charge => &[Self::Objects(ObjectType::Charge)],
            ObjectType::Refund => &[Self::Objects(ObjectType::Refund)],
            ObjectType::CheckoutSession => &[Self::Objects(ObjectType::CheckoutSession)],
            ObjectType::PaymentMethod | ObjectType::Account => &[],
        }
    }
}

/// A write: method, path below `/v1` and form fields, with the key that makes it safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Stripe's path, for example `/subscriptions/sub_1`.
    pub path: String,
    /// Form fields in Stripe's bracket notation.
    pub form: Vec<(String, String)>,
    /// Whether the method is DELETE instead of POST.
    pub delete: bool,
    /// The idempotency key; stored before the first send, the same for every repetition.
    pub idempotency_key: String,
}

/// The answer to an [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The object after the operation.
    pub fetched: Fetched,
    /// Stripe's id of the request, for support.
    pub request_id: Option<String>,
    /// Whether Stripe repeated the answer of an earlier request with the same key.
    pub replayed: bool,
}

/// Why Stripe gave no usable answer.
///
/// It is no [`std::error::Error`], so that `?` in a job can treat each case as it deserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StripeError {
    /// The organization has no secret key.
    NotConfigured(String),
    /// Too many requests, by Stripe's word or our own budget.
    RateLimited(Duration),
    /// No answer or a failure on Stripe's side. The outcome of a write is unknown.
    Unavailable(String),
    /// Stripe refused the request, and will again.
    Refused {
        /// HTTP status.
        status: u16,
        /// Stripe's error code, or its type where there is no code.
        code: String,
        /// Stripe's text for developers.
        message: String,
        /// Stripe's id of the request.
        request_id: String,
    },
}

impl fmt::Display for StripeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured(organization) => write!(
                f,
                "organization `{organization}` has no Stripe key: set stripe.secret_key_file"
            ),
            Self::RateLimited(pause) => {
                write!(f, "stripe asks for fewer requests: next try in {pause:?}")
            }
            Self::Unavailable(why) => write!(f, "stripe is unavailable: {why}"),
            Self::Refused {
                status,
                code,
                message,
                request_id,
            } => write!(
                f,
                "stripe refused the request with {status} {code}: {message} (request {request_id})"
            ),
        }
    }
}

/// A job that met a Stripe error: waits as long as Stripe asked, tries again, or gives up.
impl From<StripeError> for JobError {
    fn from(error: StripeError) -> Self {
        match error {
            // Nothing was attempted, so no attempt is spent.
            StripeError::RateLimited(pause) => Self::Snooze(pause),
            StripeError::Unavailable(_) => Self::Retry(anyhow::Error::msg(error.to_string())),
            StripeError::NotConfigured(_) | StripeError::Refused { .. } => {
                Self::Fail(anyhow::Error::msg(error.to_string()))
            }
        }
    }
}

/// Stripe, one account for each organization.
pub trait Stripe: Send + Sync + fmt::Debug {
    /// The API version that is asked for. An object that was rendered in another one has another shape.
    fn api_version(&self) -> &str;

    /// The object as it is now.
    fn retrieve<'a>(
        &'a self,
        organization: &'a str,
        kind: ObjectType,
        id: &'a str,
    ) -> Later<'a, Result<Fetched, StripeError>>;

    /// One page of a list, newest first, of what is older than `after`.
    fn list<'a>(
        &'a self,
        organization: &'a str,
        listing: Listing,
        after: Option<&'a str>,
    ) -> Later<'a, Result<Page, StripeError>>;

    /// Performs a write.
    fn perform<'a>(
        &'a self,
        organization: &'a str,
        operation: &'a Operation,
    ) -> Later<'a, Result<Done, StripeError>>;
}

/// What the configuration says about the rules of the core.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which of Stripe's statuses give access, and for how long.
    pub access: AccessPolicy,
    /// How engagement is scored.
    pub scoring: Scoring,
    /// How many days after its own an interaction is taken.
    pub late_days: i64,
    /// What is a milestone.
    pub milestones: Milestones,
    /// How many interactions a day an audience must usually have, so that its days are looked at for what is unusual.
    pub alert_min_daily: i64,
    /// How long finished jobs are kept.
    pub keep_jobs: Duration,
    /// How many finished jobs are kept at the most.
    pub keep_jobs_max: i64,
    /// How long the bodies of received Stripe events are kept.
    pub keep_stripe_event_bodies: Duration,
    /// How long what happened is kept.
    pub keep_events: Duration,
    /// How long deliveries of webhooks are kept.
    pub keep_webhook_deliveries: Duration,
    /// How long calls stay in the activity log.
    pub keep_activity: Duration,
    /// How many calls of an organization are kept at the most.
    pub keep_activity_max: i64,
    /// The organizations, by id.
    pub organizations: BTreeMap<String, Organization>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access: AccessPolicy::default(),
            scoring: Scoring::default(),
            late_days: LATE_DAYS_DEFAULT,
            milestones: Milestones::default(),
            alert_min_daily: 100,
            keep_jobs: Duration::from_hours(14 * 24),
            keep_jobs_max: 1_000_000,
            keep_stripe_event_bodies: Duration::from_hours(60 * 24),
            keep_events: Duration::from_hours(400 * 24),
            keep_webhook_deliveries: Duration::from_hours(30 * 24),
            keep_activity: Duration::from_hours(90 * 24),
            keep_activity_max: 20_000_000,
            organizations: BTreeMap::from([("default".to_owned(), Organization::default())]),
        }
    }
}

/// Figures that are told when they are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestones {
    /// Interactions of a member.
    pub interactions: Vec<i64>,
    /// Members of an audience.
    pub members: Vec<i64>,
}

impl Default for Milestones {
    fn default() -> Self {
        Self {
            interactions: vec![10, 50, 100, 500, 1_000],
            members: vec![100, 1_000, 10_000, 100_000, 1_000_000],
        }
    }
}

/// What the core knows of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organization {
    /// Its name, for people.
    pub name: String,
    /// Where its days begin and end, unless a creator's do elsewhere.
    pub time_zone: Tz,
    /// Stripe's id of its account (`acct_…`); empty when the configuration does not name it.
    pub account: String,
    /// Whether its account is connected to a platform whose key it uses: the platform's own events are none of its.
    pub connected: bool,
    /// Whether it works on Stripe's live mode.
    pub livemode: bool,
    /// Whether it has a Stripe key, so that its mirror can be synced.
    pub has_stripe: bool,
    /// The same number for organizations that use the same Stripe key; means nothing without one.
    pub key_number: usize,
}
