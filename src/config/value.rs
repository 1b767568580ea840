//! A value as a layer gives it, before its kind is checked.

use std::fmt;

/// What a key is set to. It has no `Debug`, because it may be a secret.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// An array.
    List(Vec<Value>),
    /// Something that no key takes, by the name of its type.
    Other(&'static str),
}

impl Value {
    /// Whether this means "not set".
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Integer(_) | Self::Boolean(_) | Self::Other(_) => false,
        }
    }

    /// The type's name, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        }
    }
}

impl From<&toml_edit::Value> for Value {
    fn from(value: &toml_edit::Value) -> Self {
        match value {
            toml_edit::Value::String(text) => Self::Text(text.value().clone()),
            toml_edit::Value::Integer(number) => Self::Integer(*number.value()),
            toml_edit::Value::Boolean(truth) => Self::Boolean(*truth.value()),
            toml_edit::Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            toml_edit::Value::Float(_) => Self::Other("a fraction"),
            toml_edit::Value::Datetime(_) => Self::Other("a date"),
            toml_edit::Value::InlineTable(_) => Self::Other("a table"),
        }
    }
}

impl From<&toml_edit::Item> for Value {
    fn from(item: &toml_edit::Item) -> Self {
        item.as_value().map_or(Self::Other("a table"), Self::from)
    }
}

/// As TOML, on one line.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(out, "{}", one_line(text)),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Boolean(truth) => write!(out, "{truth}"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_string).collect();
                write!(out, "[{}]", items.join(", "))
            }
            Self::Other(name) => out.write_str(name),
        }
    }
}

/// A TOML string that never spans lines: `toml_edit` would choose `"""` where there are
/// line breaks.
fn one_line(text: &str) -> String {
    if text.chars().any(char::is_control) {
        let escaped: String = text
            .chars()
            .map(|letter| match letter {
                '"' => "\\\"".to_owned(),
                '\\' => "\\\\".to_owned(),
                letter if letter.is_control() => format!("\\u{:04X}", u32::from(letter)),
                letter => letter.to_string(),
            })
            .collect();
        return format!("\"{escaped}\"");
    }
    toml_edit::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::Value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_written_on_one_line_and_read_back(text in any::<String>()) {
            let written = Value::Text(text.clone()).to_string();
            prop_assert!(!written.contains('\n'));
            let read = written.parse::<toml_edit::Value>().map_err(|error| error.to_string());
            prop_assert_eq!(read.as_ref().map(|value| value.as_str()), Ok(Some(text.as_str())));
        }
    }
}
