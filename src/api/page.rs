//! Lists in pages: newest first, from a cursor on, never by counting rows.

use memberd_jobs::kernel::{
    Timestamp,
    limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Type, schema::Schema},
};

use super::{code::Code, error::Problem};

/// Characters of the checksum that a cursor begins with.
const CHECKSUM_CHARS: usize = 8;
/// Characters of a cursor that may be given; positions are far shorter.
const CURSOR_CHARS_MAX: usize = 400;

/// How many rows a page holds at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(i64);

impl Limit {
    /// The number.
    pub const fn rows(self) -> i64 {
        self.0
    }

    /// What to ask the database for: one more row than shown tells whether there is a next page.
    pub const fn fetch(self) -> i64 {
        self.0 + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(PAGE_ROWS_DEFAULT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = i64::deserialize(deserializer)?;
        if (1..=PAGE_ROWS_MAX).contains(&rows) {
            Ok(Self(rows))
        } else {
            Err(D::Error::custom(format!(
                "{rows} is not from 1 to {PAGE_ROWS_MAX}"
            )))
        }
    }
}

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(PAGE_ROWS_MAX))
            .default(Some(PAGE_ROWS_DEFAULT.into()))
            .into()
    }
}

impl ToSchema for Limit {}

/// The query of a list that has no filters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    pub limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    pub cursor: Option<Cursor>,
}

/// The place in a list where the next page begins, as the caller sends it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cursor(String);

impl PartialSchema for Cursor {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9a-f]+$"))
            .min_length(Some(CHECKSUM_CHARS))
            .max_length(Some(CURSOR_CHARS_MAX))
            .into()
    }
}

impl ToSchema for Cursor {}

/// One list of one organization, for which a cursor is good.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// The list's name.
    pub name: &'static str,
    /// Whose rows it shows.
    pub organization: &'a str,
}

impl List<'_> {
    /// The cursor for what comes after `position`.
    fn cursor(self, position: &str) -> String {
        format!("{}{}", self.checksum(position), hex::encode(position))
    }

    /// The position in a cursor.
    ///
    /// # Errors
    /// `invalid_cursor` when it was changed, or given by another list or to another organization.
    pub fn position(self, cursor: Option<&Cursor>) -> Result<Option<String>, Problem> {
        let Some(Cursor(text)) = cursor else {
            return Ok(None);
        };
        text.split_at_checked(CHECKSUM_CHARS)
            .filter(|_| text.len() <= CURSOR_CHARS_MAX)
            .and_then(|(checksum, rest)| {
                let position = String::from_utf8(hex::decode(rest).ok()?).ok()?;
                (self.checksum(&position) == checksum).then_some(position)
            })
            .map(Some)
            .ok_or_else(|| {
                let detail = "this list gave no such cursor: pass next_cursor unchanged, or none";
                Problem::field(Code::InvalidCursor, "?cursor", detail)
            })
    }

    /// The position in a cursor of a list that is ordered by time and id; [`place`] makes such positions.
    ///
    /// # Errors
    /// `invalid_cursor`, as [`List::position`].
    pub fn place(self, cursor: Option<&Cursor>) -> Result<Option<(Timestamp, String)>, Problem> {
        let Some(text) = self.position(cursor)? else {
            return Ok(None);
        };
        text.split_once(':')
            .and_then(|(time, id)| Some((Timestamp(time.parse().ok()?), id.to_owned())))
            .map(Some)
            .ok_or_else(|| Problem::field(Code::InvalidCursor, "?cursor", "it holds no place"))
    }

    fn checksum(self, position: &str) -> String {
        let bound = format!("{}\0{}\0{position}", self.name, self.organization);
        format!("{:08x}", crc32fast::hash(bound.as_bytes()))
    }

    /// The page made of `rows`, with the position before which the next page begins.
    pub fn page_before<R, T>(
        self,
        rows: Vec<R>,
        before: Option<&str>,
        show: impl FnMut(R) -> T,
    ) -> Page<T> {
        Page {
            data: rows.into_iter().map(show).collect(),
            next_cursor: before.map(|position| self.cursor(position)),
        }
    }

    /// The page made of `rows`, which hold one more than the limit when there is a next page.
    pub fn page<R, T>(
        self,
        mut rows: Vec<R>,
        limit: Limit,
        position: impl Fn(&R) -> String,
        show: impl FnMut(R) -> T,
    ) -> Page<T> {
        let shown = usize::try_from(limit.rows()).unwrap_or(usize::MAX);
        let more = rows.len() > shown;
        rows.truncate(shown);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|last| self.cursor(&position(last)));
        Page {
            data: rows.into_iter().map(show).collect(),
            next_cursor,
        }
    }
}

/// The position in a list that is ordered by time and id.
pub fn place(time: Timestamp, id: &str) -> String {
    format!("{}:{id}", time.0)
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows, newest first.
    pub data: Vec<T>,
    /// Pass it as `cursor` to get the next page; null on the last one.
    #[schema(example = "3b1f09aa6a6f625f3031", required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A list that is always short enough for one page.
    pub const fn whole(data: Vec<T>) -> Self {
        Self {
            data,
            next_cursor: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: List<'static> = List {
        name: "jobs",
        organization: "default",
    };

    #[test]
    fn a_page_has_a_cursor_only_when_more_follows() {
        let limit = Limit(2);
        let page = LIST.page(vec![3, 2, 1], limit, i32::to_string, |row| row);
        assert_eq!(page.data, [3, 2]);
        let cursor = Cursor(page.next_cursor.unwrap());
        assert_eq!(LIST.position(Some(&cursor)).unwrap().unwrap(), "2");
        let last = LIST.page(vec![2, 1], limit, i32::to_string, |row| row);
        assert_eq!(last.next_cursor, None);
    }

    proptest! {
        #[test]
        fn a_cursor_is_good_for_its_own_list_only(position in "\\PC{0,40}", other in "[a-z]{1,8}") {
            let cursor = Cursor(LIST.cursor(&position));
            prop_assert_eq!(LIST.position(Some(&cursor)).unwrap(), Some(position));
            let foreign = List { organization: &other, ..LIST };
            prop_assert_eq!(foreign.position(Some(&cursor)).unwrap_err().code, Code::InvalidCursor);
            let elsewhere = List { name: "keys", ..LIST };
            prop_assert_eq!(elsewhere.position(Some(&cursor)).unwrap_err().code, Code::InvalidCursor);
        }

        #[test]
        fn no_text_breaks_the_cursor_reader(text in "\\PC{0,60}") {
            prop_assert_eq!(LIST.position(Some(&Cursor(text))).unwrap_err().code, Code::InvalidCursor);
        }
    }
}
