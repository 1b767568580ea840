//! Typed reading of request parameters.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::ApiError;

/// The parameters of a request or of one group in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    map: Map<String, Value>,
    /// Where the group stands, as `items[0]`; empty at the top.
    at: String,
}

impl Params {
    /// The parameters of a whole request.
    pub(crate) fn new(map: Map<String, Value>) -> Self {
        Self {
            map,
            at: String::new(),
        }
    }

    /// For callers inside the sandbox, who write parameters as JSON.
    pub(crate) fn from_json(value: Value) -> Self {
        match as_form(value) {
            Value::Object(map) => Self::new(map),
            _ => Self::default(),
        }
    }

    /// The full name of a parameter here, for error messages.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.at.is_empty() {
            key.to_owned()
        } else {
            format!("{}[{key}]", self.at)
        }
    }

    /// The group as it came, to be sent on to another route.
    pub(crate) fn as_json(&self) -> Value {
        Value::Object(self.map.clone())
    }

    /// Refuses every parameter that is not in the list. `expand` is always known.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self
            .map
            .keys()
            .find(|key| *key != "expand" && !known.contains(&key.as_str()))
        {
            Some(key) => Err(ApiError::unknown(&self.name(key))),
            None => Ok(()),
        }
    }

    /// Whether the parameter was sent.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// A text, also an empty one.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, ApiError> {
        match self.map.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::invalid(
                &self.name(key),
                format!("invalid string: {}", self.name(key)),
            )),
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required(&self, key: &str) -> Result<&str, ApiError> {
        self.text(key)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| ApiError::missing(&self.name(key)))
    }

    /// A text out of a closed list.
    pub(crate) fn one_of(&self, key: &str, allowed: &[&str]) -> Result<Option<&str>, ApiError> {
        match self.text(key)?.filter(|text| !text.is_empty()) {
            Some(text) if !allowed.contains(&text) => Err(ApiError::invalid(
                &self.name(key),
                format!(
                    "invalid {}: must be one of {}",
                    self.name(key),
                    allowed.join(", ")
                ),
            )),
            other => Ok(other),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(key)?.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let name = self.name(key);
            ApiError::bad_value(
                "parameter_invalid_integer",
                &name,
                format!("invalid integer: {text}"),
            )
        })
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.one_of(key, &["true", "false"])? {
            None => Ok(None),
            Some(text) => Ok(Some(text == "true")),
        }
    }

    /// A group such as `pause_collection[behavior]`. An empty text (which unsets the group) is
    /// `None`; ask [`Params::clears`].
    pub(crate) fn group(&self, key: &str) -> Result<Option<Self>, ApiError> {
        match self.map.get(key) {
            Some(Value::Object(map)) => Ok(Some(Self {
                map: map.clone(),
                at: self.name(key),
            })),
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(_) => Err(ApiError::invalid(
                &self.name(key),
                format!("invalid object: {}", self.name(key)),
            )),
        }
    }

    /// Whether the parameter was sent empty, which unsets the field.
    pub(crate) fn clears(&self, key: &str) -> bool {
        self.map.get(key).and_then(Value::as_str) == Some("")
    }

    /// A list of groups such as `items[0][price]`, by number.
    pub(crate) fn groups(&self, key: &str) -> Result<Vec<Self>, ApiError> {
        let Some(list) = self.group(key)? else {
            return Ok(Vec::new());
        };
        let bad = || ApiError::invalid(&list.at, format!("invalid array: {}", list.at));
        let mut sorted = BTreeMap::new();
        for (number, item) in &list.map {
            let number: u16 = number.parse().map_err(|_| bad())?;
            let map = item.as_object().ok_or_else(bad)?;
            sorted.insert(
                number,
                Self {
                    map: map.clone(),
                    at: list.name(&number.to_string()),
                },
            );
        }
        Ok(sorted.into_values().collect())
    }

    /// A list of texts: `types[]=a&types[]=b` or `types[0]=a`.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, ApiError> {
        let bad = || {
            ApiError::invalid(
                &self.name(key),
                format!("invalid array: {}", self.name(key)),
            )
        };
        let values: Vec<&Value> = match self.map.get(key) {
            None => Vec::new(),
            Some(Value::Array(list)) => list.iter().collect(),
            Some(Value::Object(map)) => map.values().collect(),
            Some(_) => return Err(bad()),
        };
        values
            .into_iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(bad))
            .collect()
    }

    /// Copies text fields into an object; an empty text unsets (`null`).
    pub(crate) fn copy_texts(&self, object: &mut Value, keys: &[&str]) -> Result<(), ApiError> {
        for key in keys {
            if let Some(text) = self.text(key)? {
                object[*key] = if text.is_empty() {
                    Value::Null
                } else {
                    json!(text)
                };
            }
        }
        Ok(())
    }

    /// Copies a group of texts (an address, say) as it is; an empty text unsets.
    pub(crate) fn copy_groups(&self, object: &mut Value, keys: &[&str]) -> Result<(), ApiError> {
        for key in keys {
            if self.clears(key) {
                object[*key] = Value::Null;
            } else if let Some(group) = self.group(key)? {
                merge(&mut object[*key], group.map);
            }
        }
        Ok(())
    }

    /// Merges `metadata`: an empty value removes its key, an empty `metadata` all of them.
    pub(crate) fn merge_metadata(&self, object: &mut Value) -> Result<(), ApiError> {
        if self.clears("metadata") {
            object["metadata"] = json!({});
        }
        let Some(group) = self.group("metadata")? else {
            return Ok(());
        };
        for (key, value) in &group.map {
            let text = group.text(key)?.unwrap_or_default();
            let Some(metadata) = object["metadata"].as_object_mut() else {
                continue;
            };
            if text.is_empty() {
                metadata.remove(key);
            } else {
                metadata.insert(key.clone(), value.clone());
            }
        }
        Ok(())
    }
}

/// Lays `group` over `target`, making an object of it when it is none.
fn merge(target: &mut Value, group: Map<String, Value>) {
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in group {
        match value {
            Value::Object(inner) => merge(&mut target[key], inner),
            Value::String(text) if text.is_empty() => target[key] = Value::Null,
            other => target[key] = other,
        }
    }
}

/// JSON as a form would carry it: every leaf a text, lists numbered, `null` empty.
fn as_form(value: Value) -> Value {
    match value {
        Value::Null => json!(""),
        Value::Bool(flag) => json!(flag.to_string()),
        Value::Number(number) => json!(number.to_string()),
        Value::String(_) => value,
        Value::Array(list) => {
            let numbered = list.into_iter().enumerate();
            numbered
                .map(|(at, item)| (at.to_string(), as_form(item)))
                .collect()
        }
        Value::Object(map) => map
            .into_iter()
            .map(|(key, item)| (key, as_form(item)))
            .collect(),
    }
}
