//! One INSERT for many rows: its `VALUES (…)` is written for one row and used for all of them.
//!
//! A row alone costs a trip to PostgreSQL, and the trip costs more than the row. There each parameter becomes an array, so
//! that one text does for any number of rows. On SQLite, which has no arrays, the row is repeated; the numbers of rows in
//! one statement are few and fixed, so that each text is prepared once for a connection.

use std::fmt::Write as _;

use sqlx::{Arguments as _, AssertSqlSafe, error::BoxDynError, postgres::PgArguments};

use super::{
    Arg, Record, Result, Sql, Tx, TxEngine,
    sql::{postgres_arguments, sqlite_arguments},
};

/// Rows in one statement of SQLite, the most first. The widest table times the largest stays below its 32,766 parameters.
const CHUNKS: [usize; 8] = [128, 64, 32, 16, 8, 4, 2, 1];

/// The parameters of one row, in the order of its `$1`, `$2` …
pub type Row<'a> = Vec<Arg<'a>>;

impl Tx {
    /// Inserts many rows by a statement that is written for one; no parameter may follow its `VALUES (…)`. Answers how
    /// many rows were written.
    pub async fn insert(&mut self, sql: Sql, rows: &[Row<'_>]) -> Result<u64> {
        let mut written = 0;
        for part in self.parts(sql, rows) {
            let done = self.engine.execute_part(&part).await;
            written += self.note(done)?;
        }
        Ok(written)
    }

    /// Like [`Tx::insert`], for a statement with RETURNING.
    pub async fn insert_returning<T: Record>(
        &mut self,
        sql: Sql,
        rows: &[Row<'_>],
    ) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(rows.len());
        for part in self.parts(sql, rows) {
            let found = self.engine.all_part(&part).await;
            all.extend(self.note(found)?);
        }
        Ok(all)
    }

    fn parts<'a>(&self, sql: Sql, rows: &'a [Row<'a>]) -> Vec<Part<'a>> {
        let Some(first) = rows.first() else {
            return Vec::new();
        };
        if matches!(self.engine, TxEngine::Postgres(_)) {
            let text = match rows.len() {
                1 => sql.postgres.to_owned(),
                _ => unnested(sql.postgres, first),
            };
            return vec![Part { text, rows }];
        }
        let mut parts = Vec::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let size = CHUNKS
                .into_iter()
                .find(|size| *size <= rest.len())
                .unwrap_or(1);
            let (now, later) = rest.split_at(size);
            let text = repeated(sql.sqlite, first.len(), size);
            parts.push(Part { text, rows: now });
            rest = later;
        }
        parts
    }
}

/// A statement with its rows.
struct Part<'a> {
    text: String,
    rows: &'a [Row<'a>],
}

impl TxEngine {
    async fn execute_part(&mut self, Part { text, rows }: &Part<'_>) -> Result<u64> {
        let text = AssertSqlSafe(text.as_str());
        Ok(match self {
            Self::Sqlite(tx) => {
                let args: Vec<_> = rows.iter().flatten().cloned().collect();
                let bound = sqlite_arguments(&args).map_err(sqlx::Error::Encode)?;
                sqlx::query_with(text, bound)
                    .execute(tx.connection().await?)
                    .await?
                    .rows_affected()
            }
            Self::Postgres(tx) => {
                let bound = arrays(rows).map_err(sqlx::Error::Encode)?;
                sqlx::query_with(text, bound)
                    .execute(&mut **tx)
                    .await?
                    .rows_affected()
            }
        })
    }

    async fn all_part<T: Record>(&mut self, Part { text, rows }: &Part<'_>) -> Result<Vec<T>> {
        let text = AssertSqlSafe(text.as_str());
        Ok(match self {
            Self::Sqlite(tx) => {
                let args: Vec<_> = rows.iter().flatten().cloned().collect();
                let bound = sqlite_arguments(&args).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(text, bound)
                    .fetch_all(tx.connection().await?)
                    .await?
            }
            Self::Postgres(tx) => {
                let bound = arrays(rows).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(text, bound)
                    .fetch_all(&mut **tx)
                    .await?
            }
        })
    }
}

