//! How much one transaction does. On SQLite everybody else who writes waits for it, on PostgreSQL only who changes scores of
//! the same organization. In tests little, so that much can happen between two of them.

use crate::kernel::Env;

/// A size on SQLite, on PostgreSQL, and in tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(i64, i64, i64);

/// Rows of the inbox that are counted.
pub(super) const COUNTED: Size = Size(1_000, 10_000, 6);
/// Members who are turned to a day.
pub(super) const TURNED: Size = Size(20_000, 100_000, 3);
/// Days with activity that a rebuild adds up.
pub(super) const REBUILT: Size = Size(50_000, 500_000, 20);
/// Members of whose levels is told, or whose old scores are deleted.
pub(super) const SWEPT: Size = Size(5_000, 50_000, 4);

impl Size {
    /// The size for this database.
    pub(super) fn of(self, env: &Env) -> i64 {
        let Self(sqlite, postgres, test) = self;
        match env.db.engine() {
            _ if cfg!(test) => test,
            "postgres" => postgres,
            _ => sqlite,
        }
    }
}
