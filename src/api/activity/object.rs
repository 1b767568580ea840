//! Which object a call is about. Paths may hold what callers wrote, addresses among it (`ext:crm:jane@example.com`), so only
//! what has the form of an id or is a word of the API is taken from them.

use axum::{
    RequestExt as _,
    extract::{RawPathParams, Request},
};
use memberd_jobs::kernel::queue::Queue;
use serde::Deserialize;

use crate::api::ApiState;

/// What ids in paths and answers begin with: ours, then Stripe's.
const PREFIXES: [&str; 15] = [
    "mem", "job", "key", "crt", "op", "gra", "whe", "whd", "sub", "prod", "price", "plan", "evt",
    "cs", "in",
];
/// Characters of an id that is written down; those of ours and of Stripe are shorter.
const ID_CHARS_MAX: usize = 100;

/// The object that the answer of a write tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Made(pub(in crate::api) String);

impl Made {
    /// The object that a JSON answer shows.
    pub(in crate::api) fn of(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Shown {
            id: Option<String>,
        }
        let shown: Shown = serde_json::from_str(body).ok()?;
        shown.id.filter(|id| is_id(id)).map(Self)
    }
}

/// The object that the path of a request names, the last one where there are several.
pub(super) async fn named(state: &ApiState, request: &mut Request) -> Option<String> {
    let parameters: RawPathParams = request.extract_parts().await.ok()?;
    let (name, text) = parameters.iter().last()?;
    let known = match name {
        "queue" => Queue::parse(text).is_some(),
        "schedule" => state.registry.schedules().any(|one| one.name == text),
        _ => is_id(text),
    };
    known.then(|| text.to_owned())
}

fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(prefix, rest)| {
        PREFIXES.contains(&prefix)
            && (1..=ID_CHARS_MAX).contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_form_of_an_id_is_taken() {
        for id in ["mem_01JAAAAAAAAAAAAAAAAAAAAAAA", "sub_1", "key_4fGh28Xq"] {
            assert!(is_id(id), "{id}");
        }
        let secret = format!("mbd_test_4fGh28Xq_{}_123456", "x".repeat(43));
        for other in [
            "",
            "mem_",
            "mem",
            "ext:crm:jane@example.com",
            "mem_jane@example.com",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "sk_test_1",
            "Jane",
            &secret,
            &format!("mem_{}", "x".repeat(101)),
        ] {
            assert!(!is_id(other), "{other}");
        }
        assert_eq!(
            Made::of(r#"{"id":"mem_1","a":2}"#),
            Some(Made("mem_1".to_owned()))
        );
        for other in ["", "[]", "{}", r#"{"id":null}"#, r#"{"id":"a b"}"#] {
            assert_eq!(Made::of(other), None, "{other}");
        }
    }
}
