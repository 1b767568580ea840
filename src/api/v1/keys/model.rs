//! A key as the API shows it: everything but its secret.

use axum::http::StatusCode;
use memberd_jobs::{
    access::{Key, KeyRow, Scopes},
    kernel::{Timestamp, db::Tx},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Kept, Once, Problem, ScopeWord, Word};

/// A key.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKey {
    /// Its id; the middle of the key's text.
    #[schema(example = "key_4fGh28Xq")]
    id: String,
    /// What it is for.
    #[schema(example = "the website")]
    name: String,
    /// The last four characters of its secret.
    #[schema(example = "x7Qe")]
    last4: String,
    /// What it may do.
    scopes: Vec<ScopeWord>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on it does not work any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// Whether it may call as often as it likes.
    unlimited: bool,
    /// The creator whose members' rows alone it sees and touches.
    #[schema(example = "crt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    creator_id: Option<String>,
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            scopes: Scopes::stored(&row.scopes).iter().map(Word).collect(),
            id: row.id,
            name: row.name,
            last4: row.last4,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            unlimited: row.unlimited,
            creator_id: row.creator_id,
        }
    }
}

/// A new key with its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedKey {
    #[serde(flatten)]
    key: ApiKey,
    /// The whole key. It is shown this once and cannot be had again: null when the answer is repeated. Whoever has lost it
    /// rotates the key.
    #[schema(example = "mbd_live_4fGh28Xq_…")]
    secret: Option<String>,
    /// What speaks against such a key, in words; it works nevertheless.
    warning: Option<String>,
}

impl CreatedKey {
    /// Writes the answer without the secret, for repetitions, and answers the whole one.
    pub(super) async fn settle(
        mut tx: Tx,
        row: KeyRow,
        key: &Key,
        once: &Once,
    ) -> Result<Kept, Problem> {
        let mut created = Self {
            warning: Scopes::stored(&row.scopes).warning(),
            secret: None,
            key: row.into(),
        };
        let kept = Kept::json(StatusCode::CREATED, &created)?;
        once.settle(&mut tx, &kept).await?;
        tx.commit().await?;
        created.secret = Some(key.reveal());
        Kept::json(StatusCode::CREATED, &created)
    }
}
