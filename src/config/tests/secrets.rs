//! Secrets: their twins, their checks, and that they are never shown.

use super::Given;
use crate::config::{check, show};
use secrecy::ExposeSecret;

/// Part of every secret in these tests.
const HUSH: &str = "hush";

#[test]
fn a_secret_is_read_from_its_file_without_the_last_line_break() {
    let given = Given::nothing();
    let key = given
        .beside("key", "sk_test_hush\r\n")
        .display()
        .to_string();
    let hooks = given
        .beside("hooks", "whsec_a\n\nwhsec_b\n")
        .display()
        .to_string();
    let url = given
        .beside("url", "postgres://u:hush@h/d\n")
        .display()
        .to_string();
    let config = given
        .environment("MEMBERD_STRIPE__SECRET_KEY_FILE", &key)
        .environment("MEMBERD_STRIPE__WEBHOOK_SECRETS_FILE", &hooks)
        .environment("MEMBERD_DATABASE__URL_FILE", &url)
        .load()
        .config;
    let stripe = &config.organizations["default"].stripe;
    assert_eq!(
        stripe.secret_key.as_ref().map(ExposeSecret::expose_secret),
        Some("sk_test_hush")
    );
    let hooks: Vec<&str> = stripe
        .webhook_secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(hooks, ["whsec_a", "whsec_b"]);
    assert_eq!(config.database.url.expose_secret(), "postgres://u:hush@h/d");
}

#[test]
fn both_twins_an_unreadable_file_and_an_empty_one_are_refused() {
    let given = Given::nothing();
    let empty = given.beside("empty", "\n").display().to_string();
    let key = given.beside("key", "sk_test_hush").display().to_string();
    let given = given
        .flag("stripe.secret_key", "sk_test_hush")
        .flag("stripe.secret_key_file", &key)
        .flag("stripe.webhook_secrets_file", "/absent/hooks")
        .flag("database.url_file", &empty);
    let lines = given.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].contains("database.url_file = \"empty\" names an empty file"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("is set, and so is stripe.secret_key"),
        "{lines:?}"
    );
    assert!(lines[2].contains("= \"/absent/hooks\" names a file that cannot be read: No such"));
}

#[test]
fn keys_and_signing_secrets_are_checked_by_their_beginnings() {
    for (key, livemode, want) in [
        (
            "sk_test_hush",
            "true",
            Some("is a test key, but livemode is true"),
        ),
        (
            "rk_test_hush",
            "true",
            Some("is a test key, but livemode is true"),
        ),
        (
            "sk_live_hush",
            "false",
            Some("is a live key, but livemode is false"),
        ),
        (
            "rk_live_hush",
            "false",
            Some("is a live key, but livemode is false"),
        ),
        ("pk_test_hush", "false", Some("is no secret key of Stripe")),
        ("sk_test_hush", "false", None),
        ("rk_live_hush", "true", None),
    ] {
        let given = Given::nothing()
            .flag("stripe.secret_key", key)
            .flag("stripe.livemode", livemode);
        let Some(want) = want else {
            given.load();
            continue;
        };
        let lines = given.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains(want) && !lines[0].contains(HUSH),
            "{}",
            lines[0]
        );
    }
    let lines = Given::nothing()
        .flag("stripe.webhook_secrets", "whsec_hush,hush")
        .lines();
    assert!(
        lines[0].contains("holds no signing secret of Stripe"),
        "{lines:?}"
    );
    assert!(!lines[0].contains(HUSH));
}

#[test]
fn a_mode_taken_from_the_top_is_checked_against_the_organizations_key() {
    let given = Given::nothing()
        .flag("stripe.livemode", "true")
        .flag("organizations.acme.stripe.secret_key", "sk_test_hush");
    let lines = given.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("organizations.acme.stripe.secret_key is a test key"),
        "{lines:?}"
    );
}

#[test]
fn a_live_key_is_never_sent_in_the_clear() {
    let given = Given::nothing()
        .flag("stripe.livemode", "true")
        .flag("stripe.api_base", "http://127.0.0.1:1/");
    assert!(given.lines()[0].contains("would send a live key without TLS"));
}

#[test]
fn nothing_that_prints_a_good_configuration_prints_a_secret() {
    let loaded = Given::file(
        "[stripe]\nsecret_key = \"sk_test_hush\"\nwebhook_secrets = [\"whsec_hush\"]\n",
    )
    .environment("MEMBERD_DATABASE__URL", "postgres://u:hush@h/d")
    .flag("organizations.acme.stripe.secret_key", "rk_test_hush")
    .load();
    let debug = format!("{loaded:?} {:?}", loaded.config);
    for text in [
        debug,
        show(&loaded),
        check(&loaded),
        loaded.warnings.join(" "),
    ] {
        assert!(!text.contains(HUSH), "{text}");
    }
}

#[test]
fn no_problem_prints_a_secret_not_even_in_the_wrong_place() {
    let given = Given::file(
        "[stripe]\nsecret_key = [\"sk_test_hush\"]\nwebhook_secrets = \"whsec_hush\"\n\
         secret_kye = \"sk_test_hush\"\naccount = \"sk_live_hush\"\n\
         [server]\npublic_url = \"https://u:hush@h/\"\n",
    )
    .environment("MEMBERD_DATABASE__URL", "postgres://u:hush@h:port/d")
    .environment("MEMBERD_STRIPE__SECRETKEY", "sk_test_hush")
    .flag("stripe.secret_key_file", "sk_test_hush");
    let problems = given.refused();
    assert!(problems.list().len() >= 7, "{problems}");
    assert!(!problems.to_string().contains(HUSH), "{problems}");
    assert!(!format!("{problems:?}").contains(HUSH), "{problems:?}");
}
