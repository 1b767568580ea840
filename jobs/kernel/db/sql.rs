//! Statements and their parameters.

use std::borrow::Cow;

use sqlx::{
    Arguments as _,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::kernel::clock::Timestamp;

/// One statement: one text for both databases, or one text for each where they differ.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// The text of a statement that a database does not need.
pub(super) const NOTHING: &str = "";

impl Sql {
    /// The same text means the same on both databases.
    pub const fn both(text: &'static str) -> Self {
        Self {
            sqlite: text,
            postgres: text,
        }
    }

    /// A step that PostgreSQL has already done in the statement before; there it changes no row.
    pub const fn sqlite_only(text: &'static str) -> Self {
        Self {
            sqlite: text,
            postgres: NOTHING,
        }
    }

    /// The same statement, asking for its plan instead of its rows; PostgreSQL tells what it read, too.
    #[cfg(test)]
    pub(crate) fn explained(self) -> Self {
        let sqlite = format!("EXPLAIN QUERY PLAN {}", self.sqlite);
        let postgres = format!(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {}",
            self.postgres
        );
        Self::split(sqlite.leak(), postgres.leak())
    }

    /// The databases need different texts.
    pub const fn split(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// A bound parameter. A NULL keeps its type, which PostgreSQL needs.
#[derive(Clone, Debug)]
pub enum Arg<'a> {
    /// BIGINT or INTEGER.
    Int(Option<i64>),
    /// BOOLEAN, or INTEGER on SQLite.
    Bool(bool),
    /// TEXT.
    Text(Option<Cow<'a, str>>),
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}
impl From<Option<i64>> for Arg<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}
impl From<Timestamp> for Arg<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Int(Some(value.0))
    }
}
impl From<Option<Timestamp>> for Arg<'_> {
    fn from(value: Option<Timestamp>) -> Self {
        Self::Int(value.map(|time| time.0))
    }
}
impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(value)))
    }
}
impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value.map(Cow::Borrowed))
    }
}
impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Some(Cow::Borrowed(value)))
    }
}
impl<'a> From<&'a Option<String>> for Arg<'a> {
    fn from(value: &'a Option<String>) -> Self {
        Self::Text(value.as_deref().map(Cow::Borrowed))
    }
}
impl From<Option<String>> for Arg<'_> {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(Cow::Owned))
    }
}
impl From<String> for Arg<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(Cow::Owned(value)))
    }
}

/// The parameters of a statement: `args![id, now, None::<i64>]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::kernel::db::Arg::from($value)),*] };
}

/// Reads the rows of many keys: `of_each!("id, name", "members WHERE organization_id = $1", "id", "$2", " ORDER BY id")`, where
/// `$2` is a JSON array of texts. What follows last is PostgreSQL's lock; keys are looked up, and so locked, in their order.
///
/// On PostgreSQL each key is looked up by itself, which `OFFSET 0` leaves as it is. As `= ANY` of a list the planner takes it
/// for a filter wherever a first column of the index alone seems to leave a few rows, which it assumes of every table that
/// has no statistics yet: then each row of an organization is compared with each key. With 5,000 rows and 151 keys that
/// took 16 ms instead of 0.4.
#[macro_export]
macro_rules! of_each {
    ($columns:literal, $from:literal, $key:literal, $list:literal, $order:literal) => {
        $crate::of_each!($columns, $from, $key, $list, $order, "")
    };
    ($columns:literal, $from:literal, $key:literal, $list:literal, $order:literal, $lock:literal) => {
        $crate::kernel::db::Sql::split(
            concat!(
                "SELECT ",
                $columns,
                " FROM ",
                $from,
                " AND ",
                $key,
                " IN (SELECT value FROM json_each(",
                $list,
                "))",
                $order
            ),
            concat!(
                "SELECT found.* FROM ",
                $crate::one_by_one!($columns, $from, $key, $list, $lock),
                $order
            ),
        )
    };
}

/// The condition for PostgreSQL that a row is one of many keys, for what changes or deletes such rows:
/// `is_of_each!("members WHERE organization_id = $1", "id", "$2")`. They are looked up as by [`of_each!`].
///
/// Only for rows that the transaction has locked, or where one that is left out is found again: a row that somebody else
/// changes while the statement waits for it has another `ctid` afterwards, and stays as it is.
#[macro_export]
macro_rules! is_of_each {
    ($from:literal, $key:literal, $list:literal) => {
        concat!(
            "ctid = ANY (ARRAY(SELECT found.ctid FROM ",
            $crate::one_by_one!("ctid", $from, $key, $list, ""),
            "))"
        )
    };
}

/// What [`of_each!`] and [`is_of_each!`] select from on PostgreSQL.
#[macro_export]
macro_rules! one_by_one {
    ($columns:literal, $from:literal, $key:literal, $list:literal, $lock:literal) => {
        concat!(
            "(SELECT DISTINCT jsonb_array_elements_text(",
            $list,
            "::jsonb) COLLATE \"C\" AS key ORDER BY key) AS wanted
             CROSS JOIN LATERAL (SELECT ",
            $columns,
            " FROM ",
            $from,
            " AND ",
            $key,
            " = wanted.key OFFSET 0",
            $lock,
            ") AS found"
        )
    };
}

/// Anything `#[derive(sqlx::FromRow)]` gives us, on both databases.
pub trait Record:
    for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin
{
}
impl<T> Record for T where
    T: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin
{
}

pub(super) fn sqlite_arguments(args: &[Arg<'_>]) -> Result<SqliteArguments, BoxDynError> {
    let mut bound = SqliteArguments::default();
    for arg in args {
        match arg {
            Arg::Int(value) => bound.add(*value)?,
            Arg::Bool(value) => bound.add(*value)?,
            Arg::Text(value) => bound.add(value.as_deref().map(str::to_owned))?,
        }
    }
    Ok(bound)
}

pub(super) fn postgres_arguments(args: &[Arg<'_>]) -> Result<PgArguments, BoxDynError> {
    let mut bound = PgArguments::default();
    for arg in args {
        match arg {
            Arg::Int(value) => bound.add(*value)?,
            Arg::Bool(value) => bound.add(*value)?,
            Arg::Text(value) => bound.add(value.as_deref())?,
        }
    }
    Ok(bound)
}
