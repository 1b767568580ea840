//! What people write about members.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::details::{Details, Key},
    INSERT_KEY, by_keys,
    read::{self, KeyRow, MemberRow, TagRow},
};
use crate::{
    args,
    kernel::{
        Env, Timestamp,
        db::{Result, Sql, Tx},
    },
};

/// Whose address a living member has is not inserted.
const INSERT: Sql = Sql::both(
    "INSERT INTO members (id, organization_id, email, email_normalized, email_verified, name, phone, meta, archived_at,
        joined_at, profile_edited_at, created_at, updated_at, creator_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11, $12)
     ON CONFLICT (organization_id, email_normalized) WHERE email_normalized IS NOT NULL AND deleted_at IS NULL
     DO NOTHING RETURNING id",
);
const UPDATE: Sql = Sql::both(
    "UPDATE members SET email = $3, email_normalized = $4, email_verified = $5, name = $6, phone = $7, meta = $8,
        creator_id = $12, archived_at = CASE WHEN $9 THEN coalesce(archived_at, $10) END,
        profile_edited_at = CASE WHEN $11 THEN $10 ELSE profile_edited_at END, updated_at = $10
     WHERE organization_id = $1 AND id = $2",
);
const SET_DELETED: Sql = Sql::both(
    "UPDATE members SET deleted_at = $3, updated_at = $4 WHERE organization_id = $1 AND id = $2",
);
const DELETE_KEY: Sql = Sql::both(
    "DELETE FROM member_keys
     WHERE organization_id = $1 AND member_id = $2 AND provider = $3 AND external_id = $4",
);
const INSERT_TAG: Sql = Sql::both(
    "INSERT INTO member_tags (organization_id, member_id, tag) VALUES ($1, $2, $3)
     ON CONFLICT (member_id, tag) DO NOTHING",
);
const DELETE_TAG: Sql = Sql::both(
    "DELETE FROM member_tags WHERE organization_id = $1 AND member_id = $2 AND tag = $3",
);

/// A member that people make.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    /// The id that was chosen for her.
    pub id: String,
    /// What is written.
    pub details: &'a Details,
    /// When she joined.
    pub joined_at: Timestamp,
}

/// Makes members, without their keys and tags. Answers the ids of those that were made: where another living member has
/// the address, nobody is.
pub async fn create(
    tx: &mut Tx,
    organization: &str,
    members: &[Written<'_>],
    now: Timestamp,
) -> Result<BTreeSet<String>> {
    let rows = members.iter().map(|Written { id, details, joined_at }| {
        args![
            id,
            organization,
            &details.email,
            details.normalized_email(),
            details.email_verified,
            &details.name,
            &details.phone,
            meta(details),
            details.archived.then_some(now),
            *joined_at,
            now,
            &details.creator
        ]
        .to_vec()
    });
    let rows: Vec<_> = rows.collect();
    let made: Vec<(String,)> = tx.insert_returning(INSERT, &rows).await?;
    Ok(made.into_iter().map(|row| row.0).collect())
}

fn meta(details: &Details) -> String {
    serde_json::to_string(&details.meta).unwrap_or_default()
}

/// A member and what is written about her, as the transaction sees it. Whoever changes it holds her lock.
pub async fn details_in(
    tx: &mut Tx,
    organization: &str,
    id: &str,
) -> Result<Option<(MemberRow, Details)>> {
    let Some(row): Option<MemberRow> = tx.optional(read::GET, args![organization, id]).await? else {
        return Ok(None);
    };
    let ids = serde_json::Value::from([id].as_slice()).to_string();
    let keys: Vec<KeyRow> = tx.all(read::KEYS_OF, args![organization, &ids]).await?;
    let tags: Vec<TagRow> = tx.all(read::TAGS_OF, args![organization, &ids]).await?;
    let details = read::details(&row, &keys, &tags);
    Ok(Some((row, details)))
}

/// Writes a member's own columns anew.
///
/// # Errors
/// A conflict when another living member has got the address meanwhile.
pub async fn update(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    (before, after): (&Details, &Details),
    now: Timestamp,
) -> Result<()> {
    let profile = (&before.email, &before.name) != (&after.email, &after.name);
    let row = args![
        organization,
        id,
        &after.email,
        after.normalized_email(),
        after.email_verified,
        &after.name,
        &after.phone,
        meta(after),
        after.archived,
        now,
        profile,
        &after.creator
    ];
    tx.execute(UPDATE, row).await?;
    Ok(())
}

/// Brings a member's keys and tags from `before` to `after`. Answers whether all keys were free.
pub async fn set_keys_and_tags(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    (before, after): (&Details, &Details),
) -> Result<bool> {
    for key in before.keys.difference(&after.keys) {
        tx.execute(DELETE_KEY, args![organization, id, &key.provider, &key.external_id]).await?;
    }
    for tag in before.tags.difference(&after.tags) {
        tx.execute(DELETE_TAG, args![organization, id, tag]).await?;
    }
    let keys: Vec<_> = after.keys.difference(&before.keys).map(|key| (key, id)).collect();
    let tags: Vec<_> = after.tags.difference(&before.tags).map(|tag| (tag.as_str(), id)).collect();
    add_tags(tx, organization, &tags).await?;
    Ok(claim_keys(tx, env, organization, &keys).await? == keys.len())
}

/// Gives members tags.
pub async fn add_tags(tx: &mut Tx, organization: &str, tags: &[(&str, &str)]) -> Result<()> {
    let rows: Vec<_> =
        tags.iter().map(|(tag, member)| args![organization, *member, *tag].to_vec()).collect();
    tx.insert(INSERT_TAG, &rows).await?;
    Ok(())
}

/// Gives members foreign keys; answers how many of them were free.
pub async fn claim_keys(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    keys: &[(&Key, &str)],
) -> Result<usize> {
    let now = env.now();
    let rows: Vec<_> = keys
        .iter()
        .map(|(key, member)| {
            args![organization, &key.provider, &key.external_id, *member, now].to_vec()
        })
        .collect();
    let written = tx.insert(INSERT_KEY, &rows).await?;
    Ok(usize::try_from(written).unwrap_or(usize::MAX))
}

/// Who has these keys, also when she is deleted.
pub async fn holders(
    tx: &mut Tx,
    organization: &str,
    keys: impl IntoIterator<Item = &Key>,
) -> Result<BTreeMap<Key, String>> {
    let mut by_provider: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in keys {
        by_provider.entry(&key.provider).or_default().push(&key.external_id);
    }
    let mut holders = BTreeMap::new();
    for (provider, ids) in by_provider {
        for (external_id, member) in by_keys(tx, organization, provider, &ids).await? {
            holders.insert(Key { provider: provider.to_owned(), external_id }, member);
        }
    }
    Ok(holders)
}

/// Marks a member as deleted, or takes the mark away.
///
/// # Errors
/// A conflict when another living member has got the address meanwhile.
pub async fn set_deleted(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    deleted_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    tx.execute(SET_DELETED, args![organization, id, deleted_at, now]).await?;
    Ok(())
}
