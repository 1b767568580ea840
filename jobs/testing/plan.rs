//! What a statement reads, by the word of the databases.

use super::{Engine, TestDb};
use crate::kernel::db::{Arg, Sql};

/// The lines of a plan.
async fn plan(db: &TestDb, sql: Sql, args: &[Arg<'_>]) -> Vec<String> {
    match db.engine() {
        Engine::Sqlite => {
            let rows: Vec<(i64, i64, i64, String)> = db.rows(sql.explained(), args).await;
            rows.into_iter().map(|row| row.3).collect()
        }
        Engine::Postgres => {
            let rows: Vec<(String,)> = db.rows(sql.explained(), args).await;
            rows.into_iter().map(|row| row.0).collect()
        }
    }
}

/// Rows that the nodes of PostgreSQL's plan gave or threw away, at least as many as were read.
fn rows_read(plan: &[String]) -> f64 {
    let number = |text: &str| -> f64 {
        let end = text.find(|char: char| !char.is_ascii_digit() && char != '.');
        text[..end.unwrap_or(text.len())].parse().unwrap()
    };
    let after = |line: &str, word: &str| line.split_once(word).map(|(_, rest)| number(rest));
    plan.iter()
        .map(|line| {
            let given = after(line, "actual rows=")
                .map_or(0.0, |rows| rows * after(line, "loops=").unwrap());
            given + after(line, "Rows Removed by Filter: ").unwrap_or(0.0)
        })
        .sum()
}

/// Asserts that a statement reads no more than `most` rows, on SQLite that every table whose name has this part is read by a
/// range of an index or as far as an `allowed` word says.
pub(crate) async fn assert_reads(
    db: &TestDb,
    sql: Sql,
    args: &[Arg<'_>],
    most: f64,
    (table, allowed): (&str, &str),
) {
    let plan = plan(db, sql, args).await;
    if db.engine() == Engine::Postgres {
        let read = rows_read(&plan);
        assert!(plan[0].contains("actual rows="), "{plan:#?}");
        assert!(read <= most, "{read} rows: {plan:#?}");
        return;
    }
    for line in plan.iter().filter(|line| line.contains(table)) {
        let by_range = line.starts_with("SEARCH") && line.contains("INDEX");
        assert!(by_range || line.contains(allowed), "{line} in {plan:#?}");
    }
    assert!(plan.iter().any(|line| line.contains(table)), "{plan:#?}");
}

/// Asserts that a statement reads no more than `most` rows, on SQLite that these indexes are used and no table is read as a
/// whole.
pub(crate) async fn assert_looks_up(
    db: &TestDb,
    sql: Sql,
    args: &[Arg<'_>],
    most: f64,
    indexes: &[&str],
) {
    let plan = plan(db, sql, args).await;
    match db.engine() {
        Engine::Postgres => assert!(rows_read(&plan) <= most, "{plan:#?}"),
        Engine::Sqlite => {
            let walked =
                |line: &String| line.starts_with("SCAN") && !line.contains("VIRTUAL TABLE");
            assert!(!plan.iter().any(walked), "{plan:#?}");
            for index in indexes {
                assert!(
                    plan.iter().any(|line| line.contains(index)),
                    "no {index} in {plan:#?}"
                );
            }
        }
    }
}
