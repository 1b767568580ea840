//! Reading request values with errors that name the field: an own deserializer over JSON values.
//!
//! serde's ready-made ones name neither the place nor the unknown field as data.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde_json::Value;

use super::{code::Code, error::FieldError};

/// Edits between an unknown word and the known one that is offered instead.
const TYPOS_MAX: usize = 3;
/// Bytes of a word that an error text repeats.
const WORD_BYTES_MAX: usize = 64;

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// JSON pointer to it.
    pub(super) pointer: String,
    /// Whether the field is unknown or its value impossible.
    pub(super) code: Code,
    /// What is wrong and how to mend it.
    pub(super) detail: String,
}

impl Fault {
    fn within(mut self, segment: &str) -> Self {
        let escaped = segment.replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{escaped}{}", self.pointer);
        self
    }

    pub(super) fn into_field(self, prefix: &str) -> FieldError {
        FieldError {
            pointer: format!("{prefix}{}", self.pointer),
            code: self.code,
            detail: self.detail,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            pointer: String::new(),
            code: Code::InvalidRequest,
            detail: message.to_string(),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            code: Code::UnknownField,
            ..Self::custom(unknown(field, expected))
        }
        .within(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom("this field is required").within(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom("this field is given twice").within(field)
    }

    fn invalid_type(given: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!(
            "{} is given, {expected} is expected",
            sort(given)
        ))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("{expected} is expected"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(unknown(variant, expected))
    }
}

/// What sort of value it is. Not the value: it may be what nobody should read in an error text, such as a name.
const fn sort(given: Unexpected<'_>) -> &'static str {
    match given {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a text",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        _ => "something else",
    }
}

/// A word as an error text repeats it, unless it is no word but what people write into other fields, such as a number to call.
pub(super) fn repeated(word: &str) -> String {
    let is_word = word.len() <= WORD_BYTES_MAX && word.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word && word.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        format!("`{word}`")
    } else {
        "this".to_owned()
    }
}

/// Says what is known instead of `word`.
pub(super) fn unknown(word: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .min()
        .filter(|(typos, _)| *typos <= TYPOS_MAX);
    let word = repeated(word);
    match nearest {
        Some((_, nearest)) => format!("{word} is unknown: did you mean `{nearest}`?"),
        None if known.is_empty() => format!("{word} is unknown: nothing is expected here"),
        None => format!("{word} is unknown: known are {}", known.join(", ")),
    }
}

/// Reads a value of a request body.
pub(super) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    T::deserialize(Decoder { value, text: false })
}

/// Reads query parameters: an object of texts in which numbers and booleans are spelled out.
pub(super) fn from_texts<T: DeserializeOwned>(
    texts: serde_json::Map<String, Value>,
) -> Result<T, Fault> {
    T::deserialize(Decoder {
        value: Value::Object(texts),
        text: true,
    })
}

struct Decoder {
    value: Value,
    /// Whether numbers and booleans are spelled as texts.
    text: bool,
}

impl Decoder {
    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(text) if self.text => match whole(&text) {
                Some(number) => visitor.visit_i64(number),
                None => Err(de::Error::custom(format!(
                    "{} is not a whole number",
                    repeated(&text)
                ))),
            },
            _ => self.deserialize(visitor),
        }
    }

    fn deserialize<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self, visitor)
    }
}

/// A whole number, also when it is written like `94.0`.
fn whole(text: &str) -> Option<i64> {
    let digits = text
        .split_once('.')
        .filter(|(_, zeros)| !zeros.is_empty() && zeros.bytes().all(|b| b == b'0'))
        .map_or(text, |(digits, _)| digits);
    digits.parse().ok()
}

impl<'de> de::Deserializer<'de> for Decoder {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = self.text;
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => number
                .deserialize_any(visitor)
                .map_err(|error: serde_json::Error| de::Error::custom(error)),
            Value::String(value) => visitor.visit_string(value),
            Value::Array(items) => visitor.visit_seq(Items {
                items: items.into_iter().enumerate(),
                text,
            }),
            Value::Object(fields) => visitor.visit_map(Fields {
                rest: fields.into_iter(),
                value: None,
                text,
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::String(word) if self.text => match word.as_str() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                _ => Err(de::Error::custom(format!(
                    "{} is neither true nor false",
                    repeated(word)
                ))),
            },
            _ => self.deserialize(visitor),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.integer(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.integer(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// Not from an array, which serde's derived code would also take.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Object(_) => self.deserialize(visitor),
            _ => Err(de::Error::custom("an object is expected here")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(word) => visitor.visit_enum(word.into_deserializer()),
            _ => Err(de::Error::custom("a word is expected here")),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

struct Items {
    items: std::iter::Enumerate<std::vec::IntoIter<Value>>,
    text: bool,
}

impl<'de> de::SeqAccess<'de> for Items {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let text = self.text;
        self.items
            .next()
            .map(|(at, value)| {
                seed.deserialize(Decoder { value, text })
                    .map_err(|fault| fault.within(&at.to_string()))
            })
            .transpose()
    }
}

struct Fields {
    rest: serde_json::map::IntoIter,
    value: Option<(String, Value)>,
    text: bool,
}

impl<'de> de::MapAccess<'de> for Fields {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((name.clone(), value));
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (name, value) = self
            .value
            .take()
            .ok_or_else(|| de::Error::custom("a value without a name"))?;
        let text = self.text;
        seed.deserialize(Decoder { value, text })
            .map_err(|fault| fault.within(&name))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        days: Option<i64>,
        on: Option<bool>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        list: Vec<Inner>,
    }

    #[test]
    fn a_fault_names_its_place_and_the_nearest_known_word() {
        let fault = from_json::<Outer>(json!({"list": [{}, {"dyas": 1}]})).unwrap_err();
        assert_eq!(fault.pointer, "/list/1/dyas");
        assert_eq!(fault.code, Code::UnknownField);
        assert!(fault.detail.contains("did you mean `days`"), "{fault}");
        let fault = from_json::<Outer>(json!({"list": [{"days": "x"}]})).unwrap_err();
        assert_eq!(fault.pointer, "/list/0/days");
        assert_eq!(fault.code, Code::InvalidRequest);
        assert_eq!(from_json::<Outer>(json!({})).unwrap_err().pointer, "/list");
        assert!(from_json::<Outer>(json!([[]])).is_err());
        assert!(from_json::<Outer>(json!({"list": [[1, true]]})).is_err());
        assert!(from_json::<serde_json::Map<String, Value>>(json!(null)).is_err());
        assert!(from_json::<Outer>(json!({"list": [{"days": 1}]})).is_ok());
    }

    #[test]
    fn texts_spell_numbers_and_booleans() {
        let texts = |days: &str, on: &str| {
            from_texts::<Inner>(
                [("days", days), ("on", on)]
                    .map(|(name, text)| (name.to_owned(), Value::from(text)))
                    .into_iter()
                    .collect(),
            )
        };
        let read = texts("94.0", "true").unwrap();
        assert_eq!((read.days, read.on), (Some(94), Some(true)));
        assert_eq!(texts("9.5", "true").unwrap_err().pointer, "/days");
        assert_eq!(texts("", "true").unwrap_err().pointer, "/days");
        assert_eq!(texts("1", "yes").unwrap_err().pointer, "/on");
    }
}
