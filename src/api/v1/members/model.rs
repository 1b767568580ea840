//! A member as the API shows her.

use std::collections::BTreeMap;

use memberd_jobs::{
    engagement::score::{self, Brief},
    entitlements::store::{self as entitlements, EntitlementRow},
    kernel::{Timestamp, db::Tx},
    members::{
        Details,
        store::{self as members, KeyRow, MemberRow, TagRow},
    },
    sync::store::read as mirror,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::purchases::Purchase,
    engagement::Engagement,
    include::{Include, Includes},
};
use crate::api::{Answer, ApiState, BillingWord, Caller, Closed, Code, Problem, Word};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Member,
}

type KindWord = Word<Kind>;

impl Closed for Kind {
    const NAME: &'static str = "MemberType";
    const ABOUT: &'static str = "What the object is.";
    const ALL: &'static [Self] = &[Self::Member];

    fn word(self) -> &'static str {
        "member"
    }
}

/// A member.
#[derive(Serialize, ToSchema)]
pub(super) struct Member {
    /// Her id.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// What the object is.
    #[serde(rename = "type")]
    kind: KindWord,
    /// Another one whenever anything is that people may write; `If-Match` takes it, in quotes. What is worked out for her,
    /// such as `status`, does not count.
    #[schema(example = "3b1f09aa6a6f625f30313b1f09aa6a6f")]
    pub(super) version: String,
    /// Her address as given.
    #[schema(example = "jane@example.com")]
    email: Option<String>,
    /// Whether she proved that it is hers.
    email_verified: bool,
    /// Her display name.
    #[schema(example = "Jane Smith")]
    name: Option<String>,
    /// Her telephone number.
    #[schema(example = "+44 7700 900123")]
    phone: Option<String>,
    /// Words by which people find her, in order.
    #[schema(example = json!(["press", "vip"]))]
    tags: Vec<String>,
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
    /// Where she stands; present with `include=engagement`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) engagement: Option<Engagement>,
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
    /// The creator whose member she is.
    #[schema(example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    creator_id: Option<String>,
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
    keys: BTreeMap<String, Vec<KeyRow>>,
    tags: BTreeMap<String, Vec<TagRow>>,
    entitlements: Option<BTreeMap<String, Vec<Entitlement>>>,
    purchases: Option<BTreeMap<String, Vec<Purchase>>>,
    engagement: Option<BTreeMap<String, Brief>>,
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
        let now = state.env.now();
        let with_entitlements = include.has(Include::Entitlements);
        let all = entitlements::around(db, organization, &ids, with_entitlements).await?;
        let default_tier = match all.first() {
            Some(first) => first.default_tier.clone(),
            None => entitlements::default_tier(db, organization).await?,
        };
        let mut around = Self {
            keys: BTreeMap::new(),
            tags: BTreeMap::new(),
            entitlements: with_entitlements.then(BTreeMap::new),
            purchases: None,
            engagement: None,
            default_tier,
        };
        for (row, of) in rows.iter().zip(all) {
            let active = of.entitlements.into_iter();
            let active = active.filter(|one| row.deleted_at.is_none() && one.is_active(now));
            let active: Vec<_> = active.map(|one| Entitlement::of(one, now)).collect();
            if let Some(all) = &mut around.entitlements {
                all.insert(row.id.clone(), active);
            }
            around.keys.insert(row.id.clone(), of.keys);
            around.tags.insert(row.id.clone(), of.tags);
        }
        if include.has(Include::Purchases) {
            let mut by_member: BTreeMap<_, Vec<Purchase>> = BTreeMap::new();
            for row in mirror::purchases_of(db, organization, now, &ids).await? {
                let member = row.member_id.clone().unwrap_or_default();
                by_member.entry(member).or_default().push(row.into());
            }
            around.purchases = Some(by_member);
        }
        if include.has(Include::Engagement) {
            around.engagement = Some(score::briefs(&state.env, organization, &ids).await?);
        }
        Ok(around)
    }

    /// Reads it for a living member who is being written, or for one who is being made. Her keys and tags are those of
    /// the transaction that writes her.
    pub(super) async fn of_written(
        state: &ApiState,
        caller: &Caller,
        row: Option<&MemberRow>,
    ) -> Answer<Self> {
        let living = row.map(|row| MemberRow {
            deleted_at: None,
            ..row.clone()
        });
        let rows = living.as_slice();
        let include = Includes::default().and(Include::Entitlements);
        Self::of(state, caller, rows, &include).await
    }

    /// The member with all that is shown of her.
    pub(super) fn show(&mut self, row: MemberRow) -> Member {
        let keys = self.keys.remove(&row.id).unwrap_or_default();
        let tags = self.tags.remove(&row.id).unwrap_or_default();
        let details = members::details(&row, &keys, &tags);
        self.show_written(row, details)
    }

    /// The same with details that are known.
    pub(super) fn show_written(&mut self, row: MemberRow, details: Details) -> Member {
        let entitlements = self
            .entitlements
            .as_mut()
            .map(|all| all.remove(&row.id).unwrap_or_default());
        let purchases = self
            .purchases
            .as_mut()
            .map(|all| all.remove(&row.id).unwrap_or_default());
        let engagement = self.engagement.as_ref();
        let engagement =
            engagement.map(|all| Engagement::of(all.get(&row.id).copied().unwrap_or_default()));
        let foreign_keys = details.keys.iter().map(|key| ForeignKey {
            key: key.provider.clone(),
            value: key.external_id.clone(),
        });
        Member {
            kind: Word(Kind::Member),
            version: details.version(),
            foreign_keys: foreign_keys.collect(),
            entitlements,
            purchases,
            engagement,
            tier_id: row.tier_id.or_else(|| self.default_tier.clone()),
            meta: details.meta.into_iter().collect(),
            tags: details.tags.into_iter().collect(),
            id: row.id,
            email: details.email,
            email_verified: details.email_verified,
            name: details.name,
            phone: details.phone,
            status: row.status,
            joined_at: row.joined_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            archived_at: row.archived_at,
            deleted_at: row.deleted_at,
            creator_id: details.creator,
        }
    }
}

