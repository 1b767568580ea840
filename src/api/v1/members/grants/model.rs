//! A grant as the API shows it.

use memberd_jobs::{
    entitlements::{model::Source, store::GrantRow},
    kernel::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Closed, Word};

/// Which sort of grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Complimentary,
    Gift,
    Extension,
}

pub(super) type KindWord = Word<Kind>;

impl Kind {
    pub(super) const fn source(self) -> Source {
        match self {
            Self::Complimentary => Source::Complimentary,
            Self::Gift => Source::Gift,
            Self::Extension => Source::Extension,
        }
    }
}

impl Closed for Kind {
    const NAME: &'static str = "GrantKind";
    const ABOUT: &'static str = "`complimentary`: free access, also what was bought elsewhere. `gift`: somebody gave \
        it to her. `extension`: prolongs a subscription that is over.";
    const ALL: &'static [Self] = &[Self::Complimentary, Self::Gift, Self::Extension];

    fn word(self) -> &'static str {
        self.source().as_str()
    }
}

/// Access that nobody pays for here.
#[derive(Serialize, ToSchema)]
pub(super) struct Grant {
    /// Its id.
    #[schema(example = "gra_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// The member.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: String,
    /// The product it gives.
    #[schema(example = "prod_gold")]
    product_id: String,
    /// Which sort of grant.
    #[schema(value_type = KindWord)]
    kind: String,
    /// What it is called where it was decided.
    #[schema(example = "order-4711")]
    external_reference: Option<String>,
    /// The subscription that is prolonged.
    subscription_id: Option<String>,
    /// The member who gave it, if it is a gift of one.
    from_member_id: Option<String>,
    /// Why, in words.
    note: Option<String>,
    /// Whether it gives access now.
    active: bool,
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    /// Until when; null: for a lifetime.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Who gave it: a key's id, or `cli`.
    granted_by: String,
    /// When it was given.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was taken back.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// Who took it back.
    revoked_by: Option<String>,
}

impl Grant {
    pub(super) fn of(row: GrantRow, now: Timestamp) -> Self {
        Self {
            active: row.is_active(now),
            id: row.id,
            member_id: row.member_id,
            product_id: row.product_id,
            kind: row.kind,
            external_reference: row.external_reference,
            subscription_id: row.subscription_id,
            from_member_id: row.from_member_id,
            note: row.note,
            starts_at: row.starts_at,
            until: row.ends_at,
            granted_by: row.granted_by,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
            revoked_by: row.revoked_by,
        }
    }
}
