//! What happened, told to the outside: a row in the transaction of the change itself.

use serde_json::Value;

use super::{
    context::Env,
    db::{Result, Sql, Tx},
};
use crate::args;

/// Something that happened to a member or an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its type, such as `audience.member_joined`.
    pub kind: &'static str,
    /// The organization.
    pub organization_id: String,
    /// The member, if it is about one.
    pub member_id: Option<String>,
    /// Ids and figures; never an address or a name.
    pub data: Value,
}

const INSERT: Sql = Sql::both(
    "INSERT INTO events (id, organization_id, type, member_id, data, occurred_at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);

/// Records the event; it exists if and only if `tx` commits.
pub async fn emit(tx: &mut Tx, env: &Env, event: &Event) -> Result<()> {
    emit_many(tx, env, std::slice::from_ref(event)).await
}

/// Records many events at once, in their order.
pub async fn emit_many(tx: &mut Tx, env: &Env, events: &[Event]) -> Result<()> {
    let now = env.now();
    let row = |event: &Event| {
        args![
            env.id("evt"),
            event.organization_id.clone(),
            event.kind,
            event.member_id.clone(),
            event.data.to_string(),
            now
        ]
        .to_vec()
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    tx.insert(INSERT, &rows).await?;
    Ok(())
}
