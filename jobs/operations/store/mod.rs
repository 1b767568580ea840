//! The table `stripe_operations`, and what is read of the mirror to decide on one.

pub(super) mod catalog;
mod list;
pub(super) mod places;

pub use list::{Filter, list};
use self::list::operation;
use super::model::{State, form_hash};
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

/// An operation as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Row {
    /// `op_…`
    pub id: String,
    /// [`super::Kind`] as its word.
    pub kind: String,
    /// The account it is for; empty when the configuration did not name it.
    pub account: String,
    /// Whether it is for live mode.
    pub livemode: bool,
    /// `POST` or `DELETE`.
    pub method: String,
    /// Path below `/v1`.
    pub path: String,
    /// A JSON list of pairs.
    pub form: String,
    /// The fingerprint of method, path and form.
    pub form_hash: String,
    /// What makes it safe to repeat.
    pub idempotency_key: String,
    /// [`State`] as its word.
    pub state: String,
    /// The type of what it changes or makes.
    pub object_type: String,
    /// The id of that, once it is known.
    pub object_id: Option<String>,
    /// The member it is for.
    pub member_id: Option<String>,
    /// The operation whose end it waits for.
    pub after_id: Option<String>,
    /// Whether that must succeed.
    pub needs_success: bool,
    /// Times it was sent.
    pub sends: i64,
    /// When it was first sent.
    pub first_sent_at: Option<Timestamp>,
    /// When Stripe was last found without its effect.
    pub looked_up_at: Option<Timestamp>,
    /// The status of Stripe's last answer.
    pub http_status: Option<i64>,
    /// Stripe's id of the request that decided it.
    pub request_id: Option<String>,
    /// Stripe's code, when it was refused.
    pub error_code: Option<String>,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// What is kept of Stripe's answer, as JSON.
    pub answer: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// The job that sends it.
    pub job_id: Option<String>,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Row {
    /// Where it is in its life. A word of another version counts as unknown.
    pub fn state(&self) -> State {
        State::parse(&self.state).unwrap_or(State::Unknown)
    }

    /// The form, if the request is the one that was decided.
    pub fn checked_form(&self) -> Option<Vec<(String, String)>> {
        (form_hash(&self.method, &self.path, &self.form) == self.form_hash)
            .then(|| serde_json::from_str(&self.form).ok())?
    }
}

/// A row to insert.
#[derive(Debug)]
pub(super) struct New<'a> {
    pub(super) id: &'a str,
    pub(super) organization: &'a str,
    pub(super) kind: &'a str,
    pub(super) account: &'a str,
    pub(super) livemode: bool,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) form: &'a str,
    pub(super) object_type: &'a str,
    pub(super) object_id: Option<&'a str>,
    pub(super) member: Option<&'a str>,
    pub(super) after: Option<&'a str>,
    pub(super) needs_success: bool,
    pub(super) actor: &'a str,
}

/// How an operation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Whether Stripe has done it.
    pub succeeded: bool,
    /// The status of the answer; `None` when its effect was found without one, or it was not sent.
    pub http_status: Option<i64>,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
    /// Why not: Stripe's code or ours.
    pub error_code: Option<String>,
    /// The same in words.
    pub error: Option<String>,
    /// What is kept of the object, as JSON.
    pub answer: Option<String>,
    /// The object's id.
    pub object_id: Option<String>,
}

/// What the mirror knows of a subscription that is to be changed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Subscription {
    pub(super) status: String,
    pub(super) pause_behavior: Option<String>,
    pub(super) cancel_at: Option<Timestamp>,
    pub(super) cancel_at_period_end: bool,
    pub(super) member_id: Option<String>,
}

