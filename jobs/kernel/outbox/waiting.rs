//! Which jobs wait already.

use std::collections::BTreeSet;

use super::NewJob;
use crate::{
    args,
    kernel::db::{Db, Result, Sql},
};

/// Those of the keys in the JSON array `$1` for which a job waits.
pub(in crate::kernel) const WAITING: Sql = Sql::split(
    "SELECT waiting_key FROM jobs WHERE waiting_key IS NOT NULL
       AND waiting_key IN (SELECT value FROM json_each($1))",
    "SELECT waiting_key FROM jobs WHERE waiting_key IS NOT NULL
       AND waiting_key = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))",
);

/// For each of the jobs whether it would fold into one that waits; `false` for those whose kind never folds so.
pub async fn waiting(db: &Db, jobs: &[NewJob]) -> Result<Vec<bool>> {
    let keys: Vec<&str> = jobs
        .iter()
        .filter_map(|job| job.unique_key.as_deref())
        .collect();
    if keys.is_empty() {
        return Ok(vec![false; jobs.len()]);
    }
    let keys = serde_json::Value::from(keys).to_string();
    let rows: Vec<(String,)> = db.all(WAITING, args![keys]).await?;
    let found: BTreeSet<String> = rows.into_iter().map(|row| row.0).collect();
    let waits = |job: &NewJob| {
        job.unique_key
            .as_ref()
            .is_some_and(|key| found.contains(key))
    };
    Ok(jobs.iter().map(waits).collect())
}
