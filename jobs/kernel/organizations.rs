//! The tenants' rows. The configuration names them; the rows are what other tables refer to.

use super::{
    context::Env,
    db::{Result, Sql},
};
use crate::args;

const ENSURE: Sql = Sql::both(
    "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name",
);

/// Makes sure that each organization of the settings has its row, under its present name.
pub async fn ensure(env: &Env) -> Result<()> {
    let mut tx = env.db.begin().await?;
    for (id, organization) in &env.settings.organizations {
        tx.execute(ENSURE, args![id, &organization.name, env.now()])
            .await?;
    }
    tx.commit().await
}