const GET: Sql = Sql::both(operation!("stripe_operations AS s WHERE s.organization_id = $1 AND s.id = $2"));
const INSERT: Sql = Sql::both(
    "INSERT INTO stripe_operations (id, organization_id, kind, account, livemode, method, path, form, form_hash,
        idempotency_key, state, object_type, object_id, member_id, after_id, needs_success, actor, created_at,
        updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', $11, $12, $13, $14, $15, $16, $17, $17)",
);
const SET_JOB: Sql = Sql::both("UPDATE stripe_operations SET job_id = $2 WHERE id = $1");
const SET_FORM: Sql = Sql::both(
    "UPDATE stripe_operations SET form = $2, form_hash = $3 WHERE id = $1 AND first_sent_at IS NULL",
);
/// The lock makes whoever ends that operation see who waits for it.
const STATE_OF: Sql = Sql::split(
    "SELECT state FROM stripe_operations WHERE id = $1",
    "SELECT state FROM stripe_operations WHERE id = $1 FOR UPDATE",
);
/// The last in the row of those that work on an object. One whose job was given up is waited for no more.
const LAST_OPEN: Sql = Sql::both(
    "SELECT o.id, o.kind FROM stripe_operations AS o
     WHERE o.organization_id = $1 AND o.object_id = $2 AND o.state IN ('pending', 'sent', 'unknown')
       AND (o.job_id IS NULL OR EXISTS (SELECT 1 FROM jobs AS j WHERE j.id = o.job_id))
       AND NOT EXISTS (SELECT 1 FROM stripe_operations AS f
                       WHERE f.after_id = o.id AND f.object_id = o.object_id)
     ORDER BY o.id DESC LIMIT 1",
);
const SENT: Sql = Sql::both(
    "UPDATE stripe_operations SET state = 'sent', sends = sends + 1, first_sent_at = coalesce(first_sent_at, $2),
        updated_at = $2
     WHERE id = $1 AND state IN ('pending', 'sent', 'unknown')",
);
const UNKNOWN: Sql = Sql::both(
    "UPDATE stripe_operations SET state = 'unknown', error = $2, updated_at = $3
     WHERE id = $1 AND state IN ('pending', 'sent', 'unknown')",
);
const LOOKED_UP: Sql = Sql::both(
    "UPDATE stripe_operations SET looked_up_at = $2, updated_at = $2
     WHERE id = $1 AND state IN ('pending', 'sent', 'unknown')",
);
const END: Sql = Sql::both(
    "UPDATE stripe_operations SET state = $2, http_status = $3, request_id = $4, error_code = $5, error = $6,
        answer = $7, object_id = coalesce(object_id, $8), updated_at = $9, ended_at = $9
     WHERE id = $1 AND state IN ('pending', 'sent', 'unknown')",
);
const WAITING: Sql = Sql::both(
    "SELECT id, kind, needs_success FROM stripe_operations WHERE after_id = $1 AND state = 'pending' ORDER BY id",
);
/// The lock brings those who change one subscription into a row.
const SUBSCRIPTION: Sql = Sql::split(
    "SELECT s.status, s.pause_behavior, s.cancel_at, s.cancel_at_period_end, c.member_id FROM subscriptions AS s
     LEFT JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
     WHERE s.organization_id = $1 AND s.id = $2 AND NOT s.deleted",
    "SELECT s.status, s.pause_behavior, s.cancel_at, s.cancel_at_period_end, c.member_id FROM subscriptions AS s
     LEFT JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
     WHERE s.organization_id = $1 AND s.id = $2 AND NOT s.deleted FOR UPDATE OF s",
);

/// One operation.
pub async fn get(db: &Db, organization: &str, id: &str) -> Result<Option<Row>> {
    db.optional(GET, args![organization, id]).await
}

/// One operation, as this transaction sees it.
pub async fn get_in(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<Row>> {
    tx.optional(GET, args![organization, id]).await
}

pub(super) async fn insert(tx: &mut Tx, new: &New<'_>, now: Timestamp) -> Result<()> {
    let hash = form_hash(new.method, new.path, new.form);
    let key = format!("memberd:{}", new.id);
    let row = args![
        new.id,
        new.organization,
        new.kind,
        new.account,
        new.livemode,
        new.method,
        new.path,
        new.form,
        hash,
        key,
        new.object_type,
        new.object_id,
        new.member,
        new.after,
        new.needs_success,
        new.actor,
        now
    ];
    tx.execute(INSERT, row).await?;
    Ok(())
}

pub(super) async fn set_job(tx: &mut Tx, id: &str, job: &str) -> Result<()> {
    tx.execute(SET_JOB, args![id, job]).await?;
    Ok(())
}

/// The state of the operation that another one is to wait for, locked.
pub(super) async fn state_of(tx: &mut Tx, id: &str) -> Result<Option<State>> {
    let row: Option<(String,)> = tx.optional(STATE_OF, args![id]).await?;
    Ok(row.and_then(|row| State::parse(&row.0)))
}

/// Id and kind of the last in the row of those that work on an object.
pub(super) async fn last_open(
    tx: &mut Tx,
    organization: &str,
    object: &str,
) -> Result<Option<(String, String)>> {
    tx.optional(LAST_OPEN, args![organization, object]).await
}

/// Notes that it is about to be sent; `false`: it has ended meanwhile.
pub(super) async fn note_sent(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(SENT, args![id, now]).await? == 1)
}

pub(super) async fn note_unknown(tx: &mut Tx, id: &str, why: &str, now: Timestamp) -> Result<()> {
    tx.execute(UNKNOWN, args![id, why, now]).await?;
    Ok(())
}

pub(super) async fn note_looked_up(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.execute(LOOKED_UP, args![id, now]).await?;
    Ok(())
}

/// Writes the end; `false`: it has ended before.
pub(super) async fn end(tx: &mut Tx, id: &str, ending: &Ending, now: Timestamp) -> Result<bool> {
    let state = if ending.succeeded {
        State::Succeeded
    } else {
        State::Failed
    };
    let row = args![
        id,
        state.as_str(),
        ending.http_status,
        &ending.request_id,
        &ending.error_code,
        &ending.error,
        &ending.answer,
        &ending.object_id,
        now
    ];
    Ok(tx.execute(END, row).await? == 1)
}

/// An operation that waits for another one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) needs_success: bool,
}

/// Who waits for the operation.
pub(super) async fn waiting_for(tx: &mut Tx, id: &str) -> Result<Vec<Waiting>> {
    tx.all(WAITING, args![id]).await
}

/// Writes the form of an operation that was not sent yet.
pub(super) async fn set_form(tx: &mut Tx, row: &Row, form: &str) -> Result<()> {
    let hash = form_hash(&row.method, &row.path, form);
    tx.execute(SET_FORM, args![&row.id, form, hash]).await?;
    Ok(())
}

/// A subscription of the mirror, locked until the transaction ends.
pub(super) async fn subscription(
    tx: &mut Tx,
    organization: &str,
    id: &str,
) -> Result<Option<Subscription>> {
    tx.optional(SUBSCRIPTION, args![organization, id]).await
}
