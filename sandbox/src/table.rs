//! One kind of objects in memory: in order of creation, found by id or by indexed field.
//!
//! Objects are kept as their JSON text, because that is how they leave (a list is a concatenation)
//! and it takes a fifth of the memory of a tree.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

/// A field that lists can filter by, and its value.
pub(crate) type Key = (&'static str, String);

/// One stored object.
#[derive(Debug)]
pub(crate) struct Row {
    /// Stripe's id.
    pub(crate) id: String,
    /// The object as it is answered.
    pub(crate) json: Arc<str>,
    /// Seconds since 1970; never smaller than the row's before it.
    pub(crate) created: i64,
    /// What lists can filter by.
    pub(crate) keys: Vec<Key>,
    /// Deleted: still retrieved (customers), never listed.
    pub(crate) gone: bool,
}

/// A condition of a list.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    /// The field has this value (the index answers).
    Is(&'static str, String),
    /// The field has one of these values.
    AnyOf(&'static str, Vec<String>),
    /// The field has none of these values.
    NoneOf(&'static str, Vec<String>),
    /// The field begins so.
    Starts(&'static str, String),
}

impl Filter {
    fn holds(&self, row: &Row) -> bool {
        let has = |field: &str, wanted: &str| {
            row.keys
                .iter()
                .any(|(name, value)| *name == field && value == wanted)
        };
        match self {
            Self::Is(field, value) => has(field, value),
            Self::AnyOf(field, values) => values.iter().any(|value| has(field, value)),
            Self::NoneOf(field, values) => !values.iter().any(|value| has(field, value)),
            Self::Starts(field, prefix) => row
                .keys
                .iter()
                .any(|(name, value)| name == field && value.starts_with(prefix.as_str())),
        }
    }
}

/// Where a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// At the newest row.
    Newest,
    /// After (older than) the row at this position.
    After(usize),
    /// Before (newer than) the row at this position.
    Before(usize),
}

/// What a list asks for.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// All must hold.
    pub(crate) filters: Vec<Filter>,
    /// Creation times to include, in seconds; the end is exclusive.
    pub(crate) created: Range<i64>,
    /// Where to start.
    pub(crate) cursor: Cursor,
    /// At most so many rows.
    pub(crate) limit: usize,
}

/// The positions of a value that no row has.
static NOWHERE: BTreeSet<usize> = BTreeSet::new();

/// One page, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    /// The objects.
    pub(crate) data: Vec<Arc<str>>,
    /// Whether more rows follow in the direction of the cursor.
    pub(crate) has_more: bool,
}

/// All objects of one kind in one account.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    by_id: HashMap<String, usize>,
    index: HashMap<Key, BTreeSet<usize>>,
}

impl Table {
    /// Adds a row as the newest.
    pub(crate) fn push(&mut self, row: Row) {
        let at = self.rows.len();
        for key in &row.keys {
            self.index.entry(key.clone()).or_default().insert(at);
        }
        self.by_id.insert(row.id.clone(), at);
        self.rows.push(row);
    }

    /// Replaces a row's JSON and keys; answers whether the id is known.
    pub(crate) fn replace(&mut self, id: &str, json: Arc<str>, keys: Vec<Key>) -> bool {
        let Some(&at) = self.by_id.get(id) else {
            return false;
        };
        for key in &self.rows[at].keys {
            if let Some(set) = self.index.get_mut(key) {
                set.remove(&at);
            }
        }
        for key in &keys {
            self.index.entry(key.clone()).or_default().insert(at);
        }
        self.rows[at].json = json;
        self.rows[at].keys = keys;
        true
    }

    /// Takes a row out of lists and indexes; its JSON becomes the tombstone.
    pub(crate) fn bury(&mut self, id: &str, tombstone: Arc<str>) {
        if self.replace(id, tombstone, Vec::new())
            && let Some(&at) = self.by_id.get(id)
        {
            self.rows[at].gone = true;
        }
    }

    /// Frees the JSON of rows created before `second`, from position `from` on; answers where it
    /// stopped. The rows' ids and places stay.
    pub(crate) fn empty_before(&mut self, second: i64, from: usize) -> usize {
        let end = self.rows.partition_point(|row| row.created < second);
        for row in self.rows.get_mut(from..end).unwrap_or_default() {
            row.json = Arc::from("");
        }
        end.max(from)
    }

    /// The row of an id, deleted ones included.
    pub(crate) fn get(&self, id: &str) -> Option<&Row> {
        self.by_id.get(id).and_then(|&at| self.rows.get(at))
    }

    /// The place of an id in the order of creation.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Every row ever made, oldest first.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The ids of live rows with this key, oldest first.
    pub(crate) fn ids_with(&self, field: &'static str, value: &str) -> Vec<String> {
        let positions = self.index.get(&(field, value.to_owned()));
        positions
            .into_iter()
            .flatten()
            .map(|&at| self.rows[at].id.clone())
            .collect()
    }

    /// How many live rows have this key.
    pub(crate) fn count_with(&self, field: &'static str, value: &str) -> usize {
        self.index
            .get(&(field, value.to_owned()))
            .map_or(0, BTreeSet::len)
    }

