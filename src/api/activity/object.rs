//! Which object a call is about. Paths may hold what callers wrote, addresses among it (`ext:crm:jane@example.com`), so only
//! what has the form of an id or is a word of the API is taken from them.

use axum::{
    RequestExt as _,
    extract::{RawPathParams, Request},
};
use memberd_jobs::{
    access::{activity::Call, is_token_caller},
    kernel::queue::Queue,
};
use serde::Deserialize;

use crate::api::ApiState;

/// What ids in paths and answers begin with: ours, then Stripe's.
const PREFIXES: [&str; 15] = [
    "mem", "job", "key", "crt", "op", "gra", "whe", "whd", "sub", "prod", "price", "plan", "evt",
    "cs", "in",
];
/// Characters of an id that is written down; those of ours and of Stripe are shorter.
const ID_CHARS_MAX: usize = 100;

/// What the answer of a write tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Told {
    /// The object that it shows.
    id: Option<String>,
    /// The member whose object that is.
    member_id: Option<String>,
}

/// The ids of an answer: of an object, or of what is going to make it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    id: Option<String>,
    object_id: Option<String>,
    job_id: Option<String>,
    operation: Option<Operation>,
    operations: Vec<Operation>,
    member_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Operation {
    id: Option<String>,
}

impl Told {
    /// What a JSON answer tells of.
    pub(in crate::api) fn of(body: &str) -> Self {
        let shown: Shown = serde_json::from_str(body).unwrap_or_default();
        let id = |id: Option<String>| id.filter(|id| is_id(id));
        let first = |of: Vec<Operation>| of.into_iter().next().and_then(|one| one.id);
        let told = [
            shown.id,
            shown.object_id,
            shown.job_id,
            shown.operation.and_then(|one| one.id),
            first(shown.operations),
        ];
        Self {
            id: told.into_iter().find_map(id),
            member_id: id(shown.member_id),
        }
    }

    /// Completes a call: the path may have said less.
    pub(super) fn complete(self, call: &mut Call) {
        call.made_id = self.id.or_else(|| call.made_id.take());
        call.object_id = call.object_id.take().or(self.member_id);
    }
}

/// The objects that the path of a request names: the first, and where there are two, the last.
pub(super) async fn named(
    state: &ApiState,
    request: &mut Request,
) -> (Option<String>, Option<String>) {
    let Ok(parameters) = request.extract_parts::<RawPathParams>().await else {
        return (None, None);
    };
    let known = |(name, text): (&str, &str)| match name {
        "queue" => Queue::parse(text).is_some(),
        "schedule" => state.registry.schedules().any(|one| one.name == text),
        _ => is_id(text),
    };
    let mut named = parameters
        .iter()
        .map(|one| known(one).then(|| one.1.to_owned()));
    (named.next().flatten(), named.last().flatten())
}

/// Whether a text has the form of an id of ours or of Stripe's.
pub(crate) fn is_id(text: &str) -> bool {
    is_token_caller(text)
        || text.split_once('_').is_some_and(|(prefix, rest)| {
            // Stripe's sessions say of which mode they are.
            let modes = ["test_", "live_"].into_iter();
            let rest = modes
                .filter(|_| prefix == "cs")
                .find_map(|mode| rest.strip_prefix(mode))
                .unwrap_or(rest);
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
        for id in [
            "mem_01JAAAAAAAAAAAAAAAAAAAAAAA",
            "sub_1",
            "key_4fGh28Xq",
            "jwt:b9818fa3fc243c32401d60257cb8e35c",
        ] {
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
            "jwt:Jane",
            &secret,
            &format!("mem_{}", "x".repeat(101)),
        ] {
            assert!(!is_id(other), "{other}");
        }
        let told = Told::of(r#"{"id":"gra_1","member_id":"mem_1","a":2}"#);
        let id = |id: &str| Some(id.to_owned());
        assert_eq!((told.id, told.member_id), (id("gra_1"), id("mem_1")));
        for (body, made) in [
            (
                r#"{"url":"u","id":"cs_test_a1B2","operation":{"id":"op_1"}}"#,
                "cs_test_a1B2",
            ),
            (
                r#"{"url":null,"id":null,"operation":{"id":"op_1"}}"#,
                "op_1",
            ),
            (
                r#"{"object_id":"prod_1","operations":[{"id":"op_1"}]}"#,
                "prod_1",
            ),
            (
                r#"{"object_id":null,"operations":[{"id":"op_1"},{"id":"op_2"}]}"#,
                "op_1",
            ),
            (r#"{"job_id":"job_1"}"#, "job_1"),
        ] {
            assert_eq!(Told::of(body).id, id(made), "{body}");
        }
        for other in [
            "",
            "[]",
            "{}",
            r#"{"id":null}"#,
            r#"{"id":"a b","member_id":"jane"}"#,
        ] {
            assert_eq!(Told::of(other), Told::default(), "{other}");
        }
    }
}