/// The parameters of one row as they are; of several rows each as an array over all of them.
fn arrays(rows: &[Row<'_>]) -> std::result::Result<PgArguments, BoxDynError> {
    if let [row] = rows {
        return postgres_arguments(row);
    }
    let mut bound = PgArguments::default();
    for (at, first) in rows.first().into_iter().flatten().enumerate() {
        match first {
            Arg::Int(_) => bound.add(column(rows, at, |arg| match arg {
                Arg::Int(value) => *value,
                _ => None,
            }))?,
            Arg::Bool(_) => bound.add(column(rows, at, |arg| matches!(arg, Arg::Bool(true))))?,
            Arg::Text(_) => bound.add(column(rows, at, |arg| match arg {
                Arg::Text(value) => value.as_deref(),
                _ => None,
            }))?,
        }
    }
    Ok(bound)
}

fn column<'a, T>(rows: &'a [Row<'a>], at: usize, read: fn(&'a Arg<'a>) -> T) -> Vec<T> {
    rows.iter()
        .filter_map(|row| row.get(at))
        .map(read)
        .collect()
}

/// Where the row of a statement is: between the brackets behind `VALUES`.
fn row_of(text: &str) -> Option<(usize, usize)> {
    const BEFORE: &str = "VALUES (";
    let start = text.find(BEFORE)? + BEFORE.len();
    let mut open = 1;
    let end = text[start..].find(|c: char| {
        open += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        open == 0
    })?;
    Some((start, start + end))
}

/// The statement with its row made of arrays; each parameter has the type of its value in `row`.
fn unnested(text: &str, row: &Row<'_>) -> String {
    let Some((start, end)) = row_of(text) else {
        return text.to_owned();
    };
    let mut all = text[..start].trim_end_matches("VALUES (").to_owned();
    all.push_str("SELECT ");
    let mut pieces = text[start..end].split('$');
    all.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        all.push_str("v.p");
        all.push_str(piece);
    }
    all.push_str(" FROM UNNEST(");
    let mut names = String::new();
    for (at, arg) in row.iter().enumerate() {
        let kind = match arg {
            Arg::Int(_) => "bigint",
            Arg::Bool(_) => "boolean",
            Arg::Text(_) => "text",
        };
        let (number, comma) = (at + 1, if at == 0 { "" } else { ", " });
        // Writing to a text cannot fail.
        let _ = write!(all, "{comma}${number}::{kind}[]");
        let _ = write!(names, "{comma}p{number}");
    }
    let _ = write!(all, ") AS v ({names}){}", &text[end + 1..]);
    all
}

/// The statement with its row of `width` parameters written `rows` times.
fn repeated(text: &str, width: usize, rows: usize) -> String {
    let Some((start, end)) = row_of(text) else {
        return text.to_owned();
    };
    let mut all = text[..start].to_owned();
    for row in 0..rows {
        if row > 0 {
            all.push_str("), (");
        }
        shifted(&mut all, &text[start..end], row * width);
    }
    all.push_str(&text[end..]);
    all
}

/// Writes `row` with `by` added to the number of each parameter.
fn shifted(all: &mut String, row: &str, by: usize) {
    let mut pieces = row.split('$');
    all.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(piece.len());
        let number: usize = piece[..digits].parse().unwrap_or(0);
        // Writing to a text cannot fail.
        let _ = write!(all, "${}{}", number + by, &piece[digits..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    #[test]
    fn a_row_is_repeated_with_parameters_of_its_own() {
        let one = "INSERT INTO t (a, b, c) VALUES ($1, FALSE, $2) ON CONFLICT (a) DO NOTHING";
        assert_eq!(repeated(one, 2, 1), one);
        assert_eq!(
            repeated(one, 2, 3),
            "INSERT INTO t (a, b, c) VALUES ($1, FALSE, $2), ($3, FALSE, $4), ($5, FALSE, $6) \
             ON CONFLICT (a) DO NOTHING"
        );
        assert_eq!(
            repeated("VALUES ($1, $1)", 1, 2),
            "VALUES ($1, $1), ($2, $2)"
        );
    }

    #[test]
    fn a_row_of_arrays_has_the_same_expressions() {
        let one = "INSERT INTO t (a, b, c) VALUES ($1, FALSE, coalesce($2, (SELECT max(x) FROM u WHERE y = $1))) \
                   ON CONFLICT (a) DO NOTHING";
        let row = args!["a", None::<i64>].to_vec();
        assert_eq!(
            unnested(one, &row),
            "INSERT INTO t (a, b, c) SELECT v.p1, FALSE, coalesce(v.p2, (SELECT max(x) FROM u WHERE y = v.p1)) \
             FROM UNNEST($1::text[], $2::bigint[]) AS v (p1, p2) ON CONFLICT (a) DO NOTHING"
        );
        assert_eq!(
            repeated(one, 2, 2),
            "INSERT INTO t (a, b, c) VALUES ($1, FALSE, coalesce($2, (SELECT max(x) FROM u WHERE y = $1))), \
             ($3, FALSE, coalesce($4, (SELECT max(x) FROM u WHERE y = $3))) ON CONFLICT (a) DO NOTHING"
        );
    }
}
