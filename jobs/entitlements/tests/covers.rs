//! The condition in SQL and the rule in Rust are one.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::clock::member;
use crate::{
    args, both,
    entitlements::{
        model::{Changes, Source, Spans, Wanted},
        store::apply,
    },
    kernel::{Timestamp, db::Sql},
};

/// Entitlements of one test.
const ROWS: usize = 400;
const HOUR: i64 = 3_600_000;
const COVERED: Sql = Sql::both(concat!(
    "SELECT e.source_id FROM entitlements AS e WHERE ",
    gives_access!("e", "$1"),
    " ORDER BY e.source_id"
));

/// Times near one moment, some of them the same.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![(7..13_i64).prop_map(|hour| hour * HOUR), 9 * HOUR - 2..9 * HOUR + 3]
}

fn spans() -> impl Strategy<Value = (bool, Spans)> {
    let at = || prop::option::of(time().prop_map(Timestamp));
    (any::<bool>(), time(), at(), at(), at()).prop_map(|(grant, from, ended_at, resumes_at, resumed_until)| {
        (grant, Spans { started_at: Timestamp(from), ended_at, resumes_at, resumed_until })
    })
}

both! {
    async fn the_condition_in_sql_says_what_the_rule_says(db: TestDb) {
        let member = member(&db).await;
        let mut runner = TestRunner::deterministic();
        let rows = prop::collection::vec(spans(), ROWS).new_tree(&mut runner).unwrap().current();
        let want = |(number, (grant, spans)): (usize, &(bool, Spans))| Wanted {
            product_id: "prod_a".to_owned(),
            source: if *grant { Source::Gift } else { Source::Subscription },
            source_id: format!("{number:03}"),
            spans: *spans,
            monthly_amount: 0,
            note: None,
        };
        let add: Vec<Wanted> = rows.iter().enumerate().map(want).collect();
        let changes = Changes { add: add.clone(), ..Changes::default() };
        let mut tx = db.db.begin().await.unwrap();
        apply(&mut tx, &db, "default", &[(&member, changes)]).await.unwrap();
        tx.commit().await.unwrap();
        for at in (6..14).map(|hour| hour * HOUR).chain(9 * HOUR - 3..9 * HOUR + 4) {
            let found: Vec<(String,)> = db.rows(COVERED, args![Timestamp(at)]).await;
            let found: Vec<String> = found.into_iter().map(|row| row.0).collect();
            let covered = add.iter().filter(|want| want.spans.cover(want.source, Timestamp(at)));
            assert_eq!(found, covered.map(|want| want.source_id.clone()).collect::<Vec<_>>(), "{at}");
        }
    }
}
