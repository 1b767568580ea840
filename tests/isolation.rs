//! Every SQL text that reads or changes rows of organizations says of which.

use std::collections::BTreeSet;

use memberd_jobs::{kernel::db::Sql, testing::TestDb};

use crate::tidy::sources;

/// What begins a statement's text in the code.
const CALLS: [&str; 4] = [
    "Sql::both(",
    "Sql::split(",
    "Sql::sqlite_only(",
    "of_each!(",
];

/// Statements that are of no organization, or of all: a folder, a file, or a statement in a file; and why.
const OF_ALL: &[(&str, &str)] = &[
    (
        "jobs/kernel/queue/",
        "a node runs the jobs of all organizations; what people ask for is narrowed by the filter",
    ),
    (
        "jobs/kernel/outbox/",
        "a job is found by its key, which begins with the organization",
    ),
    (
        "jobs/kernel/idempotency.rs PRUNE",
        "forgets what is old, of everybody",
    ),
    (
        "jobs/access/store.rs FIND",
        "a key tells whose it is; nobody knows before",
    ),
    (
        "jobs/access/store.rs USED",
        "keys that have worked, for the whole process",
    ),
    (
        "jobs/access/store.rs TOUCH",
        "by the id of a key that was just checked",
    ),
    (
        "jobs/sync/store/events.rs PRUNE",
        "forgets what is old, of everybody",
    ),
    (
        "jobs/sync/store/runs.rs EXCUSE",
        "by the id of a run that the job itself began",
    ),
    (
        "jobs/sync/store/runs.rs FINISH",
        "by the id of a run that the job itself began",
    ),
    (
        "jobs/members/store/billing.rs LOCK_DUE",
        "the clock is the same for all organizations",
    ),
    (
        "jobs/members/store/billing.rs LOCK_AHEAD",
        "the clock is the same for all organizations",
    ),
    (
        "jobs/members/store/billing.rs HORIZON",
        "the clock is the same for all organizations",
    ),
    (
        "jobs/members/store/mod.rs WHEREABOUTS",
        "asks whether an id is another organization's, and tells no more",
    ),
    (
        "jobs/kernel/events.rs INSERT",
        "numbers the events of one member by her id; the endpoints are those of the event's organization",
    ),
    (
        "jobs/webhooks_out/store/deliveries.rs DUE",
        "by the id of an endpoint that the job itself delivers to",
    ),
    (
        "jobs/webhooks_out/store/deliveries.rs NEXT",
        "by the id of an endpoint that the job itself delivers to",
    ),
    (
        "jobs/webhooks_out/store/deliveries.rs RECORD",
        "by the ids of deliveries that the job itself made",
    ),
    (
        "jobs/webhooks_out/store/deliveries.rs OLD",
        "forgets what is old, of everybody",
    ),
    (
        "jobs/webhooks_out/store/deliveries.rs PRUNE",
        "forgets what is old, of everybody",
    ),
    (
        "jobs/webhooks_out/store/events.rs NEXT",
        "forgets what is old, of everybody",
    ),
    (
        "jobs/webhooks_out/store/events.rs OLD",
        "forgets what is old, of everybody",
    ),
    (
        "jobs/webhooks_out/store/events.rs PRUNE",
        "forgets what is old, of everybody",
    ),
    (
        "jobs/webhooks_out/store/events.rs TELL_DISCARDED",
        "jobs of all organizations; each is told in its own",
    ),
    (
        "jobs/webhooks_out/store/endpoints.rs SET_HEALTH",
        "by the id of an endpoint that the job itself delivers to",
    ),
    (
        "jobs/webhooks_out/store/endpoints.rs WITH_DUE",
        "asks for all, each with its organization",
    ),
    (
        "jobs/engagement/store/versions.rs UNUSED",
        "versions are of the installation; one that any organization uses stays",
    ),
    (
        "jobs/operations/store/mod.rs",
        "by the id of an operation that its own job carries out",
    ),
];

/// A statement: its file and name, and its texts.
struct Statement {
    place: String,
    text: String,
}

/// What stands in quotes, one after the other.
fn quoted(code: &str) -> String {
    let mut texts = String::new();
    let (mut within, mut escaped) = (false, false);
    for letter in code.chars() {
        match letter {
            '"' if !escaped => {
                within = !within;
                texts.push(' ');
            }
            _ if within => texts.push(letter),
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    texts
}

/// The code up to the bracket that closes what is open before it.
fn up_to_end(code: &str) -> &str {
    let (mut open, mut within) = (1, false);
    for (at, letter) in code.char_indices() {
        match letter {
            '"' => within = !within,
            '(' | '{' | '[' if !within => open += 1,
            ')' | '}' | ']' if !within => open -= 1,
            _ => {}
        }
        if open == 0 {
            return &code[..at];
        }
    }
    code
}

fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The bodies of all macros of this name.
fn macros<'a>(code: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("macro_rules! {name} {{");
    code.split(&begin).skip(1).map(up_to_end).collect()
}

/// The names of the macros that are used.
fn used(code: &str) -> impl Iterator<Item = &str> {
    code.split('!').map(|before| {
        let start = before.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_');
        &before[start.map_or(0, |start| start + 1)..]
    })
}

/// A statement's text with those of the macros that it uses, of the same file where it has them, and that these use.
fn whole<'a>(args: &'a str, code: &'a str, all: &'a str) -> String {
    let (mut text, mut left, mut seen) = (String::new(), vec![args], BTreeSet::new());
    while let Some(part) = left.pop() {
        text.push_str(&quoted(part));
        for name in used(part).filter(|name| !name.is_empty()) {
            if seen.insert(name.to_owned()) {
                let here = macros(code, name);
                left.extend(if here.is_empty() {
                    macros(all, name)
                } else {
                    here
                });
            }
        }
    }
    text
}

