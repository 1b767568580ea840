//! The table `stripe_accounts`.

use super::super::super::model::Account;
use crate::{
    args,
    kernel::db::{Result, Sql, Tx},
};

const PUT_ACCOUNT: Sql = Sql::both(
    "INSERT INTO stripe_accounts (organization_id, id, type, country, default_currency, charges_enabled,
        payouts_enabled, details_submitted, disabled_reason, currently_due, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE, $11)
     ON CONFLICT (organization_id, id) DO UPDATE SET type = excluded.type, country = excluded.country,
        default_currency = excluded.default_currency, charges_enabled = excluded.charges_enabled,
        payouts_enabled = excluded.payouts_enabled, details_submitted = excluded.details_submitted,
        disabled_reason = excluded.disabled_reason, currently_due = excluded.currently_due, deleted = FALSE,
        created_at = excluded.created_at",
);

/// Writes accounts.
pub async fn put_accounts(tx: &mut Tx, organization: &str, all: &[Account]) -> Result<()> {
    let rows = all.iter().map(|account| {
        let due = serde_json::Value::from(account.currently_due.as_slice()).to_string();
        args![
            organization,
            &account.id,
            &account.kind,
            &account.country,
            &account.default_currency,
            account.charges_enabled,
            account.payouts_enabled,
            account.details_submitted,
            &account.disabled_reason,
            due,
            account.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_ACCOUNT, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}
