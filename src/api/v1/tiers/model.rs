//! A tier as the API shows it.

use memberd_jobs::{entitlements::store::TierRow, kernel::Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A tier: a Stripe product as members see it.
#[derive(Serialize, ToSchema)]
pub(super) struct Tier {
    /// Stripe's product id.
    #[schema(example = "prod_gold")]
    id: String,
    /// Its name.
    #[schema(example = "Gold")]
    name: String,
    /// Its description.
    description: Option<String>,
    /// Whether it is on sale.
    active: bool,
    /// Whether members who pay for no tier are in it.
    is_default: bool,
    /// What it offers.
    #[schema(example = json!(["Early access"]))]
    benefits: Vec<String>,
    /// Most members it may have; null: any number.
    #[schema(minimum = 0)]
    limit: Option<i64>,
    /// Whether it is shown to people.
    visible: bool,
    /// When default or benefits were edited here; from then on Stripe's word about them does not count.
    #[schema(value_type = Option<String>, format = DateTime)]
    edited_at: Option<Timestamp>,
    /// When it became known here.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<TierRow> for Tier {
    fn from(row: TierRow) -> Self {
        Self {
            benefits: serde_json::from_str(&row.benefits).unwrap_or_default(),
            id: row.id,
            name: row.name,
            description: row.description,
            active: row.active,
            is_default: row.is_default,
            limit: row.limit,
            visible: row.visible,
            edited_at: row.edited_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
