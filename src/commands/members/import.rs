//! `memberd members import`: members of another system, a batch in a transaction.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use memberd_jobs::{
    kernel::{Env, db},
    members::Invalid,
    roster::{
        self, Fate, Refused,
        record::{self, Fields, Record},
    },
};
use serde_json::{json, value::to_raw_value};

use super::file::{self, Source, Wrong};
use crate::{
    cli::Global,
    commands::{
        Failure, Outcome,
        output::{self, Progress},
    },
};

/// Members of one transaction.
const BATCH_MAX: usize = 200;
/// Times a batch is tried when others write the same members meanwhile.
const TRIES_MAX: u32 = 5;

/// What `members import` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CSV with a heading, or JSON lines; `-` reads standard input
    file: String,
    /// What it is; else its name tells: `.csv`, or JSON lines
    #[arg(long)]
    format: Option<Format>,
    /// The other system whose ids the field `id` has: they become foreign keys
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Bring members who are there up to the file, instead of leaving them as they are
    #[arg(long)]
    update: bool,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write a JSON line for each record that is refused
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

/// What came of an import.
#[derive(Debug, Default)]
struct Imported {
    made: u64,
    changed: u64,
    known: u64,
    wrong: Wrong,
    /// Fields that nobody here knows, and how often.
    left_out: BTreeMap<String, u64>,
    report: Option<BufWriter<File>>,
}

impl Imported {
    fn refuse(&mut self, line: usize, field: &str, why: &str) -> Result<(), Failure> {
        if let Some(report) = &mut self.report {
            let row = json!({ "line": line, "field": field, "why": why });
            writeln!(report, "{row}")?;
        }
        self.wrong.note(line, format!("{field}: {why}"));
        Ok(())
    }
}

/// Makes the members of a file, a batch in a transaction. Records that are wrong are told and left out.
///
/// # Errors
/// A file that cannot be read, wrong records, or a database that fails.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, args: &Args) -> Outcome {
    let source = file::open(&args.file)?;
    let mut done = Imported::default();
    if let Some(path) = &args.report {
        let failed = |error| Failure::new(Failure::USAGE, format!("{}: {error}", path.display()));
        done.report = Some(BufWriter::new(File::create(path).map_err(failed)?));
    }
    let ended = import_all(env, organization, args, source, &mut done).await;
    if let Some(report) = &mut done.report {
        report.flush()?;
    }
    // What was made stays made, so it is told also when the rest could not be.
    let reported = report(global, args, &done);
    ended.map_err(|error| {
        let text = format!(
            "{}: {}; run it again, nobody is made twice",
            args.file, error.text
        );
        Failure::new(error.code, text)
    })?;
    reported
}

async fn import_all(
    env: &Env,
    organization: &str,
    args: &Args,
    source: Source,
    done: &mut Imported,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut progress = Progress::begin();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut records = 0;
    for read in read_all(format(args), source.reader) {
        let (line, fields) = read?;
        let fields = match fields {
            Ok(fields) => fields,
            Err(why) => {
                done.refuse(line, why.field, &why.why)?;
                continue;
            }
        };
        for fields in fields {
            records += 1;
            match record::read(fields, args.provider.as_deref()) {
                Ok(record) => batch.push((line, record)),
                Err(why) => done.refuse(line, why.field, &why.why)?,
            }
            if batch.len() == BATCH_MAX {
                write(env, organization, args, std::mem::take(&mut batch), done).await?;
                progress.tell(records, || {
                    pace(records, started, source.size, &source.read)
                });
            }
        }
    }
    write(env, organization, args, batch, done).await?;
    progress.end();
    Ok(())
}

/// Count and rate, and where the size of the file is known how far it is and how long it will take.
fn pace(records: u64, started: Instant, size: Option<u64>, read: &AtomicU64) -> String {
    let seconds = started.elapsed().as_secs().max(1);
    let text = format!("{records} records, {} a second", records / seconds);
    let read = read.load(Ordering::Relaxed);
    match size {
        Some(size) if read > 0 => {
            let left = size.saturating_sub(read) * seconds / read;
            format!("{text}, {} %, {left} s left", read * 100 / size.max(1))
        }
        _ => text,
    }
}

fn format(args: &Args) -> Format {
    let is_csv = || {
        let extension = Path::new(&args.file).extension();
        extension.is_some_and(|it| it.eq_ignore_ascii_case("csv"))
    };
    args.format
        .unwrap_or_else(|| if is_csv() { Format::Csv } else { Format::Jsonl })
}

/// The records of a line, and its number.
type Read = Result<(usize, Result<Vec<Fields>, Invalid>), Failure>;

