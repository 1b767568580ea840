//! Stripe's request encoding: `application/x-www-form-urlencoded` with bracket nesting.
//!
//! `items[0][price]=p&metadata[a]=b&types[]=x` becomes
//! `{"items":{"0":{"price":"p"}},"metadata":{"a":"b"},"types":["x"]}`. Numbered keys stay maps,
//! because `metadata[0]` is a name and `items[0]` a position; only the reader knows which.

use serde_json::{Map, Value};

/// How deep brackets may nest.
const MAX_DEPTH: usize = 8;
/// How many `key=value` pairs one request may have.
const MAX_PAIRS: usize = 1_000;

/// Why a form could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FormError {
    /// `%` without two hex digits, or bytes that are not UTF-8.
    #[error("`{0}` is not valid percent-encoded UTF-8")]
    Encoding(String),
    /// Brackets that do not match or nest too deeply.
    #[error("the key `{0}` has unbalanced or too deeply nested brackets")]
    Brackets(String),
    /// The same name is used as a value and as a group.
    #[error("the key `{0}` is given both as a value and as a group")]
    Conflict(String),
    /// More pairs than [`MAX_PAIRS`].
    #[error("more than {MAX_PAIRS} parameters")]
    TooMany,
}

/// Reads a body or a query string.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, FormError> {
    let mut root = Map::new();
    for (count, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if count >= MAX_PAIRS {
            return Err(FormError::TooMany);
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key)?;
        let path = split_key(&key)?;
        insert(&mut root, &path, decode(value)?).ok_or(FormError::Conflict(key))?;
    }
    Ok(root)
}

/// Undoes percent-encoding, `+` being a space.
fn decode(text: &str) -> Result<String, FormError> {
    let bad = || FormError::Encoding(text.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let pair = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
                let mut out = [0];
                hex::decode_to_slice(pair, &mut out).map_err(|_| bad())?;
                bytes.push(out[0]);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// `a[b][]` becomes `["a", "b", ""]`.
fn split_key(key: &str) -> Result<Vec<&str>, FormError> {
    let bad = || FormError::Brackets(key.to_owned());
    let Some((first, mut rest)) = key.find('[').map(|at| key.split_at(at)) else {
        return Ok(vec![key]);
    };
    let mut path = vec![first];
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').ok_or_else(bad)?;
        let (part, after) = inner.split_once(']').ok_or_else(bad)?;
        path.push(part);
        rest = after;
    }
    // `a[][b]` would need to guess where one element ends and the next begins.
    let hole = path[..path.len() - 1].iter().any(|part| part.is_empty());
    if hole || path.len() > MAX_DEPTH {
        Err(bad())
    } else {
        Ok(path)
    }
}

/// Puts one value at its path; `None` when a value stands where a group is needed or the reverse.
fn insert(map: &mut Map<String, Value>, path: &[&str], value: String) -> Option<()> {
    match path {
        [] => None,
        [last] => match map.insert((*last).to_owned(), Value::String(value)) {
            None | Some(Value::String(_)) => Some(()),
            Some(_) => None,
        },
        [name, ""] => {
            let list = map.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut()?.push(Value::String(value));
            Some(())
        }
        [name, rest @ ..] => {
            let group = map
                .entry(*name)
                .or_insert_with(|| Value::Object(Map::new()));
            insert(group.as_object_mut()?, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        Value::Object(parse(text).unwrap())
    }

    #[test]
    fn brackets_nest() {
        assert_eq!(
            read("customer=cus_1&items[0][price]=p1&items[0][quantity]=2&items[1][price]=p2"),
            json!({"customer": "cus_1", "items": {"0": {"price": "p1", "quantity": "2"}, "1": {"price": "p2"}}})
        );
        assert_eq!(
            read("types[]=a&types[]=b&created[gte]=5"),
            json!({"types": ["a", "b"], "created": {"gte": "5"}})
        );
    }

    #[test]
    fn encoding_is_undone_in_keys_and_values() {
        assert_eq!(
            read("metadata%5Bna+me%5D=J%C3%B6rg%20%26+Co&empty=&bare"),
            json!({"metadata": {"na me": "Jörg & Co"}, "empty": "", "bare": ""})
        );
    }

    #[test]
    fn damaged_forms_are_refused() {
        for (text, expected) in [
            ("a=%G1", FormError::Encoding("%G1".to_owned())),
            ("a=%f", FormError::Encoding("%f".to_owned())),
            ("a=%ff", FormError::Encoding("%ff".to_owned())),
            ("a[b=1", FormError::Brackets("a[b".to_owned())),
            ("a[b]c=1", FormError::Brackets("a[b]c".to_owned())),
            ("a[][b]=1", FormError::Brackets("a[][b]".to_owned())),
            (
                "a[1][2][3][4][5][6][7][8]=1",
                FormError::Brackets("a[1][2][3][4][5][6][7][8]".to_owned()),
            ),
            ("a=1&a[b]=2", FormError::Conflict("a[b]".to_owned())),
            ("a[b]=2&a=1", FormError::Conflict("a".to_owned())),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        let many = "a=1&".repeat(MAX_PAIRS + 1);
        assert_eq!(parse(&many), Err(FormError::TooMany));
    }

    fn encode(text: &str) -> String {
        let mut encoded = String::new();
        for byte in text.bytes() {
            encoded.push('%');
            encoded.push_str(&hex::encode([byte]));
        }
        encoded
    }

    proptest! {
        #[test]
        fn any_text_survives_the_trip(group in "[a-z]{1,8}", name in "[^\\[\\]]{1,12}", value in any::<String>()) {
            let body = format!("{group}[{}]={}", encode(&name), encode(&value));
            prop_assert_eq!(read(&body), json!({ group: { name: value } }));
        }

        #[test]
        fn no_input_panics(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