    /// One page of a list.
    pub(crate) fn list(&self, query: &Query) -> Page {
        let mut range = self
            .rows
            .partition_point(|row| row.created < query.created.start)
            ..self
                .rows
                .partition_point(|row| row.created < query.created.end);
        match query.cursor {
            Cursor::Newest => {}
            Cursor::After(at) => range.end = range.end.min(at),
            Cursor::Before(at) => range.start = range.start.max(at + 1),
        }
        if range.is_empty() {
            return Page {
                data: Vec::new(),
                has_more: false,
            };
        }
        let backwards = matches!(query.cursor, Cursor::Before(_));
        let fits = |at: &usize| {
            let row = &self.rows[*at];
            !row.gone && query.filters.iter().all(|filter| filter.holds(row))
        };
        // One more than asked for tells whether there are more.
        let wanted = query.limit.saturating_add(1);
        let mut found: Vec<usize> = match (self.rarest(&query.filters), backwards) {
            (Some(set), true) => set
                .range(range)
                .copied()
                .filter(fits)
                .take(wanted)
                .collect(),
            (Some(set), false) => set
                .range(range)
                .rev()
                .copied()
                .filter(fits)
                .take(wanted)
                .collect(),
            (None, true) => range.filter(fits).take(wanted).collect(),
            (None, false) => range.rev().filter(fits).take(wanted).collect(),
        };
        let has_more = found.len() > query.limit;
        found.truncate(query.limit);
        if backwards {
            found.reverse();
        }
        Page {
            data: found
                .iter()
                .map(|&at| Arc::clone(&self.rows[at].json))
                .collect(),
            has_more,
        }
    }

    /// The positions under the rarest of the equality filters; `None` without such a filter.
    fn rarest(&self, filters: &[Filter]) -> Option<&BTreeSet<usize>> {
        let sets = filters.iter().filter_map(|filter| match filter {
            Filter::Is(field, value) => {
                Some(self.index.get(&(*field, value.clone())).unwrap_or(&NOWHERE))
            }
            _ => None,
        });
        sets.min_by_key(|set| set.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLOURS: [&str; 3] = ["red", "green", "blue"];

    /// A row per step: how much later it is made, its colour, and whether it is deleted after all.
    fn table(steps: &[(i64, usize, bool)]) -> Table {
        let mut table = Table::default();
        let mut created = 0;
        for (at, (later, colour, _)) in steps.iter().enumerate() {
            created += later;
            // Every row begins red and is then changed, so that the index has to follow.
            table.push(Row {
                id: at.to_string(),
                json: Arc::from("old"),
                created,
                keys: vec![("colour", "red".to_owned())],
                gone: false,
            });
            let keys = vec![("colour", COLOURS[*colour].to_owned())];
            table.replace(&at.to_string(), Arc::from(at.to_string()), keys);
        }
        for (at, _) in steps.iter().enumerate().filter(|(_, step)| step.2) {
            table.bury(&at.to_string(), Arc::from("gone"));
        }
        table
    }

    /// The same page by looking at every row.
    fn slow(table: &Table, query: &Query) -> (Vec<String>, bool) {
        let mut fitting: Vec<usize> = (0..table.rows.len())
            .filter(|at| {
                let row = &table.rows[*at];
                let placed = match query.cursor {
                    Cursor::Newest => true,
                    Cursor::After(cursor) => *at < cursor,
                    Cursor::Before(cursor) => *at > cursor,
                };
                let fits = query.filters.iter().all(|filter| filter.holds(row));
                placed && fits && !row.gone && query.created.contains(&row.created)
            })
            .collect();
        let has_more = fitting.len() > query.limit;
        if matches!(query.cursor, Cursor::Before(_)) {
            fitting.truncate(query.limit);
            fitting.reverse();
        } else {
            fitting.reverse();
            fitting.truncate(query.limit);
        }
        (fitting.iter().map(ToString::to_string).collect(), has_more)
    }

    fn filters() -> impl Strategy<Value = Vec<Filter>> {
        let colour = || prop::sample::select(&COLOURS[..]).prop_map(str::to_owned);
        let filter = prop_oneof![
            colour().prop_map(|colour| Filter::Is("colour", colour)),
            colour().prop_map(|colour| Filter::AnyOf("colour", vec![colour, "black".to_owned()])),
            colour().prop_map(|colour| Filter::NoneOf("colour", vec![colour])),
            Just(Filter::Starts("colour", "gr".to_owned())),
            Just(Filter::Is("colour", "black".to_owned())),
        ];
        prop::collection::vec(filter, 0..3)
    }

    proptest! {
        #[test]
        fn a_page_is_what_looking_at_every_row_gives(
            steps in prop::collection::vec((0_i64..3, 0_usize..3, prop::bool::weighted(0.2)), 0..40),
            filters in filters(),
            (start, length) in (0_i64..60, 0_i64..90),
            (cursor, side) in (0_usize..40, 0_u8..3),
            limit in 1_usize..12,
        ) {
            let table = table(&steps);
            let cursor = match side {
                0 => Cursor::Newest,
                1 => Cursor::After(cursor),
                _ => Cursor::Before(cursor),
            };
            let query = Query { filters, created: start..start + length, cursor, limit };
            let page = table.list(&query);
            let found: Vec<String> = page.data.iter().map(|json| json.as_ref().to_owned()).collect();
            prop_assert_eq!((found, page.has_more), slow(&table, &query));
        }
    }
}
