//! What no error text repeats, although a caller has written it: keys, tokens, signing secrets and addresses. Error texts end in
//! the logs of callers, where nobody looks for them.

/// What secrets begin with: ours, then Stripe's.
const SECRETS: [&str; 7] = [
    "mbd_live_",
    "mbd_test_",
    "whsec_",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
];

/// What a token begins with: an object's bracket and quotation mark in Base64.
const TOKEN: &str = "eyJ";

/// What stands for what is left out.
const HIDDEN: &str = "…";

/// The text without secrets and addresses.
pub(super) fn hide(text: &str) -> String {
    let mut shown = without_tokens(text);
    for secret in SECRETS {
        shown = after_each(&shown, secret);
    }
    without_addresses(&shown)
}

/// Leaves out what follows each `mark`, as far as it may be of a secret.
fn after_each(text: &str, mark: &str) -> String {
    let mut parts = text.split(mark);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(mark);
        let end = part.find(|letter: char| {
            !letter.is_ascii_alphanumeric() && !matches!(letter, '_' | '-' | '+' | '/' | '=')
        });
        let (secret, rest) = part.split_at(end.unwrap_or(part.len()));
        shown.push_str(if secret.is_empty() { "" } else { HIDDEN });
        shown.push_str(rest);
    }
    shown
}

/// Leaves out what begins like a token, whole or cut, up to its end.
fn without_tokens(text: &str) -> String {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '_' | '-' | '.');
    let shown = text.split_inclusive(ends).map(|word| {
        let rest = word.strip_prefix(TOKEN);
        rest.map_or_else(
            || word.to_owned(),
            |rest| {
                let end = rest.trim_start_matches(|letter| !ends(letter));
                format!("{TOKEN}{HIDDEN}{end}")
            },
        )
    });
    shown.collect()
}

/// Whether a letter may not be of an address, as far as it can be told in the middle of a text.
fn ends_address(letter: char) -> bool {
    letter.is_whitespace() || "\"'`<>()[]{},;:/?#&=\\".contains(letter)
}

fn without_addresses(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(ends_address) {
        let (word, end) = match word.chars().next_back().filter(|last| ends_address(*last)) {
            Some(last) => word.split_at(word.len() - last.len_utf8()),
            None => (word, ""),
        };
        let is_address = word
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        shown.push_str(if is_address { HIDDEN } else { word });
        shown.push_str(end);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_secrets_and_addresses_are_left_out_and_nothing_else() {
        let key = format!("mbd_test_4fGh28Xq_{}_123456", "x".repeat(43));
        for (text, shown) in [
            (
                format!("there is no key {key}"),
                "there is no key mbd_test_…",
            ),
            (
                format!("?{key}: `{key}` is unknown"),
                "?mbd_test_…: `mbd_test_…` is unknown",
            ),
            (
                "no endpoint whsec_ab/c+d=".to_owned(),
                "no endpoint whsec_…",
            ),
            (
                "there is no job eyJhbGci.eyJzdWIi.c2ln-_X, nor /eyJhbGci".to_owned(),
                "there is no job eyJ…, nor /eyJ…",
            ),
            ("sk_live_abc, rk_test_1".to_owned(), "sk_live_…, rk_test_…"),
            (
                "there is no member ext:crm:jane@example.com".to_owned(),
                "there is no member ext:crm:…",
            ),
            (
                "`jörg+x@bücher.example` <a@b>, c@d".to_owned(),
                "`…` <…>, …",
            ),
            ("/v1/jane@example.com/x".to_owned(), "/v1/…/x"),
        ] {
            assert_eq!(hide(&text), shown, "{text}");
        }
        for same in [
            "",
            "@",
            "a @ b",
            "no keyJob: `monkeyJane`",
            "member mem_01J has no grant gra_1",
            "send `Authorization: Bearer mbd_…`",
            "#/foreign_keys/0",
        ] {
            assert_eq!(hide(same), same);
        }
    }

    proptest! {
        #[test]
        fn no_address_is_left_whatever_stands_around_it(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let text = format!("{before} jane@example.com {after}");
            prop_assert!(!hide(&text).contains("jane@"));
        }
    }
}