fn statements() -> Vec<Statement> {
    let files = sources("jobs");
    let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
    let mut found = Vec::new();
    for (path, text) in &files {
        let path = path.display().to_string();
        if path.contains("test") {
            continue;
        }
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for (at, call) in CALLS.iter().flat_map(|call| code.match_indices(call)) {
            let args = up_to_end(&code[at + call.len()..]);
            let text = whole(args, code, &all);
            let before = &code[..at];
            let named = before
                .rfind("const ")
                .map_or("", |named| word(&before[named + "const ".len()..]));
            found.push(Statement {
                place: format!("{path} {named}"),
                text,
            });
        }
    }
    assert!(found.len() > 250, "only {} statements", found.len());
    found
}

/// How often the text names a table of organizations, and how often it says of which.
fn counted(text: &str, tables: &BTreeSet<String>) -> (usize, usize) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |at: usize| words.get(at + 1).copied().unwrap_or_default();
    let named = words.iter().enumerate().filter(|(at, text)| {
        let before = at
            .checked_sub(1)
            .map_or("", |at| words[at].trim_start_matches('('));
        let is_read =
            matches!(before, "FROM" | "JOIN" | "UPDATE") || matches!(after(*at), "WHERE" | "AS");
        is_read && tables.contains(word(text))
    });
    let told = text.match_indices("organization_id").filter(|(at, name)| {
        let rest = text[at + name.len()..].trim_start();
        let compared = |rest: &str| rest.starts_with('=') || rest.starts_with("IN ");
        let list = rest
            .split_once(')')
            .filter(|(inner, _)| !inner.contains([' ', '(']) || inner.starts_with(','));
        compared(rest)
            || list.is_some_and(|(inner, after)| {
                !inner.contains(['=', '(']) && compared(after.trim_start())
            })
            || text[..*at].trim_end().ends_with("USING (")
    });
    (named.count(), told.count())
}

/// The rows that are inserted without saying of which organization they are.
fn inserted_for_nobody(text: &str, tables: &BTreeSet<String>) -> bool {
    let mut inserts = text.split("INSERT INTO ").skip(1);
    inserts.any(|insert| {
        let columns = insert
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'));
        tables.contains(word(insert))
            && columns.is_some_and(|(columns, _)| !columns.contains("organization_id"))
    })
}

#[tokio::test]
async fn every_statement_about_rows_of_organizations_says_of_which() {
    let of_organizations = Sql::both(
        "SELECT t.name FROM sqlite_master AS t WHERE t.type = 'table'
           AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) AS c WHERE c.name = 'organization_id')",
    );
    let tables: Vec<(String,)> = TestDb::sqlite().await.rows(of_organizations, &[]).await;
    let tables: BTreeSet<String> = tables.into_iter().map(|row| row.0).collect();
    assert!(tables.len() > 30, "{tables:?}");
    let (mut broken, mut excused) = (Vec::new(), BTreeSet::new());
    for Statement { place, text } in statements() {
        let (named, told) = counted(&text, &tables);
        if named <= told && !inserted_for_nobody(&text, &tables) {
            continue;
        }
        match OF_ALL.iter().find(|(excuse, _)| place.starts_with(excuse)) {
            Some((excuse, _)) => {
                excused.insert(*excuse);
            }
            None => broken.push(format!("{place}: {named} tables, {told} conditions")),
        }
    }
    assert!(
        broken.is_empty(),
        "no condition on the organization:\n{}",
        broken.join("\n")
    );
    let stale: Vec<_> = OF_ALL
        .iter()
        .filter(|(excuse, _)| !excused.contains(excuse))
        .collect();
    assert!(stale.is_empty(), "excused without need: {stale:?}");
}

#[test]
fn the_reader_of_statements_counts_tables_and_conditions() {
    let tables: BTreeSet<String> = ["members", "jobs"].map(str::to_owned).into();
    for (text, expected) in [
        (
            "SELECT id FROM members AS m WHERE m.organization_id = $1",
            (1, 1),
        ),
        (
            "SELECT organization_id, id FROM members WHERE id = $1",
            (1, 0),
        ),
        (
            "UPDATE members SET a = 1 FROM jobs AS j WHERE j.organization_id = $1",
            (2, 1),
        ),
        (
            "DELETE FROM members WHERE (organization_id, id) IN (SELECT 1)",
            (1, 1),
        ),
        (
            "SELECT 1 FROM members JOIN jobs USING (organization_id, id)",
            (2, 1),
        ),
        ("id, email members WHERE organization_id = $1 id $2", (1, 1)),
        ("SELECT 1 FROM nothing", (0, 0)),
    ] {
        assert_eq!(counted(text, &tables), expected, "{text}");
    }
    assert!(inserted_for_nobody(
        "INSERT INTO members (id) VALUES ($1)",
        &tables
    ));
    assert!(!inserted_for_nobody(
        "INSERT INTO members (id, organization_id) VALUES ($1, $2)",
        &tables
    ));
    assert_eq!(up_to_end("a(\")\")b) c"), "a(\")\")b");
    assert_eq!(
        quoted(macros("macro_rules! x { () => { \"SELECT\" } }", "x")[0]).trim(),
        "SELECT"
    );
}
