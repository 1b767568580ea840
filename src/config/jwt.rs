//! `[jwt.<id>]` and `[roles.<id>]`: whose tokens are taken, and what their roles may do.

use super::file::read_text;
use super::problem::Fault;
use super::reader::{Reader, Section};
use super::typed::{boolean, duration, list, one_of, text, url};
use crate::jwt::{IssuerOptions, Role, SECRET_BYTES_MIN, SET_BYTES_MAX, Set, Source};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use memberd_jobs::access::{Scope, Scopes};
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

/// The keys that say where an issuer's keys are.
const SOURCES: [&str; 4] = ["jwks_url", "jwks_file", "secret", "secret_file"];

/// Every issuer. Without keys that can be used it is left out, and reported.
pub(super) fn issuers(reader: &mut Reader<'_>) -> Vec<IssuerOptions> {
    let organizations = reader.names("organizations");
    let ids = reader.names("jwt");
    if !ids.is_empty() && reader.names("roles").is_empty() {
        let what = "are taken, but no [roles.<id>] says what their roles may do";
        reader.warnings.push(format!("jwt: tokens {what}"));
    }
    let mut pairs = BTreeSet::new();
    let mut found = Vec::new();
    for id in ids {
        let mut section = reader.section(&["jwt", &id]);
        let Some(options) = issuer(&id, &mut section) else {
            continue;
        };
        if !organizations.contains(&options.organization) {
            let fix = format!("name one of {}", organizations.join(", "));
            let fault = Fault::new("is no organization of this configuration", fix);
            section.problem("organization", fault);
        }
        if !pairs.insert((options.issuer.clone(), options.audience.clone())) {
            let fix = "give each table an audience of its own";
            let fault = Fault::new("is the audience of another table with this issuer", fix);
            section.problem("audience", fault);
        }
        found.push(options);
    }
    found
}

fn issuer(id: &str, section: &mut Section<'_, '_>) -> Option<IssuerOptions> {
    for name in ["issuer", "audience"] {
        if !section.is_given(name) {
            let fix = "write what the tokens say there; without it, anybody's tokens would do";
            section.problem(name, Fault::new("is not set", fix));
        }
    }
    let algorithms = section.required("algorithms", |value, kind| {
        list(value, kind, one_of::<Algorithm>)
    });
    Some(IssuerOptions {
        id: id.to_owned(),
        issuer: section.required("issuer", text),
        audience: section.required("audience", text),
        organization: section.required("organization", text),
        age_max: section.required("age_max", duration),
        roles_claim: section.required("roles_claim", text),
        creator_claim: section.required("creator_claim", text),
        source: source(section, &algorithms)?,
        algorithms,
    })
}

/// Where the keys are, and whether the algorithms can use them.
fn source(section: &mut Section<'_, '_>, algorithms: &[Algorithm]) -> Option<Source> {
    let given: Vec<_> = SOURCES
        .into_iter()
        .filter(|name| section.is_given(name))
        .collect();
    let name = match given[..] {
        [name] => name,
        [] => {
            let fix = "set jwks_url or jwks_file, or secret_file for HS256";
            section.problem(
                "jwks_url",
                Fault::new("is not set, nor is any other source of keys", fix),
            );
            return None;
        }
        [name, ..] => {
            let what = format!("is set, and so is {}", given[1]);
            section.problem(name, Fault::new(what, "set one of them"));
            return None;
        }
    };
    let is_shared = name.starts_with("secret");
    let is_hmac = |algorithm: &Algorithm| algorithm.family() == AlgorithmFamily::Hmac;
    if algorithms.is_empty() || algorithms.iter().any(|one| is_hmac(one) != is_shared) {
        let fix =
            "HS256 goes with a secret, and with nothing else; the others go with a set of keys";
        section.problem("algorithms", Fault::new("do not go with the keys", fix));
    }
    match name {
        "jwks_url" => {
            let url = section.optional("jwks_url", url)?;
            if !is_safe(&url) {
                let fix = "use https; http is for addresses of this machine";
                section.problem(
                    "jwks_url",
                    Fault::new("could be answered by anybody on the way", fix),
                );
            }
            Some(Source::Url(url))
        }
        "jwks_file" => set(section).map(Source::Set),
        _ => secret(section),
    }
}

fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host
        .parse()
        .is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "https" || is_loopback
}

fn set(section: &mut Section<'_, '_>) -> Option<Set> {
    let path = section.optional("jwks_file", text)?;
    let bytes = u64::try_from(SET_BYTES_MAX).unwrap_or(u64::MAX);
    let read = read_text(Path::new(&path), bytes)
        .map_err(|error| format!("cannot be read: {error}"))
        .and_then(|text| Set::parse(&text).map_err(|why| format!("is no set of keys: {why}")));
    match read {
        Ok(set) => Some(set),
        Err(what) => {
            let fix = "write a JSON Web Key Set (RFC 7517) into the file";
            section.problem("jwks_file", Fault::new(what, fix));
            None
        }
    }
}

fn secret(section: &mut Section<'_, '_>) -> Option<Source> {
    let secret = section.secret("secret")?;
    if secret.text.len() < SECRET_BYTES_MIN {
        let fix = format!(
            "use at least {SECRET_BYTES_MIN} random bytes, such as those of `openssl rand -base64 48`"
        );
        section.problem(&secret.twin.name(), Fault::new("can be guessed", fix));
    }
    Some(Source::Secret(secret.into()))
}

/// Every role by its name.
pub(super) fn roles(reader: &mut Reader<'_>) -> BTreeMap<String, Role> {
    let names = reader.names("roles");
    let role = |name: String| {
        let mut section = reader.section(&["roles", &name]);
        let role = Role {
            scopes: scopes(&mut section),
            needs_creator: section.required("needs_creator", boolean),
        };
        (name, role)
    };
    names.into_iter().map(role).collect()
}

fn scopes(section: &mut Section<'_, '_>) -> Scopes {
    let words = section.optional("scopes", |value, kind| list(value, kind, text));
    let words = words.unwrap_or_default();
    if !section.is_given("scopes") {
        let fix = "name what the role may do, such as members:read";
        section.problem("scopes", Fault::new("is empty", fix));
    }
    let unknown = words.iter().find(|word| Scope::parse(word).is_none());
    if let Some(word) = unknown {
        let near = Scope::ALL
            .into_iter()
            .min_by_key(|scope| strsim::damerau_levenshtein(scope.as_str(), word));
        let near = near.map_or_else(String::new, |scope| format!("did you mean {scope}?"));
        section.problem(
            "scopes",
            Fault::new(format!("has `{word}`, which is no scope"), near),
        );
    }
    words.iter().filter_map(|word| Scope::parse(word)).collect()
}
