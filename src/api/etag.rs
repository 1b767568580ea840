//! Edits that hold only for what the caller has seen: `ETag` and `If-Match`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};

use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::{code::Code, error::Problem};

/// What the header looks like: `*`, or versions in quotes.
const TAGS: &str = r#"^(\*|(W/)?"[!#-+\--~]*"(, ?(W/)?"[!#-+\--~]*")*)$"#;

/// Versions of an object at which a request is to be carried out; `None`: at any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<Vec<String>>);

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(TAGS))
            .build();
        let header = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Versions at which this is to be done; at another, nothing is.",
            ))
            .schema(Some(schema))
            .example(Some("\"3b1f09aa6a6f625f30313b1f09aa6a6f\"".into()));
        vec![header.build()]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        read(&parts.headers).map(Self).ok_or_else(|| {
            let detail = "If-Match must be `*` or a list of ETags in quotes, as answers have them";
            Problem::new(Code::InvalidRequest, detail)
        })
    }
}

/// What the header says; `None` when it says nothing readable. A weak tag is never the same as ours (RFC 9110, section
/// 13.1.1), so it is a version that nothing has.
#[expect(
    clippy::option_option,
    reason = "unreadable, any version, and some versions are three things"
)]
fn read(headers: &HeaderMap) -> Option<Option<Vec<String>>> {
    let mut versions = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        for tag in value.to_str().ok()?.split(',') {
            let tag = tag.trim();
            if tag == "*" {
                return Some(None);
            }
            let strong = tag.strip_prefix("W/").unwrap_or(tag);
            let inner = strong.strip_prefix('"')?.strip_suffix('"')?;
            versions.push(if strong == tag { inner } else { tag }.to_owned());
        }
    }
    Some((!versions.is_empty()).then_some(versions))
}

/// Writes the version of an answer's object into its headers.
pub fn tag(headers: &mut HeaderMap, version: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        headers.insert(header::ETAG, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&'static str]) -> Option<IfMatch> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_static(line));
        }
        read(&headers).map(IfMatch)
    }

    #[test]
    fn versions_are_read_from_the_header() {
        let some = |versions: &[&str]| {
            let versions = versions.iter().map(|version| (*version).to_owned());
            Some(IfMatch(Some(versions.collect())))
        };
        assert_eq!(of(&[]), Some(IfMatch(None)));
        assert_eq!(of(&["*"]), Some(IfMatch(None)));
        assert_eq!(of(&["\"a\", \"b\"", "\"c\""]), some(&["a", "b", "c"]));
        assert_eq!(of(&["W/\"a\""]), some(&["W/\"a\""]));
        for unreadable in ["a", "\"a", "", "\"a\" \"b\"x"] {
            assert_eq!(of(&[unreadable]), None, "{unreadable}");
        }
    }
}
