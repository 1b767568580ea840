//! Orders about what is sold: tiers, which are Stripe's products, and plans, which are its prices.
//!
//! Name, description and prices live at Stripe and are changed there. Benefits, limit, visibility and the default are
//! ours and change in the transaction of the order. A price cannot be changed at Stripe: a new one takes its place, and
//! the old one is archived once the new one is there. Whoever pays the old one goes on paying it.

use serde::Serialize;

use super::{
    create::{After, create},
    model::Request,
    order::{Orderer, Placed, Refusal},
    requests::catalog::{create_price, create_product, update_price, update_product},
    store::catalog as store,
};
use crate::{
    entitlements::store::{self as tiers, NewTier, TierEdit},
    kernel::{
        Env,
        db::{Result, Tx},
    },
};

/// How often a plan is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// Every so many days.
    Day,
    /// Every so many weeks.
    Week,
    /// Every so many months.
    Month,
    /// Every so many years.
    Year,
}

impl Interval {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// Stripe's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// The two usual prices of a tier, in minor units. `None`: as it is; 0: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TierPrices {
    /// Their currency.
    pub currency: Option<String>,
    /// For a month.
    pub monthly: Option<i64>,
    /// For a year.
    pub yearly: Option<i64>,
}

/// What a person wants to happen to the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "catalog", rename_all = "snake_case")]
pub enum CatalogOrder {
    /// Make a tier.
    CreateTier {
        /// Its name.
        name: String,
        /// Its description.
        description: Option<String>,
        /// What it costs.
        prices: TierPrices,
        /// What is ours.
        own: TierEdit,
    },
    /// Change a tier; what is `None` stays.
    UpdateTier {
        /// Stripe's product.
        id: String,
        /// Its name.
        name: Option<String>,
        /// Its description.
        description: Option<String>,
        /// What it costs.
        prices: TierPrices,
        /// What is ours.
        own: TierEdit,
    },
    /// Take a tier off sale; who has it keeps it.
    ArchiveTier {
        /// Stripe's product.
        id: String,
    },
    /// Make a plan.
    CreatePlan(NewPlan),
    /// Change a plan; what is `None` stays.
    UpdatePlan {
        /// Stripe's price.
        id: String,
        /// Its name among the plans of its tier.
        nickname: Option<String>,
        /// What it costs, in minor units: another amount is another price at Stripe.
        amount: Option<i64>,
    },
    /// Take a plan off sale; who pays it goes on.
    ArchivePlan {
        /// Stripe's price.
        id: String,
    },
}

/// A plan to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewPlan {
    /// Stripe's product.
    pub tier_id: String,
    /// Currency code.
    pub currency: String,
    /// Minor units of one payment.
    pub amount: i64,
    /// How often it is paid.
    pub interval: &'static str,
    /// Every so many intervals.
    pub interval_count: i64,
    /// Its name among the plans of its tier.
    pub nickname: Option<String>,
}

/// Decides on an order about the catalog.
pub(super) async fn order_catalog(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    order: &CatalogOrder,
) -> Result<std::result::Result<Placed, Refusal>> {
    match order {
        CatalogOrder::CreateTier {
            name,
            description,
            prices,
            own,
        } => create_tier(tx, env, orderer, name, description.as_deref(), prices, own).await,
        CatalogOrder::UpdateTier { .. } => update_tier(tx, env, orderer, order).await,
        CatalogOrder::ArchiveTier { id } => {
            if !tiers::lock_tier(tx, orderer.organization, id).await? {
                return Ok(Err(Refusal::NoTier(id.clone())));
            }
            let request = update_product(id, None, None, Some(false));
            one(tx, env, orderer, request, id).await
        }
        CatalogOrder::CreatePlan(plan) => {
            if !tiers::lock_tier(tx, orderer.organization, &plan.tier_id).await? {
                return Ok(Err(Refusal::NoTier(plan.tier_id.clone())));
            }
            let after = After::Object(&plan.tier_id);
            let operation = create(tx, env, orderer, create_price(plan), None, after).await?;
            Ok(Ok(Placed {
                object_id: None,
                operations: vec![operation],
            }))
        }
        CatalogOrder::UpdatePlan {
            id,
            nickname,
            amount,
        } => update_plan(tx, env, orderer, id, nickname.as_deref(), *amount).await,
        CatalogOrder::ArchivePlan { id } => {
            if locked_plan(tx, orderer, id).await?.is_none() {
                return Ok(Err(Refusal::NoPlan(id.clone())));
            }
            one(tx, env, orderer, update_price(id, None, Some(false)), id).await
        }
    }
}

/// A plan, with its tier locked: orders on a plan stand in one row, like those on its tier.
async fn locked_plan(tx: &mut Tx, orderer: Orderer<'_>, id: &str) -> Result<Option<store::Plan>> {
    let plan = store::plan(tx, orderer.organization, id).await?;
    if let Some(plan) = &plan {
        tiers::lock_tier(tx, orderer.organization, &plan.product_id).await?;
    }
    Ok(plan)
}

