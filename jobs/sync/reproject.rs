//! Building the projections anew from the raw objects, without asking Stripe anything.
//!
//! Needed after an upgrade that reads more of the raw objects than was read before, and as proof that the projections
//! hold nothing of their own. First every type's rows are written, page by page in the order of ids, then what members
//! may see is derived: a derivation in between would see half of a member's subscriptions and take away what she has.
//! A page and its checkpoint commit together, so an interrupted run goes on where it was, and a page that is done twice
//! is the same. Webhooks may arrive meanwhile: a page locks its raw objects until its rows are written.
//!
//! Two things are not in the raw objects and stay as they are: which member a customer was linked to and how, and the
//! last state of what Stripe has deleted, of which only the tombstone is known.

use serde_json::Value;

use super::{
    apply::{self, Write},
    store::{
        cursors::{self, Cursor},
        objects::{Scope, Truth},
        rebuild,
    },
};
use crate::kernel::{
    Env, Timestamp,
    db::{Error, Result, Tx},
    limits::BUSY_RETRIES_MAX,
    ports::{ObjectType, Organization},
};

/// Raw objects written by one transaction.
const PAGE_OBJECTS: i64 = 200;

/// Members derived in one transaction.
const PAGE_MEMBERS: i64 = 100;

/// The checkpoint's name in `sync_cursors`.
const STREAM: &str = "reproject";

/// The step after the last type.
const MEMBERS: &str = "members";

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The type that is written, or `members` while their access is derived.
    pub step: &'static str,
    /// Objects and members done, those of interrupted runs included.
    pub done: i64,
    /// Objects and members in all.
    pub of: i64,
}

/// Builds the projections of an organization anew; answers the objects and members it went through.
///
/// # Errors
/// The database's; what was done stays, and the next call goes on from there.
pub async fn reproject(env: &Env, organization: &str, mut tell: impl FnMut(&Progress)) -> Result<i64> {
    let stripe = apply::stripe_of(env, organization);
    let run = Run { env, organization, stripe: &stripe };
    let of = rebuild::count(&env.db, &run.scope()).await?;
    let mut at = run.begin().await?;
    loop {
        let mut attempt = 0;
        let step = loop {
            // A walk or a fetch may want the same rows in another order; the database ends one of the two.
            match run.page(&at).await {
                Err(Error::Busy(_)) if attempt < BUSY_RETRIES_MAX => attempt += 1,
                other => break other?,
            }
        };
        at = step.cursor;
        tell(&Progress { step: step.name, done: at.objects, of });
        if at.state == "done" {
            return Ok(at.objects);
        }
    }
}

struct Run<'a> {
    env: &'a Env,
    organization: &'a str,
    stripe: &'a Organization,
}

struct Step {
    name: &'static str,
    cursor: Cursor,
}

impl Run<'_> {
    fn scope(&self) -> Scope<'_> {
        Scope { organization: self.organization, stripe: self.stripe }
    }

    /// The checkpoint of an interrupted run, or a new one.
    async fn begin(&self) -> Result<Cursor> {
        let known = cursors::get(&self.env.db, self.organization, STREAM).await?;
        if let Some(cursor) = known.filter(|cursor| cursor.state == "running") {
            return Ok(cursor);
        }
        let now = self.env.now();
        Ok(Cursor {
            stream: STREAM.to_owned(),
            cursor: None,
            state: "running".to_owned(),
            objects: 0,
            started_at: now,
            updated_at: now,
        })
    }

    /// Does one page of the step at which the checkpoint stands.
    async fn page(&self, at: &Cursor) -> Result<Step> {
        let (step, after) =
            at.cursor.as_deref().and_then(|place| place.split_once(' ')).unwrap_or(("", ""));
        let kind = if step.is_empty() { ObjectType::ALL.first().copied() } else { ObjectType::parse(step) };
        let mut cursor = at.clone();
        cursor.updated_at = self.env.now();
        let Some(kind) = kind else { return self.derive(cursor, after).await };
        let mut tx = self.env.db.begin().await?;
        let rows = rebuild::page(&mut tx, &self.scope(), kind, after, PAGE_OBJECTS).await?;
        self.write(&mut tx, kind, &rows).await?;
        cursor.objects += i64::try_from(rows.len()).unwrap_or(0);
        cursor.cursor = Some(if let Some(last) = rows.last() {
            format!("{} {}", kind.as_str(), last.id)
        } else {
            rebuild::sweep(&mut tx, &self.scope(), kind).await?;
            let next = ObjectType::ALL.iter().skip_while(|other| **other != kind).nth(1);
            format!("{} ", next.map_or(MEMBERS, |next| next.as_str()))
        });
        cursors::put(&mut tx, self.organization, &cursor).await?;
        tx.commit().await?;
        Ok(Step { name: kind.as_str(), cursor })
    }

    async fn write(&self, tx: &mut Tx, kind: ObjectType, rows: &[rebuild::Raw]) -> Result<()> {
        let values: Vec<Value> =
            rows.iter().map(|row| apply::read(&row.raw).unwrap_or_default()).collect();
        let writes: Vec<Write<'_>> = rows
            .iter()
            .zip(&values)
            .map(|(rebuild::Raw { id, raw, deleted }, value)| {
                let (as_of, until) = (Timestamp::default(), Timestamp::default());
                let truth = Truth { kind, id, raw, as_of, until, deleted: *deleted, api_version: None };
                // As if nothing had been known, so that nothing counts as unchanged.
                Write { truth, value, before: None, afresh: false }
            })
            .collect();
        apply::rewrite(tx, self.env, self.organization, &writes).await
    }

    async fn derive(&self, mut cursor: Cursor, after: &str) -> Result<Step> {
        let members = rebuild::members(&self.env.db, self.organization, after, PAGE_MEMBERS).await?;
        let mut tx = self.env.db.begin().await?;
        let page = members.iter().cloned().collect();
        apply::derive_members(&mut tx, self.env, self.organization, page).await?;
        cursor.objects += i64::try_from(members.len()).unwrap_or(0);
        match members.last() {
            Some(last) => cursor.cursor = Some(format!("{MEMBERS} {last}")),
            None => "done".clone_into(&mut cursor.state),
        }
        cursors::put(&mut tx, self.organization, &cursor).await?;
        tx.commit().await?;
        Ok(Step { name: MEMBERS, cursor })
    }
}
