//! House rules that neither rustc nor clippy can check.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use memberd_jobs::{
    FAMILIES,
    kernel::{Data, Family, db::Sql, schedule::Ticks},
    testing::TestDb,
};

/// Lines of a source file, blank ones and comments included.
const FILE_LINES_MAX: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`, with their text.
pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

/// The text without comments; what is in strings stays.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether `text` has `word` as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

fn none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}\n{}", broken.join("\n"));
}

#[test]
fn files_are_short_and_begin_with_what_they_are_for() {
    let mut broken = Vec::new();
    for folder in ["src", "jobs", "sandbox", "tests", "benches"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            if lines > FILE_LINES_MAX {
                broken.push(format!("{}: {lines} lines", path.display()));
            }
            if !text.starts_with("//!") {
                broken.push(format!(
                    "{}: no module documentation in line 1",
                    path.display()
                ));
            }
        }
    }
    none(
        &broken,
        "at most 400 lines a file, and each says at its top what it is for",
    );
}

#[test]
fn families_call_only_families_above_them() {
    let mut broken = Vec::new();
    for (at, family) in FAMILIES.iter().enumerate() {
        for (path, text) in sources(&format!("jobs/{}", family.name)) {
            for name in named_in_crate(&code(&text)) {
                if FAMILIES[at + 1..].iter().any(|below| below.name == name) {
                    broken.push(format!("{} uses {name}", path.display()));
                }
            }
        }
    }
    none(
        &broken,
        "a family uses only the kernel and the families above it in jobs/lib.rs",
    );
}

/// The modules that are named directly below `crate`: in paths and in braces.
fn named_in_crate(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            names.extend(top_level(group));
        } else {
            names.insert(first_word(rest));
        }
    }
    names
}

/// The first words of a brace's items, not those of braces within.
fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut item, mut names) = (0, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(first_word(&std::mem::take(&mut item))),
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    names.push(first_word(&item));
    names.retain(|name| !name.is_empty());
    names
}

fn first_word(text: &str) -> String {
    let word = text.trim_start().chars();
    word.take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

#[test]
fn the_reader_of_imports_sees_paths_and_braces() {
    let code = "use crate::{\n  members::{self, store},\n kernel::Env,\n sync,\n};\nlet x = crate::billing::due();";
    let names: Vec<_> = named_in_crate(code).into_iter().collect();
    assert_eq!(names, ["billing", "kernel", "members", "sync"]);
}

#[test]
fn job_kinds_are_named_after_their_family() {
    let mut broken = Vec::new();
    let mut seen = BTreeMap::new();
    for family in FAMILIES {
        for job in family.jobs {
            let verb = job
                .kind
                .strip_prefix(family.name)
                .and_then(|rest| rest.strip_prefix('.'));
            let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            if !verb.is_some_and(|verb| verb.contains('_') && verb.chars().all(plain)) {
                broken.push(format!("{} is not {}.verb_object", job.kind, family.name));
            }
            if let Some(other) = seen.insert(job.kind, family.name) {
                broken.push(format!("{} is in {other} and in {}", job.kind, family.name));
            }
        }
    }
    none(
        &broken,
        "a job's kind is its family's name, a dot, a verb and an object, and is there once",
    );
}

#[test]
fn schedules_name_jobs_of_their_family_with_arguments_that_fit() {
    let mut broken = Vec::new();
    for family in FAMILIES {
        for schedule in family.schedules {
            let name = schedule.name;
            if !name.starts_with(&format!("{}.", family.name)) {
                broken.push(format!("{name}: does not begin with its family's name"));
            }
            if let Err(error) = Ticks::parse(schedule.cron, schedule.timezone) {
                broken.push(format!("{name}: {error}"));
            }
            let Some(job) = family.jobs.iter().find(|job| job.kind == schedule.kind) else {
                broken.push(format!(
                    "{name}: {} is no job of {}",
                    schedule.kind, family.name
                ));
                continue;
            };
            let args = serde_json::from_str(schedule.args);
            if let Err(error) = args.and_then(|args| (job.read)(&args)) {
                broken.push(format!("{name}: arguments {}: {error}", schedule.args));
            }
        }
    }
    none(
        &broken,
        "a schedule names a job of its family, with arguments that it can read",
    );
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| -> BTreeSet<_> {
        let files = fs::read_dir(root().join("migrations").join(folder)).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert_eq!(sqlite, postgres);
    let numbers: BTreeSet<_> = sqlite.iter().map(|name| &name[..5]).collect();
    assert_eq!(numbers.len(), sqlite.len(), "each number is there once");
    let digits = |number: &&str| number.ends_with('_') && number[..4].parse::<u16>().is_ok();
    assert!(numbers.iter().all(digits), "{numbers:?}: four digits");
}

#[tokio::test]
async fn every_table_about_members_says_what_becomes_of_it_when_one_is_deleted() {
    let about_members = Sql::both(
        "SELECT t.name, EXISTS (SELECT 1 FROM pragma_table_info(t.name) AS c WHERE c.name = 'member_id')
         FROM sqlite_master AS t WHERE t.type = 'table' ORDER BY t.name",
    );
    let tables: Vec<(String, bool)> = TestDb::sqlite().await.rows(about_members, &[]).await;
    let declared = |family: &&Family| -> Vec<_> { family.data.iter().map(Data::table).collect() };
    let declared: Vec<_> = FAMILIES.iter().flat_map(declared).collect();
    let mut broken = Vec::new();
    for (table, member) in &tables {
        let times = declared.iter().filter(|name| *name == table).count();
        if times > 1 || (times == 0 && (*member || table == "members")) {
            broken.push(format!("{table}: declared {times} times"));
        }
    }
    for name in declared {
        if !tables.iter().any(|(table, _)| table == name) {
            broken.push(format!("{name}: no such table"));
        }
    }
    none(
        &broken,
        "each table with a member_id is in the `data` of one family",
    );
}

#[test]
fn sql_is_written_in_stores() {
    let mut broken = Vec::new();
    for folder in ["src", "jobs"] {
        for (path, text) in sources(folder) {
            let may = path.starts_with("jobs/kernel")
                || path.starts_with("jobs/testing")
                || path.ends_with("store.rs")
                || path.components().any(|part| part.as_os_str() == "store")
                || is_test(&path);
            let code = code(&text);
            if !may
                && ["Sql::", "sqlx::query", "sqlx::raw_sql"]
                    .iter()
                    .any(|sql| code.contains(sql))
            {
                broken.push(path.display().to_string());
            }
        }
    }
    none(
        &broken,
        "SQL stands in jobs/<family>/store.rs (or the folder store/) and in jobs/kernel",
    );
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path
            .file_stem()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.ends_with("tests"))
}

#[test]
fn apalis_is_known_to_the_queue_alone() {
    let mut broken = Vec::new();
    for folder in ["src", "jobs", "sandbox", "tests", "benches"] {
        for (path, text) in sources(folder) {
            let code = code(&text);
            let known = ["apalis::", "apalis_core::", "apalis_sql::"]
                .iter()
                .any(|name| code.contains(name));
            // What is wrong with its own backends is shown by a program apart.
            let allowed = ["src/queue", "benches/stock", "tests/tidy.rs"];
            if known && !allowed.iter().any(|place| path.starts_with(place)) {
                broken.push(path.display().to_string());
            }
        }
    }
    none(&broken, "apalis is used in src/queue and nowhere else");
}

#[test]
fn the_core_knows_nothing_of_the_outside() {
    let manifest = fs::read_to_string(root().join("jobs/Cargo.toml")).unwrap();
    for outside in [
        "axum",
        "reqwest",
        "hyper",
        "lettre",
        "apalis",
        "async-stripe",
        "memberd-sandbox",
    ] {
        assert!(
            !has_word(&manifest, outside),
            "jobs/Cargo.toml depends on {outside}"
        );
    }
}

#[test]
fn every_dependency_has_its_reason_and_its_version_once() {
    let mut broken = Vec::new();
    for manifest in ["Cargo.toml", "jobs/Cargo.toml", "sandbox/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let (mut section, mut before) = ("", "");
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            } else if line.contains(" = ") && !line.starts_with('#') {
                let explained = before.starts_with('#') || line.contains("path = ");
                let shared = line.contains("workspace = true");
                if section == "[workspace.dependencies]" && !explained {
                    broken.push(format!("{manifest}: no reason above `{line}`"));
                }
                if section.ends_with("dependencies]")
                    && section != "[workspace.dependencies]"
                    && !shared
                {
                    broken.push(format!("{manifest}: a version of its own in `{line}`"));
                }
            }
            before = line;
        }
    }
    none(
        &broken,
        "each dependency stands in the root manifest, under the reason it was chosen for",
    );
}

#[test]
fn every_promise_names_tests_that_exist() {
    let promises = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let tests = promises.split('`').skip(1).step_by(2);
    let code: String = ["jobs", "src", "tests"]
        .iter()
        .flat_map(|folder| sources(folder))
        .map(|(_, text)| text)
        .collect();
    let missing: Vec<_> = tests
        .filter(|name| !code.contains(&format!("fn {name}(")))
        .map(str::to_owned)
        .collect();
    none(
        &missing,
        "docs/guarantees.md names a test that is not there",
    );
}

/// The metrics that `text` writes: what is named right after the macro's bracket.
fn metrics(text: &str) -> BTreeSet<String> {
    let calls = ["counter!(", "gauge!(", "histogram!("]
        .into_iter()
        .flat_map(|call| text.split(call).skip(1));
    calls
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn the_list_of_metrics_is_the_codes() {
    let list = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<String> = rows.map(|(name, _)| name.to_owned()).collect();
    let written: BTreeSet<String> = ["src", "jobs"]
        .into_iter()
        .flat_map(sources)
        .flat_map(|(_, text)| metrics(&code(&text)))
        .collect();
    assert_eq!(
        listed, written,
        "docs/metrics.md and the code name different metrics"
    );
}
