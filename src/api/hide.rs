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

/// Whether nothing before this letter is of the address that follows it. What else may stand in the part before the `@` is too
/// much to tell it from a text, so rather too much is left out.
fn begins_address(letter: char) -> bool {
    letter.is_whitespace() || "\"<(,;:".contains(letter)
}

fn without_addresses(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('@') {
        let local = before.rsplit(begins_address).next().unwrap_or_default();
        let local = local.trim_start_matches(['\'', '`']);
        let end = domain(after);
        if local.is_empty() || end == 0 {
            shown.push_str(before);
            shown.push('@');
            rest = after;
        } else {
            shown.push_str(before.strip_suffix(local).unwrap_or_default());
            shown.push_str(HIDDEN);
            rest = &after[end..];
        }
    }
    shown.push_str(rest);
    shown
}

/// The length of the domain with which a text begins: a name, or numbers in brackets.
fn domain(text: &str) -> usize {
    if text.starts_with('[') {
        return text.find(']').map_or(text.len(), |end| end + 1);
    }
    let ends = |letter: char| !letter.is_alphanumeric() && !matches!(letter, '.' | '-');
    let name = &text[..text.find(ends).unwrap_or(text.len())];
    name.trim_end_matches('.').len()
}

/// The same of a pointer into a body, whose parts callers may have named.
pub(super) fn hide_in_pointer(pointer: &str) -> String {
    let parts: Vec<String> = pointer.split('/').map(hide).collect();
    parts.join("/")
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
            ("/v1/jane@example.com/x".to_owned(), "…/x"),
            (
                "jane.doe/crm@example.com, jane.doe=@example.com".to_owned(),
                "…, …",
            ),
            ("to jane@[127.0.0.1]!".to_owned(), "to …!"),
            (
                "'o'brien@example.com' and `a?{b}&#@c`.".to_owned(),
                "'…' and `…`.",
            ),
            ("ask a@example.com.".to_owned(), "ask …."),
            ("x@jane@example.com".to_owned(), "…@example.com"),
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
        assert_eq!(hide_in_pointer("#/meta/jane@example.com/0"), "#/meta/…/0");
    }

    proptest! {
        #[test]
        fn no_address_is_left_whatever_stands_around_it(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let text = format!("{before}jane@example.com{after}");
            prop_assert!(!hide(&text).contains("jane@"));
        }
    }
}
