//! Files that are imported: reading them line by line, and telling which lines were wrong.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, stdin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::commands::{Failure, Outcome};

/// Wrong lines that are shown; all are counted.
const WRONG_SHOWN_MAX: usize = 20;

/// A file, or standard input.
pub(super) struct Source {
    pub(super) reader: Box<dyn BufRead>,
    /// Bytes, where they are known beforehand.
    pub(super) size: Option<u64>,
    /// Bytes that were read.
    pub(super) read: Arc<AtomicU64>,
}

/// Opens a file; `-` is standard input.
pub(super) fn open(file: &str) -> Result<Source, Failure> {
    let read = Arc::new(AtomicU64::new(0));
    let counted = |from: Box<dyn Read>| {
        let read = Arc::clone(&read);
        Box::new(BufReader::new(Counted { from, read })) as Box<dyn BufRead>
    };
    if file == "-" {
        let reader = counted(Box::new(stdin()));
        let size = None;
        return Ok(Source { reader, size, read });
    }
    let failed = |error| Failure::new(Failure::USAGE, format!("{file}: {error}"));
    let opened = File::open(file).map_err(failed)?;
    let size = opened.metadata().map_err(failed)?.len();
    let reader = counted(Box::new(opened));
    Ok(Source {
        reader,
        size: Some(size),
        read,
    })
}

/// Counts what is read.
struct Counted {
    from: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.from.read(buffer)?;
        let more = u64::try_from(bytes).unwrap_or_default();
        self.read.fetch_add(more, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// The lines that are not empty, with their numbers; one that is no text says so.
pub(super) fn lines(
    reader: Box<dyn BufRead>,
) -> impl Iterator<Item = Result<(usize, Result<String, String>), Failure>> {
    let read = |(before, line): (usize, std::io::Result<Vec<u8>>)| {
        let at = before + 1;
        let failed = |error| Failure::new(Failure::FAILED, format!("line {at}: {error}"));
        let text = String::from_utf8(line.map_err(failed)?);
        Ok((
            at,
            text.map_err(|_| "not UTF-8: save the file as UTF-8".to_owned()),
        ))
    };
    let is_empty = |line: &Result<(usize, Result<String, String>), Failure>| matches!(line, Ok((_, Ok(text))) if text.trim().is_empty());
    let all = reader.split(b'\n').enumerate().map(read);
    all.filter(move |line| !is_empty(line))
}

/// What went wrong in a file.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    /// All of it.
    pub(super) count: usize,
    /// The first lines.
    pub(super) shown: Vec<(usize, String)>,
}

impl Wrong {
    /// Notes a line.
    pub(super) fn note(&mut self, line: usize, why: String) {
        self.count += 1;
        let at = self.shown.partition_point(|(other, _)| *other <= line);
        self.shown.insert(at, (line, why));
        self.shown.truncate(WRONG_SHOWN_MAX);
    }

    /// How an import ends that met these.
    pub(super) fn outcome(&self) -> Outcome {
        if self.count == 0 {
            return Ok(());
        }
        let shown = self.shown.iter();
        let shown = shown.map(|(at, why)| format!("line {at}: {why}"));
        let mut lines: Vec<String> = shown.collect();
        let more = self.count - lines.len();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Err(Failure::new(Failure::FAILED, lines.join("\n")))
    }
}
