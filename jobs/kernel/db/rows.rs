//! One INSERT for many rows: its `VALUES (…)` is written for one row and repeated here.
//!
//! A row alone costs a trip to PostgreSQL, and the trip costs more than the row. The numbers of rows in one statement
//! are few and fixed, so that each text is prepared once for a connection.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use super::{
    Arg, Record, Result, Sql, Tx, TxEngine,
    sql::{postgres_arguments, sqlite_arguments},
};

/// Rows in one statement, the most first. The widest table times the largest stays below SQLite's 32,766 parameters.
const CHUNKS: [usize; 4] = [128, 32, 8, 1];

/// The parameters of one row, in the order of its `$1`, `$2` …
pub type Row<'a> = Vec<Arg<'a>>;

impl Tx {
    /// Inserts many rows by a statement that is written for one; no parameter may follow its `VALUES (…)`. Answers how
    /// many rows were written.
    pub async fn insert(&mut self, sql: Sql, rows: &[Row<'_>]) -> Result<u64> {
        let mut written = 0;
        for (text, args) in self.statements(sql, rows) {
            let done = self.engine.execute_text(text, &args).await;
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
        for (text, args) in self.statements(sql, rows) {
            let found = self.engine.all_text(text, &args).await;
            all.extend(self.note(found)?);
        }
        Ok(all)
    }

    fn statements<'a>(&self, sql: Sql, rows: &[Row<'a>]) -> Vec<(String, Vec<Arg<'a>>)> {
        let one = match self.engine {
            TxEngine::Sqlite(_) => sql.sqlite,
            TxEngine::Postgres(_) => sql.postgres,
        };
        let mut statements = Vec::new();
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let size = CHUNKS
                .into_iter()
                .find(|size| *size <= rest.len())
                .unwrap_or(1);
            let (now, later) = rest.split_at(size);
            let args = now.iter().flatten().cloned().collect();
            statements.push((repeated(one, first.len(), size), args));
            rest = later;
        }
        statements
    }
}

impl TxEngine {
    async fn execute_text(&mut self, text: String, args: &[Arg<'_>]) -> Result<u64> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let bound = sqlite_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_with(AssertSqlSafe(text), bound)
                    .execute(tx.connection().await?)
                    .await?
                    .rows_affected()
            }
            Self::Postgres(tx) => {
                let bound = postgres_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_with(AssertSqlSafe(text), bound)
                    .execute(&mut **tx)
                    .await?
                    .rows_affected()
            }
        })
    }

    async fn all_text<T: Record>(&mut self, text: String, args: &[Arg<'_>]) -> Result<Vec<T>> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let bound = sqlite_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(AssertSqlSafe(text), bound)
                    .fetch_all(tx.connection().await?)
                    .await?
            }
            Self::Postgres(tx) => {
                let bound = postgres_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(AssertSqlSafe(text), bound)
                    .fetch_all(&mut **tx)
                    .await?
            }
        })
    }
}

/// The statement with its row of `width` parameters written `rows` times.
fn repeated(text: &str, width: usize, rows: usize) -> String {
    const BEFORE: &str = "VALUES (";
    let Some(start) = text.find(BEFORE).map(|at| at + BEFORE.len()) else {
        return text.to_owned();
    };
    let end = text[start..].find(')').map_or(text.len(), |at| start + at);
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
}
