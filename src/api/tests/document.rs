//! The description of the API: complete, committed, and true about who may use what.

use axum::{body::Body, http::Method};
use memberd_jobs::{access::Scope, both};
use serde_json::{Value, json};

use super::support::{App, request};
use crate::api::{errors_markdown, openapi_text};

/// Method, path and operation of every endpoint.
pub(super) fn operations() -> Vec<(Method, String, Value)> {
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            found.push((method, path.clone(), operation.clone()));
        }
    }
    assert!(found.len() > 20, "only {} operations", found.len());
    found
}

fn committed(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_default()
}

fn scope(operation: &Value) -> Option<Scope> {
    operation["security"][0]["key"][0]
        .as_str()
        .map(|word| Scope::parse(word).unwrap())
}

fn filled(path: &str) -> String {
    path.replace("{id}", "none")
        .replace("{grant_id}", "none")
        .replace("{queue}", "email")
        .replace("{schedule}", "none")
}

#[test]
fn the_committed_description_is_this_one() {
    let file = committed("docs/openapi.json");
    assert!(
        file == openapi_text(),
        "docs/openapi.json is not what the code says: run ./dev gen"
    );
}

#[test]
fn the_committed_list_of_error_codes_is_this_one() {
    let file = committed("docs/errors.md");
    assert!(
        file == errors_markdown(),
        "docs/errors.md is not what the code says: run ./dev gen"
    );
}

#[test]
fn every_operation_is_described() {
    for (method, path, operation) in operations() {
        let place = format!("{method} {path}");
        for field in ["operationId", "summary", "description"] {
            let text = operation[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{place} lacks {field}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')));
        for (status, response) in responses {
            let about = response["description"].as_str().unwrap_or_default();
            assert!(!about.is_empty(), "{place} {status} lacks a description");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let about = parameter["description"].as_str().unwrap_or_default();
            assert!(!about.is_empty(), "{place} {parameter}");
        }
    }
}

#[test]
fn request_bodies_take_no_unknown_fields_and_have_an_example() {
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let schema = |reference: &Value| {
        let name = reference["$ref"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        document["components"]["schemas"][name].clone()
    };
    for (method, path, operation) in operations() {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        if body.is_null() {
            continue;
        }
        // A body that may be left out may be null, too.
        let body = body.get("oneOf").map_or(body, |either| &either[0]);
        let whole = schema(body);
        let has_example = !whole["example"].is_null() || !whole["examples"].is_null();
        assert!(has_example, "{method} {path}");
        let one_of = whole["oneOf"].as_array().map(|list| {
            let schemas = list.iter().map(|item| match item.get("$ref") {
                Some(_) => schema(item),
                None => item.clone(),
            });
            schemas.collect::<Vec<_>>()
        });
        for object in one_of.unwrap_or_else(|| vec![whole]) {
            assert_eq!(object["additionalProperties"], false, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn no_route_below_v1_works_without_a_key() {
    let app = App::new().await;
    for (method, path, operation) in operations() {
        let request = request(method.clone(), &filled(&path), "");
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        let open = operation["security"] == json!([]);
        assert_eq!(open, !path.starts_with("/v1/"), "{method} {path}");
        if open {
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
        } else {
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
            assert_eq!(answer.code(), "unauthorized");
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }
}

both! {
    async fn every_route_needs_its_own_scope_and_no_other(db: TestDb) {
        let app = App::on(db).await;
        for (method, path, operation) in operations() {
            let Some(scope) = scope(&operation) else {
                continue;
            };
            let others: Vec<_> = Scope::ALL.into_iter().filter(|s| *s != scope).collect();
            let lacking = app.key("default", &others).await;
            let having = app.key("default", &[scope]).await;
            let send = async |key: &str| {
                let request = request(method.clone(), &filled(&path), key);
                app.send(request.body(Body::empty()).unwrap()).await
            };
            let refused = send(&lacking).await;
            assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text);
            assert_eq!(refused.code(), "insufficient_scope");
            assert!(refused.text.contains(scope.as_str()), "{}", refused.text);
            let passed = send(&having).await;
            assert!(
                !matches!(passed.status.as_u16(), 401 | 403),
                "{method} {path}: {}",
                passed.text
            );
        }
    }
}

#[tokio::test]
async fn every_route_refuses_query_parameters_it_does_not_know() {
    let app = App::new().await;
    let key = app.admin().await;
    for (method, path, _) in operations() {
        let request = request(
            method.clone(),
            &format!("{}?nonsense=1", filled(&path)),
            &key,
        );
        let request = request.header("content-type", "application/json");
        let answer = app.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text);
        assert_eq!(answer.code(), "unknown_field", "{method} {path}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "?nonsense");
    }
}
