//! What people see of the mirror as a whole.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
};

const OBJECTS: Sql = Sql::both(
    "SELECT type, count(*), min(as_of) FROM stripe_objects
     WHERE organization_id = $1 AND NOT deleted GROUP BY type ORDER BY type",
);
const EVENTS: Sql = Sql::both(
    "SELECT state, count(*), max(received_at) FROM stripe_events
     WHERE organization_id = $1 GROUP BY state ORDER BY state",
);

/// Living objects by type: their number, and the oldest time at which one of them was known to be true.
pub async fn objects(db: &Db, organization: &str) -> Result<Vec<(String, i64, Timestamp)>> {
    db.all(OBJECTS, args![organization]).await
}

/// Events by state: their number, and when the last of them was received.
pub async fn events(db: &Db, organization: &str) -> Result<Vec<(String, i64, Timestamp)>> {
    db.all(EVENTS, args![organization]).await
}