async fn update_tier(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    order: &CatalogOrder,
) -> Result<std::result::Result<Placed, Refusal>> {
    let CatalogOrder::UpdateTier {
        id,
        name,
        description,
        prices,
        own,
    } = order
    else {
        return Ok(Ok(Placed::default()));
    };
    let mut placed = Placed {
        object_id: Some(id.clone()),
        operations: Vec::new(),
    };
    if !tiers::edit_tier(tx, orderer.organization, id, own, env.now()).await? {
        return Ok(Err(Refusal::NoTier(id.clone())));
    }
    let request = update_product(id, name.as_deref(), description.as_deref(), None);
    if !request.form.is_empty() {
        let renamed = create(tx, env, orderer, request, None, After::SameObject).await?;
        placed.operations.push(renamed);
    }
    let (after, operations) = (After::Object(id), &mut placed.operations);
    let changed = change_prices(tx, env, orderer, id, prices, after, operations).await?;
    Ok(changed.map(|()| placed))
}

async fn one(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    request: Request,
    id: &str,
) -> Result<std::result::Result<Placed, Refusal>> {
    let operation = create(tx, env, orderer, request, None, After::SameObject).await?;
    Ok(Ok(Placed {
        object_id: Some(id.to_owned()),
        operations: vec![operation],
    }))
}

async fn create_tier(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    name: &str,
    description: Option<&str>,
    prices: &TierPrices,
    own: &TierEdit,
) -> Result<std::result::Result<Placed, Refusal>> {
    // Stripe lets us choose the ids of products, so that the tier has its own from the start.
    let id = env.id("prod");
    let new = NewTier {
        id: &id,
        name,
        description,
    };
    tiers::insert_tier(tx, orderer.organization, &new, env.now()).await?;
    tiers::edit_tier(tx, orderer.organization, &id, own, env.now()).await?;
    let request = create_product(&id, name, description);
    let operation = create(tx, env, orderer, request, None, After::SameObject).await?;
    let mut placed = Placed {
        object_id: Some(id.clone()),
        operations: vec![operation.clone()],
    };
    let after = After::Success(&operation);
    let changed =
        change_prices(tx, env, orderer, &id, prices, after, &mut placed.operations).await?;
    Ok(changed.map(|()| placed))
}

/// Brings the monthly and the yearly price of a tier to what they should be.
async fn change_prices(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    tier: &str,
    prices: &TierPrices,
    after: After<'_>,
    operations: &mut Vec<String>,
) -> Result<std::result::Result<(), Refusal>> {
    for (interval, amount) in [
        (Interval::Month, prices.monthly),
        (Interval::Year, prices.yearly),
    ] {
        let Some(amount) = amount else { continue };
        let old = store::tier_prices(tx, orderer.organization, tier, interval.as_str()).await?;
        let known = old.first().map(|price| price.currency.clone());
        let Some(currency) = prices.currency.clone().or(known) else {
            // There is no price, and there should be none.
            if amount == 0 {
                continue;
            }
            return Ok(Err(Refusal::NoCurrency));
        };
        let old: Vec<_> = old
            .into_iter()
            .filter(|price| price.currency == currency)
            .collect();
        let mut replacement = None;
        if amount > 0 {
            if old.len() == 1 && old[0].unit_amount == Some(amount) {
                continue;
            }
            let plan = NewPlan {
                tier_id: tier.to_owned(),
                currency,
                amount,
                interval: interval.as_str(),
                interval_count: 1,
                nickname: None,
            };
            let made = create(tx, env, orderer, create_price(&plan), None, after).await?;
            operations.push(made.clone());
            replacement = Some(made);
        }
        for price in old {
            let after = replacement
                .as_deref()
                .map_or(After::SameObject, After::Success);
            let request = update_price(&price.id, None, Some(false));
            operations.push(create(tx, env, orderer, request, None, after).await?);
        }
    }
    Ok(Ok(()))
}

async fn update_plan(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    id: &str,
    nickname: Option<&str>,
    amount: Option<i64>,
) -> Result<std::result::Result<Placed, Refusal>> {
    let Some(plan) = locked_plan(tx, orderer, id).await? else {
        return Ok(Err(Refusal::NoPlan(id.to_owned())));
    };
    let Some(amount) = amount.filter(|amount| plan.unit_amount != Some(*amount)) else {
        return match nickname {
            None => Ok(Ok(Placed {
                object_id: Some(id.to_owned()),
                operations: Vec::new(),
            })),
            Some(_) => one(tx, env, orderer, update_price(id, nickname, None), id).await,
        };
    };
    let Some(interval) = Interval::ALL
        .into_iter()
        .find(|known| plan.recurring_interval.as_deref() == Some(known.as_str()))
    else {
        return Ok(Err(Refusal::NotRecurring(id.to_owned())));
    };
    let new = NewPlan {
        tier_id: plan.product_id,
        currency: plan.currency,
        amount,
        interval: interval.as_str(),
        interval_count: plan.recurring_interval_count.unwrap_or(1),
        nickname: nickname.map(str::to_owned).or(plan.nickname),
    };
    let made = create(
        tx,
        env,
        orderer,
        create_price(&new),
        None,
        After::Object(id),
    )
    .await?;
    let request = update_price(id, None, Some(false));
    let archived = create(tx, env, orderer, request, None, After::Success(&made)).await?;
    Ok(Ok(Placed {
        object_id: None,
        operations: vec![made, archived],
    }))
}