/// The member that a path names by her id or by `ext:<provider>:<id>`. One of another creator is not there.
pub(super) async fn found(state: &ApiState, caller: &Caller, word: &str) -> Answer<MemberRow> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let row = match members::resolve(db, organization, word).await? {
        Some(id) => members::get(db, organization, &id).await?,
        None => None,
    };
    let row = row.filter(|row| caller.sees(row.creator_id.as_deref()));
    row.ok_or_else(|| nobody(word))
}

/// There is no member of this name. Another system's id is not repeated: it may be her name or her telephone number.
pub(super) fn nobody(word: &str) -> Problem {
    let detail = match word.strip_prefix("ext:") {
        Some(_) => "there is no member with this foreign key".to_owned(),
        None => format!("there is no member {word}"),
    };
    Problem::new(Code::MemberNotFound, detail)
}

/// Whether a member is the caller's to write. A narrowed caller locks her, since she may have been moved after she was found.
pub(in crate::api) async fn is_still_hers(
    tx: &mut Tx,
    caller: &Caller,
    member: &str,
) -> Answer<bool> {
    if caller.creator.is_none() {
        return Ok(true);
    }
    members::lock(tx, &caller.organization, member).await?;
    let now = members::details_in(tx, &caller.organization, member).await?;
    Ok(now.is_some_and(|(row, _)| caller.sees(row.creator_id.as_deref())))
}

/// Whether what is about this member, or about nobody, is the caller's to see.
pub(in crate::api::v1) async fn is_hers(
    state: &ApiState,
    caller: &Caller,
    member: Option<&str>,
) -> Answer<bool> {
    if caller.creator.is_none() {
        return Ok(true);
    }
    let Some(member) = member else {
        return Ok(false);
    };
    let row = members::get(&state.env.db, &caller.organization, member).await?;
    Ok(row.is_some_and(|row| caller.sees(row.creator_id.as_deref())))
}
