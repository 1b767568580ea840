//! Issuers of tokens and roles.

use super::Given;
use crate::jwt::Source;
use jsonwebtoken::Algorithm;
use std::time::Duration;

const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const SECRET: &str = "hush hush hush hush hush hush hush hush";

/// An issuer whose keys come from somewhere.
fn issuer(source: &str) -> String {
    format!(
        "[jwt.login]\nissuer = \"https://login.example.com\"\naudience = \"memberd\"\n{source}\n\
         [roles.editor]\nscopes = [\"members:read\"]\n"
    )
}

#[test]
fn an_issuer_and_its_roles_are_read() {
    let given = Given::nothing();
    let file = given.beside("keys.json", SET).display().to_string();
    let text = issuer(&format!("jwks_file = {file:?}")) + "needs_creator = true\n";
    let config = Given::file(&text).load().config;
    let issuer = &config.jwt[0];
    assert_eq!(
        (issuer.issuer.as_str(), issuer.audience.as_str()),
        ("https://login.example.com", "memberd")
    );
    assert_eq!(issuer.organization, "default");
    assert_eq!(issuer.age_max, Duration::from_hours(1));
    assert_eq!(
        (issuer.roles_claim.as_str(), issuer.creator_claim.as_str()),
        ("roles", "creator_id")
    );
    assert!(matches!(issuer.source, Source::Set(_)));
    assert!(config.roles["editor"].needs_creator);
    let shared = issuer_with_secret(SECRET).load();
    assert_eq!(shared.config.jwt[0].algorithms, [Algorithm::HS256]);
    assert!(!format!("{shared:?}").contains("hush"));
    let nothing = Given::nothing().load();
    assert!(nothing.config.jwt.is_empty() && nothing.config.roles.is_empty());
}

fn issuer_with_secret(secret: &str) -> Given {
    Given::file(&issuer(&format!(
        "secret = {secret:?}\nalgorithms = [\"HS256\"]"
    )))
}

#[test]
fn an_issuer_that_could_not_be_trusted_is_refused() {
    for (source, want) in [
        (
            "",
            "jwt.login.jwks_url = \"\" is not set, nor is any other source of keys",
        ),
        (
            "jwks_url = \"http://keys.example.com/\"",
            "could be answered by anybody on the way",
        ),
        (
            "jwks_url = \"https://a.example/\"\nsecret = \"hush\"",
            "is set, and so is secret",
        ),
        (
            "jwks_url = \"https://a.example/\"\nalgorithms = [\"HS256\"]",
            "do not go with the keys",
        ),
        (
            "jwks_url = \"https://a.example/\"\nalgorithms = [\"RS256\", \"HS256\"]",
            "do not go with the keys",
        ),
        (
            "jwks_url = \"https://a.example/\"\nalgorithms = []",
            "is empty",
        ),
        (
            "jwks_url = \"https://a.example/\"\nalgorithms = [\"none\"]",
            "is not known; write one of EdDSA, ES256",
        ),
        (
            "secret = \"hush hush hush hush hush hush hush hush\"",
            "do not go with the keys",
        ),
        (
            "secret = \"hush\"\nalgorithms = [\"HS256\"]",
            "can be guessed",
        ),
        ("jwks_file = \"/absent\"", "cannot be read"),
        (
            "jwks_url = \"https://a.example/\"\norganization = \"acme\"",
            "is no organization of this configuration; name one of default",
        ),
        (
            "jwks_url = \"https://a.example/\"\nage_max = \"2d\"",
            "is out of range",
        ),
    ] {
        let lines = Given::file(&issuer(source)).lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(want), "{lines:?}");
        assert!(!lines[0].contains("hush"), "{lines:?}");
    }
}

#[test]
fn issuers_are_told_apart_by_what_their_tokens_say() {
    let empty = Given::file("[jwt.login]\njwks_url = \"https://a.example/\"\n");
    let lines = empty.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("is not set")),
        "{lines:?}"
    );
    let twice = issuer("jwks_url = \"https://a.example/\"").replace("login", "other");
    let twice = twice.replace("other.example.com", "login.example.com");
    let both = issuer("jwks_url = \"https://a.example/\"") + twice.split("[roles").next().unwrap();
    assert!(Given::file(&both).lines()[0].contains("is the audience of another table"));
    let name = Given::file(
        "[jwt.\"a b\"]\nissuer = \"a\"\naudience = \"b\"\njwks_url = \"https://a.example/\"\n",
    );
    assert!(
        name.lines()[0].contains("is not a name of an issuer"),
        "{:?}",
        name.lines()
    );
}

#[test]
fn a_role_has_scopes_that_are_known() {
    for (text, want) in [
        ("scopes = []", "roles.editor.scopes = [] is empty"),
        ("", "is empty"),
        (
            "scopes = [\"member:read\"]",
            "has `member:read`, which is no scope; did you mean members:read?",
        ),
    ] {
        let lines = Given::file(&format!("[roles.editor]\n{text}\n")).lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(want), "{lines:?}");
    }
    let without = Given::file(
        "[jwt.a]\nissuer = \"a\"\naudience = \"b\"\njwks_url = \"http://127.0.0.1:1/\"\n",
    )
    .load();
    assert!(
        without
            .warnings
            .iter()
            .any(|one| one.contains("no [roles.<id>]")),
        "{:?}",
        without.warnings
    );
}
