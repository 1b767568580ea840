//! What is read of the mirror to decide about plans.

use crate::{
    args,
    kernel::db::{Result, Sql, Tx},
};

/// A plan as the mirror has it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(in crate::operations) struct Plan {
    pub(in crate::operations) id: String,
    pub(in crate::operations) product_id: String,
    pub(in crate::operations) nickname: Option<String>,
    pub(in crate::operations) currency: String,
    pub(in crate::operations) unit_amount: Option<i64>,
    pub(in crate::operations) recurring_interval: Option<String>,
    pub(in crate::operations) recurring_interval_count: Option<i64>,
    pub(in crate::operations) active: bool,
}

macro_rules! plan {
    ($rest:literal) => {
        concat!(
            "SELECT id, product_id, nickname, currency, unit_amount, recurring_interval, recurring_interval_count, active
             FROM prices WHERE organization_id = $1 AND NOT deleted AND ",
            $rest
        )
    };
}

const PLAN: Sql = Sql::both(plan!("id = $2"));
const OF_TIER: Sql = Sql::both(plan!(
    "product_id = $2 AND active AND recurring_interval = $3 AND recurring_interval_count = 1
     ORDER BY created_at DESC, id DESC"
));

/// A plan.
pub(in crate::operations) async fn plan(
    tx: &mut Tx,
    organization: &str,
    id: &str,
) -> Result<Option<Plan>> {
    tx.optional(PLAN, args![organization, id]).await
}

/// The plans on sale by which a tier is paid each interval, newest first.
pub(in crate::operations) async fn tier_prices(
    tx: &mut Tx,
    organization: &str,
    tier: &str,
    interval: &str,
) -> Result<Vec<Plan>> {
    tx.all(OF_TIER, args![organization, tier, interval]).await
}
