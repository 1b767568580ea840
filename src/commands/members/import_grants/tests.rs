//! Files with lines of every sort.

use std::io::Cursor;

use memberd_jobs::{args, both, kernel::db::Sql};

use super::*;

const TIER: Sql = Sql::both(
    "INSERT INTO tiers (organization_id, id, name, active, is_default, created_at, updated_at)
     VALUES ('default', 'prod_a', 'A', $1, $2, 0, 0)",
);
const MEMBER: Sql = Sql::both(
    "INSERT INTO members (id, organization_id, joined_at, created_at, updated_at)
     VALUES ('mem_1', 'default', 0, 0, 0)",
);

both! {
async fn a_wrong_line_stops_nothing_and_a_second_run_gives_nothing_twice(db: TestDb) {
    db.execute(TIER, args![true, false]).await;
    db.execute(MEMBER, &[]).await;
    let lines: [&[u8]; 8] = [
        br#"{"member":"mem_1","product":"prod_a","external_reference":"a"}"#,
        b"\xff\xfe",
        br#"{"member":"mem_1","product":"a\u0000","external_reference":"nul"}"#,
        b"",
        b"no JSON",
        br#"{"member":"mem_1","product":"prod_a","external_reference":"b","kind":"extension","subscription":"sub_9"}"#,
        br#"{"member":"mem_9","product":"prod_a","external_reference":"nobody"}"#,
        br#"{"member":"mem_1","product":"prod_a","external_reference":"c","kind":"gift","note":"from a friend"}"#,
    ];
    let file = lines.join(&b'\n');
    for (given, known) in [(2, 0), (0, 2)] {
        let mut done = Imported::default();
        let reader = Box::new(Cursor::new(file.clone()));
        give_all(&db.env, "default", reader, &mut done).await.unwrap();
        assert_eq!((done.given, done.known), (given, known), "{done:?}");
        let wrong: Vec<_> = done.wrong.shown.iter().map(|(at, _)| *at).collect();
        assert_eq!(wrong, [2, 3, 5, 6, 7], "{done:?}");
    }
    assert_eq!(db.count("grants").await, 2);
}
}
