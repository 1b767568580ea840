//! Files of every sort.

use std::{io::Cursor, sync::Arc};

use memberd_jobs::{args, both, kernel::db::Sql, testing::TestDb};

use super::*;

fn args(file: &str) -> Args {
    Args {
        file: file.to_owned(),
        format: None,
        provider: Some("old".to_owned()),
        update: false,
        dry_run: false,
        report: None,
    }
}

async fn import(db: &TestDb, args: &Args, text: &[u8]) -> Imported {
    let source = Source {
        reader: Box::new(Cursor::new(text.to_vec())),
        size: Some(1),
        read: Arc::default(),
    };
    let mut done = Imported::default();
    import_all(&db.env, "default", args, source, &mut done)
        .await
        .unwrap();
    done
}

/// Made, changed, known, and the lines that were wrong.
fn counts(done: &Imported) -> (u64, u64, u64, Vec<usize>) {
    let wrong = done.wrong.shown.iter().map(|(line, _)| *line);
    (done.made, done.changed, done.known, wrong.collect())
}

/// Address, name, telephone number and `meta` of everybody.
async fn people(db: &TestDb) -> Vec<(String, Option<String>, Option<String>, String)> {
    let sql = Sql::both("SELECT email, name, phone, meta FROM members ORDER BY email");
    db.rows(sql, args![]).await
}

both! {
/// Seed rows 157 to 159, 161, 164.
async fn a_wrong_line_refuses_nobody_else_and_a_second_run_makes_nobody_twice(db: TestDb) {
    let lines: [&[u8]; 8] = [
        br#"{"data":[{"id":"cust_1","type":"customer","firstname":"Jane","lastname":"Smith","email":"jane@example.com","mobile":"07700900123","archived":false}]}"#,
        b"\xff\xfe",
        b"",
        br#"{"error":false,"data":{"id":"cust_2","email":"joan@example.com","token":"s3cret","meta":{"price":9.990}}}"#,
        br#"{"id":"cust_3","email":"nobody"}"#,
        br#"{"id":"cust_4","email":"JANE@example.com"}"#,
        br#"{"id":"cust_1","email":"joan@example.com"}"#,
        b"no JSON",
    ];
    let file = lines.join(&b'\n');
    let dry = Args { dry_run: true, ..args("x.jsonl") };
    let done = import(&db, &dry, &file).await;
    assert_eq!((counts(&done).0, db.count("members").await), (2, 0));
    for expected in [(2, 0, 0), (0, 0, 2)] {
        let done = import(&db, &args("x.jsonl"), &file).await;
        let (made, changed, known, wrong) = counts(&done);
        assert_eq!((made, changed, known), expected, "{done:?}");
        // Line 6 is another id for an address that is there; line 7 names two members at once.
        assert_eq!(wrong, [2, 5, 6, 7, 8], "{done:?}");
        assert!(!format!("{:?}", done.wrong).contains("nobody"), "{:?}", done.wrong);
        assert_eq!(done.left_out["token"], 1);
    }
    let told: Vec<_> = people(&db).await;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(told[0], ("jane@example.com".to_owned(), text("Jane Smith"), text("07700900123"), "{}".to_owned()));
    assert_eq!(told[1].3, r#"{"price":"9.990"}"#);
    assert_eq!((told.len(), db.count("member_keys").await), (2, 2));
    assert_eq!(db.count("events WHERE type = 'audience.member_joined'").await, 2);
}

async fn a_table_is_read_with_its_quotes_and_told_by_its_lines(db: TestDb) {
    let table = "id,email,name,tags,meta.plan,archived\n\
        1,a@example.com,\"Ann, the\nfirst\",vip;press,gold,yes\n\
        2,b@example.com\n\
        3,c@example.com,Cy,,,maybe\n\
        4,d@example.com,Di,,,\n";
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut done = Imported { report: Some(BufWriter::new(report.reopen().unwrap())), ..Imported::default() };
    let source = Source { reader: Box::new(Cursor::new(table)), size: None, read: Arc::default() };
    import_all(&db.env, "default", &args("people.CSV"), source, &mut done).await.unwrap();
    done.report.take().unwrap().flush().unwrap();
    assert_eq!(counts(&done), (2, 0, 0, vec![4, 5]));
    let rows = std::fs::read_to_string(report.path()).unwrap();
    let fields: Vec<String> = rows.lines()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap()["field"].to_string()).collect();
    assert_eq!(fields, ["\"line\"", "\"archived\""], "{rows}");
    assert!(!rows.contains("example.com"), "{rows}");
    let names: Vec<_> = people(&db).await.into_iter().map(|one| one.1.unwrap()).collect();
    assert_eq!(names, ["Ann, the\nfirst", "Di"]);
    assert_eq!((db.count("member_tags").await, db.count("members WHERE archived_at IS NOT NULL").await), (2, 1));
}

async fn members_who_are_there_are_brought_up_only_when_asked(db: TestDb) {
    import(&db, &args("-"), br#"{"id":"1","email":"a@example.com","name":"Ann","tags":["vip"]}"#).await;
    let newer: &[u8] = br#"{"foreign_keys":{"crm":7},"email":"a@example.com","name":"Anna","meta":{"plan":"gold"}}"#;
    let done = import(&db, &args("-"), newer).await;
    assert_eq!(counts(&done), (0, 0, 1, vec![]));
    let update = Args { update: true, ..args("-") };
    for expected in [(0, 1, 0, vec![]), (0, 0, 1, vec![])] {
        assert_eq!(counts(&import(&db, &update, newer).await), expected);
    }
    assert_eq!(people(&db).await[0].1.as_deref(), Some("Anna"));
    // What the file does not name stays.
    assert_eq!((db.count("member_tags").await, db.count("member_keys").await), (1, 2));
}
}

#[test]
fn an_option_or_the_name_tells_what_a_file_is() {
    let of = |file, option| {
        format(&Args {
            format: option,
            ..args(file)
        })
    };
    assert_eq!(of("a.csv", None), Format::Csv);
    assert_eq!(of("a.csv", Some(Format::Jsonl)), Format::Jsonl);
    assert_eq!(of("-", None), Format::Jsonl);
}
