//! The table `member_churns`: who lost her last paid subscription, and when. It is kept longer than events are.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Result, Row, Sql, Tx},
    },
    members::store::Billing,
};

/// Who churns twice within a millisecond has churned once.
const INSERT: Sql = Sql::both(
    "INSERT INTO member_churns (organization_id, member_id, churned_at) VALUES ($1, $2, $3)
     ON CONFLICT (organization_id, churned_at, member_id) DO NOTHING",
);

/// Notes that members have churned.
pub async fn note_churns(tx: &mut Tx, members: &[&Billing], at: Timestamp) -> Result<()> {
    let row = |member: &&Billing| args![member.organization_id.clone(), member.id.clone(), at].to_vec();
    let rows: Vec<Row<'_>> = members.iter().map(row).collect();
    tx.insert(INSERT, &rows).await?;
    Ok(())
}
