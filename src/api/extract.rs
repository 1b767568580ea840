//! Reading requests: like axum's extractors, but every refusal is a problem that names the field, and what is not
//! known is refused.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    code::Code,
    decode::{self, Fault},
    error::Problem,
    limits::{JSON_DEPTH_MAX, PARAMETER_CHARS_MAX},
    numbers,
    state::ApiState,
};

/// A JSON body, read or to be answered.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON body that may be left out or null: then everything is as by default.
#[derive(Debug)]
pub struct MaybeJson<T>(pub T);

/// Query parameters. Use [`NoQuery`] where there are none.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// Parameters in the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// No query parameters: any is unknown.
#[derive(Clone, Copy, Debug)]
pub struct NoQuery;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<T: DeserializeOwned> FromRequest<ApiState> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(not_json());
        }
        let bytes = body(request, state.limits.body_bytes).await?;
        read(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<ApiState> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let typed = is_json(&request);
        let bytes = body(request, state.limits.body_bytes).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !typed {
            return Err(not_json());
        }
        let body: Option<T> = read(&bytes)?;
        Ok(Self(body.unwrap_or_default()))
    }
}

fn not_json() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        "send `Content-Type: application/json`",
    )
    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(Code::InvalidJson, error.to_string()))?;
    if !numbers::are_exact(bytes) {
        let detail = "the body has a number that would be rounded, because it is longer than a floating point number of 64 bits: write it as a text";
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    tidy(&mut value, JSON_DEPTH_MAX)?;
    decode::from_json(value).map_err(refuse_field)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let pairs: axum::extract::Query<Vec<(String, String)>> =
            axum::extract::Query::try_from_uri(&parts.uri)
                .map_err(|rejection| Problem::new(Code::InvalidRequest, rejection.body_text()))?;
        let mut texts = serde_json::Map::new();
        for (name, text) in pairs.0 {
            check_text(&text).map_err(|detail| {
                Problem::field(Code::InvalidRequest, format!("?{name}"), detail)
            })?;
            if texts.insert(name.clone(), text.into()).is_some() {
                let detail = "this parameter is given twice";
                return Err(Problem::field(
                    Code::InvalidRequest,
                    format!("?{name}"),
                    detail,
                ));
            }
        }
        decode::from_texts(texts)
            .map(Self)
            .map_err(refuse_parameter)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::<Nothing>::from_request_parts(parts, state)
            .await
            .map(|_| Self)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unreadable = |detail: String| Problem::new(Code::InvalidRequest, detail);
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|rejection| unreadable(rejection.body_text()))?;
        for (name, text) in &raw {
            check_text(text)
                .map_err(|detail| unreadable(format!("path parameter {name}: {detail}")))?;
        }
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|rejection| unreadable(rejection.body_text()))
    }
}

fn is_json(request: &Request) -> bool {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The whole body, unless it is larger than `limit` bytes.
pub async fn body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            Code::PayloadTooLarge,
            format!("the body has more than {limit} bytes"),
        )
    };
    let limited = http_body_util::Limited::new(request.into_body(), limit);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(
            Code::InvalidRequest,
            "the body ended before it was complete",
        )),
    }
}

/// Checks depth and texts; numbers without a fraction become whole numbers, because JSON has only one sort.
fn tidy(value: &mut Value, depth: usize) -> Result<(), Problem> {
    if depth == 0 && matches!(value, Value::Array(_) | Value::Object(_)) {
        return Err(Problem::new(
            Code::InvalidJson,
            format!("the body is more than {JSON_DEPTH_MAX} levels deep"),
        ));
    }
    let no_nul = |text: &str| {
        if text.contains('\0') {
            let detail = "texts must not contain the character U+0000";
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        Ok(())
    };
    match value {
        Value::String(text) => no_nul(text),
        Value::Array(items) => items.iter_mut().try_for_each(|item| tidy(item, depth - 1)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, field)| {
            no_nul(name)?;
            tidy(field, depth - 1)
        }),
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *value = whole.into();
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

/// The whole number that a floating one means.
fn whole(number: &serde_json::Number) -> Option<i64> {
    /// Beyond this, floating point has gaps.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if !number.is_f64() {
        return None;
    }
    let float = number.as_f64().filter(|n| n.abs() <= EXACT_MAX)?;
    (float.fract() == 0.0).then(|| format!("{float:.0}").parse().ok())?
}

fn check_text(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("the character U+0000 is not allowed".to_owned());
    }
    if text.chars().count() > PARAMETER_CHARS_MAX {
        return Err(format!(
            "at most {PARAMETER_CHARS_MAX} characters are allowed"
        ));
    }
    Ok(())
}

fn refuse_field(fault: Fault) -> Problem {
    let field = fault.into_field("#");
    Problem::field(field.code, field.pointer, field.detail)
}

/// A query's parameters are flat, so the pointer is the name.
fn refuse_parameter(fault: Fault) -> Problem {
    let name = fault.pointer.trim_start_matches('/').to_owned();
    let code = match fault.code {
        Code::InvalidRequest if name != "limit" => Code::InvalidFilter,
        code => code,
    };
    Problem::field(code, format!("?{name}"), fault.detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    #[test]
    fn bodies_may_be_as_deep_as_the_limit_and_no_deeper() {
        assert!(tidy(&mut nested(JSON_DEPTH_MAX), JSON_DEPTH_MAX).is_ok());
        let refused = tidy(&mut nested(JSON_DEPTH_MAX + 1), JSON_DEPTH_MAX).unwrap_err();
        assert_eq!(refused.code, Code::InvalidJson);
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        let mut value = json!({"a": 94.0, "b": [1e3, -0.0], "c": 1.5, "d": 1e300});
        tidy(&mut value, JSON_DEPTH_MAX).unwrap();
        assert_eq!(
            value,
            json!({"a": 94, "b": [1000, 0], "c": 1.5, "d": 1e300})
        );
    }

    #[test]
    fn texts_that_postgresql_cannot_store_are_refused() {
        assert!(tidy(&mut json!({"a": ["x\0"]}), JSON_DEPTH_MAX).is_err());
        assert!(tidy(&mut json!({"x\0": 1}), JSON_DEPTH_MAX).is_err());
        assert!(check_text("a\0b").is_err());
        assert!(check_text(&"x".repeat(PARAMETER_CHARS_MAX + 1)).is_err());
    }
}
