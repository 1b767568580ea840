//! Reading JSON bodies and queries of inspector routes; every refusal names the field.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};

use crate::{form, stripe::error::ApiError};

/// What was wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    field: String,
    message: String,
}

impl Refusal {
    /// 400 about a field.
    pub(crate) fn bad(field: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            field: field.to_owned(),
            message: message.into(),
        }
    }

    /// 404.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            field: String::new(),
            message: message.into(),
        }
    }
}

impl Refusal {
    /// For people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// As HTTP has it.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::bad(error.param.as_deref().unwrap_or_default(), error.message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let field = (!self.field.is_empty()).then_some(self.field);
        let body = json!({"error": {"field": field, "message": self.message}});
        answer(self.status, &body)
    }
}

/// A JSON answer.
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json");
    response
        .body(Body::from(body.to_string()))
        .unwrap_or_default()
}

/// The fields of a request.
#[derive(Debug)]
pub(crate) struct Input(Map<String, Value>);

impl Input {
    /// A JSON object; an empty body is an empty object.
    pub(crate) fn json(body: &[u8], known: &[&str]) -> Result<Self, Refusal> {
        let value = if body.is_empty() {
            Ok(json!({}))
        } else {
            serde_json::from_slice(body)
        };
        match value {
            Ok(Value::Object(map)) => Self(map).only(known),
            Ok(_) => Err(Refusal::bad("", "the body must be a JSON object")),
            Err(error) => Err(Refusal::bad("", format!("the body is not JSON: {error}"))),
        }
    }

    /// A query string.
    pub(crate) fn query(query: Option<&str>, known: &[&str]) -> Result<Self, Refusal> {
        let map = form::parse(query.unwrap_or_default());
        Self(map.map_err(|error| Refusal::bad("", error.to_string()))?).only(known)
    }

    fn only(self, known: &[&str]) -> Result<Self, Refusal> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                let message = format!("unknown field `{key}`: known are {}", known.join(", "));
                Err(Refusal::bad(key, message))
            }
            None => Ok(self),
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Refusal> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(other) => Err(Refusal::bad(
                key,
                format!("`{key}` must be a text, not {other}"),
            )),
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&self, key: &str) -> Result<String, Refusal> {
        self.text(key)?
            .ok_or_else(|| Refusal::bad(key, format!("`{key}` is missing")))
    }

    /// Texts.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let texts = value.as_array().and_then(|list| {
            list.iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        let message = format!("`{key}` must be a list of texts, not {value}");
        texts.map(Some).ok_or_else(|| Refusal::bad(key, message))
    }

    /// A whole number within bounds; queries carry it as text.
    pub(crate) fn integer(&self, key: &str, least: u64, most: u64) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        number
            .filter(|number| (least..=most).contains(number))
            .map(Some)
            .ok_or_else(|| {
                let message =
                    format!("`{key}` must be a whole number from {least} to {most}, not {value}");
                Refusal::bad(key, message)
            })
    }

    /// A share from 0 to 1.
    pub(crate) fn share(&self, key: &str) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let message = format!("`{key}` must be a number from 0 to 1, not {value}");
        let share = value.as_f64().filter(|share| (0.0..=1.0).contains(share));
        share.map(Some).ok_or_else(|| Refusal::bad(key, message))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, Refusal> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(Refusal::bad(
                key,
                format!("`{key}` must be true or false, not {other}"),
            )),
        }
    }

    /// One of the known names.
    pub(crate) fn named<T: Copy>(
        &self,
        key: &str,
        known: &[(&str, T)],
    ) -> Result<Option<T>, Refusal> {
        let Some(name) = self.text(key)? else {
            return Ok(None);
        };
        let found = known.iter().find(|(candidate, _)| *candidate == name);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(candidate, _)| *candidate).collect();
            Refusal::bad(
                key,
                format!(
                    "`{key}` must be one of {}, not \"{name}\"",
                    names.join(", ")
                ),
            )
        })
    }
}
