//! A member as the API shows her.

use std::collections::{BTreeMap, BTreeSet};

use memberd_jobs::{
    entitlements::store::{self as entitlements, EntitlementRow},
    kernel::Timestamp,
    members::store::{self as members, KeyRow, MemberRow},
    sync::store::read as mirror,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::purchases::Purchase,
    include::{Include, Includes},
};
use crate::api::{Answer, ApiState, BillingWord, Caller, Code, Problem};

/// A member.
#[derive(Serialize, ToSchema)]
pub(super) struct Member {
    /// Her id.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// Her address as given.
    #[schema(example = "jane@example.com")]
    email: Option<String>,
    /// Whether she proved that it is hers.
    email_verified: bool,
    /// Her display name.
    #[schema(example = "Jane Smith")]
    name: Option<String>,
    /// Where she stands with her payments.
    #[schema(value_type = BillingWord)]
    status: String,
    /// Her tier: the one she pays for, else the organization's default tier.
    #[schema(example = "prod_gold")]
    tier_id: Option<String>,
    /// How other systems call her.
    foreign_keys: Vec<ForeignKey>,
    /// Free keys and values.
    #[schema(value_type = Object)]
    meta: Value,
    /// What she may use now; present with `include=entitlements`.
    #[serde(skip_serializing_if = "Option::is_none")]
    entitlements: Option<Vec<Entitlement>>,
    /// What she bought, newest first, at most the latest 100; present with `include=purchases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    purchases: Option<Vec<Purchase>>,
    /// When she joined.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    joined_at: Timestamp,
    /// When she became known here.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    created_at: Timestamp,
    /// When her row last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    updated_at: Timestamp,
    /// Since when she is archived.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// Since when she is deleted.
    #[schema(value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
}

/// How another system calls a member.
#[derive(Serialize, ToSchema)]
struct ForeignKey {
    /// The other system.
    #[schema(example = "stripe")]
    key: String,
    /// Her id there.
    #[schema(example = "cus_123")]
    value: String,
}

/// What a member may use, and until when.
#[derive(Serialize, ToSchema)]
pub(super) struct Entitlement {
    /// Its id.
    id: String,
    /// Stripe's product.
    #[schema(example = "prod_gold")]
    product_id: String,
    /// The product's name, once it is known.
    #[schema(example = "Gold")]
    product_name: Option<String>,
    /// What gave it: `subscription`, or a grant: `complimentary`, `gift` or `extension`.
    #[schema(example = "subscription")]
    source_kind: String,
    /// The id of the subscription or the grant.
    #[schema(example = "sub_123")]
    source_id: String,
    /// Whether it gives access now.
    active: bool,
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// Until when; null is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// From when again, after a pause of collection.
    #[schema(value_type = Option<String>, format = DateTime)]
    resumes_at: Option<Timestamp>,
    /// Why it ends: `trial`, `period`, `cancels`, `past_due`, `unpaid`, `paused`, `collection_paused`, `canceled` or
    /// `revoked`; or why it never began: `incomplete`, `incomplete_expired` or `unknown_status`.
    note: Option<String>,
    /// When it was first derived.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl Entitlement {
    pub(super) fn of(row: EntitlementRow, now: Timestamp) -> Self {
        Self {
            active: row.is_active(now),
            id: row.id,
            product_id: row.product_id,
            product_name: row.product_name,
            source_kind: row.source_kind,
            source_id: row.source_id,
            started_at: row.started_at,
            ended_at: row.ended_at,
            resumes_at: row.resumes_at,
            note: row.note,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What is shown of each member besides her row.
pub(super) struct Around {
    keys: BTreeMap<String, Vec<ForeignKey>>,
    entitlements: Option<BTreeMap<String, Vec<Entitlement>>>,
    purchases: Option<BTreeMap<String, Vec<Purchase>>>,
    default_tier: Option<String>,
}

impl Around {
    /// Reads it for several members at once.
    pub(super) async fn of(
        state: &ApiState,
        caller: &Caller,
        rows: &[MemberRow],
        include: &Includes,
    ) -> Answer<Self> {
        let (db, organization) = (&state.env.db, &caller.organization);
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in members::keys_of(db, organization, &ids).await? {
            let KeyRow {
                member_id,
                provider: key,
                external_id: value,
            } = row;
            keys.entry(member_id)
                .or_default()
                .push(ForeignKey { key, value });
        }
        let mut entitlements = None;
        if include.has(Include::Entitlements) {
            let now = state.env.now();
            let mut by_member: BTreeMap<_, Vec<_>> = BTreeMap::new();
            let all = entitlements::of_members(db, organization, &ids).await?;
            let gone: BTreeSet<&str> = rows
                .iter()
                .filter(|row| row.deleted_at.is_some())
                .map(|row| row.id.as_str())
                .collect();
            let active =
                |row: &EntitlementRow| row.is_active(now) && !gone.contains(row.member_id.as_str());
            for row in all.into_iter().filter(active) {
                let member = row.member_id.clone();
                let shown = Entitlement::of(row, now);
                by_member.entry(member).or_default().push(shown);
            }
            entitlements = Some(by_member);
        }
        let mut purchases = None;
        if include.has(Include::Purchases) {
            let mut by_member: BTreeMap<_, Vec<Purchase>> = BTreeMap::new();
            for row in mirror::purchases_of(db, organization, state.env.now(), &ids).await? {
                let member = row.member_id.clone().unwrap_or_default();
                by_member.entry(member).or_default().push(row.into());
            }
            purchases = Some(by_member);
        }
        Ok(Self {
            keys,
            entitlements,
            purchases,
            default_tier: entitlements::default_tier(db, organization).await?,
        })
    }

    /// The member with all that is shown of her.
    pub(super) fn show(&mut self, row: MemberRow) -> Member {
        let entitlements = self
            .entitlements
            .as_mut()
            .map(|all| all.remove(&row.id).unwrap_or_default());
        let purchases = self
            .purchases
            .as_mut()
            .map(|all| all.remove(&row.id).unwrap_or_default());
        Member {
            foreign_keys: self.keys.remove(&row.id).unwrap_or_default(),
            entitlements,
            purchases,
            tier_id: row.tier_id.or_else(|| self.default_tier.clone()),
            meta: serde_json::from_str(&row.meta).unwrap_or_default(),
            id: row.id,
            email: row.email,
            email_verified: row.email_verified,
            name: row.name,
            status: row.status,
            joined_at: row.joined_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            archived_at: row.archived_at,
            deleted_at: row.deleted_at,
        }
    }
}

/// The member that a path names by her id or by `ext:<provider>:<id>`.
pub(super) async fn found(state: &ApiState, caller: &Caller, word: &str) -> Answer<MemberRow> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let row = match members::resolve(db, organization, word).await? {
        Some(id) => members::get(db, organization, &id).await?,
        None => None,
    };
    row.ok_or_else(|| Problem::new(Code::MemberNotFound, format!("there is no member {word}")))
}