fn read_all(format: Format, reader: Box<dyn std::io::BufRead>) -> Box<dyn Iterator<Item = Read>> {
    if format == Format::Csv {
        return Box::new(table(reader));
    }
    let opened = |line: Result<(usize, Result<String, String>), Failure>| {
        let (at, text) = line?;
        let text = text.map_err(|why| Invalid { field: "line", why });
        Ok((at, text.and_then(|text| record::open(&text))))
    };
    Box::new(file::lines(reader).map(opened))
}

/// The rows of a table under its heading.
fn table(reader: Box<dyn std::io::BufRead>) -> impl Iterator<Item = Read> {
    let mut table = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(reader);
    let heading = table.headers().cloned();
    let mut heading = Some(heading);
    let mut names = csv::StringRecord::new();
    std::iter::from_fn(move || {
        if let Some(read) = heading.take() {
            match read {
                Ok(read) => names = read,
                Err(error) => {
                    let text = format!("the heading cannot be read: {}", told(&error));
                    return Some(Err(Failure::new(Failure::FAILED, text)));
                }
            }
        }
        let mut row = csv::StringRecord::new();
        let line = usize::try_from(table.position().line()).unwrap_or(usize::MAX);
        match table.read_record(&mut row) {
            Ok(false) => None,
            Ok(true) => {
                let line = row
                    .position()
                    .map_or(line, |at| usize::try_from(at.line()).unwrap_or(usize::MAX));
                Some(Ok((line, Ok(vec![fields(&names, &row)]))))
            }
            Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => {
                let text = format!("line {line}: {}", told(&error));
                Some(Err(Failure::new(Failure::FAILED, text)))
            }
            Err(error) => {
                let why = told(&error);
                Some(Ok((line, Err(Invalid { field: "line", why }))))
            }
        }
    })
}

/// What is wrong with a table, without what stands in it.
fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8: save the file as UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} cells where the heading has {expected_len}"),
        _ => "no row of a table".to_owned(),
    }
}

fn fields(names: &csv::StringRecord, row: &csv::StringRecord) -> Fields {
    let cell = |(name, text): (&str, &str)| Some((name.to_owned(), to_raw_value(text).ok()?));
    names.iter().zip(row.iter()).filter_map(cell).collect()
}

/// Writes a batch in one transaction; a dry run drops it.
async fn write(
    env: &Env,
    organization: &str,
    args: &Args,
    batch: Vec<(usize, Record)>,
    done: &mut Imported,
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let (lines, records): (Vec<usize>, Vec<Record>) = batch.into_iter().unzip();
    let mut tries = 1;
    let fates = loop {
        match attempt(env, organization, args, &records).await {
            Err(db::Error::Conflict(_) | db::Error::Busy(_)) if tries < TRIES_MAX => tries += 1,
            fates => break fates?,
        }
    };
    for ((line, fate), record) in lines.into_iter().zip(fates).zip(records) {
        for name in record.left_out {
            *done.left_out.entry(name).or_default() += 1;
        }
        match fate {
            Fate::Made => done.made += 1,
            Fate::Changed => done.changed += 1,
            Fate::Known => done.known += 1,
            Fate::Refused(Refused::Invalid(why)) => done.refuse(line, why.field, &why.why)?,
            Fate::Refused(why) => done.refuse(line, why.field(), &why.to_string())?,
        }
    }
    Ok(())
}

async fn attempt(
    env: &Env,
    organization: &str,
    args: &Args,
    records: &[Record],
) -> db::Result<Vec<Fate>> {
    let mut tx = env.db.begin().await?;
    let fates = roster::import(&mut tx, env, organization, records, args.update).await?;
    if !args.dry_run {
        tx.commit().await?;
    }
    Ok(fates)
}

fn report(global: &Global, args: &Args, done: &Imported) -> Outcome {
    let Imported {
        made,
        changed,
        known,
        wrong,
        left_out,
        ..
    } = done;
    let shown = wrong.shown.iter();
    let shown = shown.map(|(at, why)| json!({ "line": at, "why": why }));
    let json = json!({ "dry_run": args.dry_run, "made": made, "changed": changed, "known": known,
                       "refused": wrong.count, "wrong": shown.collect::<Vec<_>>(), "left_out": left_out });
    let would = if args.dry_run { "would be " } else { "" };
    let mut text = format!(
        "{made} {would}made, {changed} {would}changed, {known} were there before, {} refused",
        wrong.count
    );
    if !left_out.is_empty() {
        let fields = left_out.iter();
        let fields: Vec<_> = fields
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        text.push_str("; fields left out: ");
        text.push_str(&fields.join(", "));
    }
    output::one(global, &text, &json)?;
    wrong.outcome()
}

#[cfg(test)]
mod tests;
