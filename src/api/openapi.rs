//! The OpenAPI document: what the endpoints say about themselves, and what is true of all of them.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::middleware::from_fn;
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        Components, Content, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi,
        Ref, RefOr, ResponseBuilder, Type,
        path::{Operation, Parameter, PathItem},
        schema::{ArrayItems, Object, Schema},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        server::ServerBuilder,
        tag::TagBuilder,
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{
    auth::Gate, code::Code, error::ProblemBody, limits::PARAMETER_CHARS_MAX, once::IDEMPOTENCY_KEY,
    router, state::ApiState, words::NO_NUL,
};

/// The name of the security scheme.
const KEY: &str = "key";

const ABOUT: &str = "The control API of memberd.\n\n\
    Every route below `/v1` needs `Authorization: Bearer mbd_…`; the organization comes from the key. Lists are pages, \
    newest first, with `limit` and an opaque `cursor`. Times are RFC 3339 in UTC. Errors are `application/problem+json`, \
    also for unknown paths, wrong methods and oversized bodies; their codes are a closed list. Unknown fields and \
    unknown query parameters are refused. `X-Request-Id` is on every answer and may be sent. A key may be narrowed to one \
    creator: it uses only the routes that say so, and other creators' members are not there for it.";

const GROUPS: [(&str, &str); 21] = [
    ("open", "What needs no key."),
    ("info", "About this installation and the key."),
    ("jobs", "Units of work that survive a restart."),
    ("queues", "The lanes jobs wait in."),
    ("schedules", "Jobs that start by the clock."),
    ("nodes", "The processes of this installation."),
    ("members", "Who the members are and what they may use."),
    ("creators", "Those whose members they are."),
    ("tiers", "Stripe's products as members see them."),
    ("plans", "Stripe's prices, by which tiers are sold."),
    ("coupons", "What makes plans cheaper."),
    ("subscriptions", "Subscriptions as Stripe has them."),
    (
        "operations",
        "What is written to Stripe, and what came of it.",
    ),
    ("invoices", "Invoices as Stripe has them."),
    ("purchases", "What was paid."),
    ("engagement", "What members do, and how engaged they are."),
    ("sync", "How the mirror of Stripe is doing."),
    ("stripe-events", "What Stripe told us."),
    (
        "webhooks",
        "Events sent to the servers of others, and what came of it.",
    ),
    ("keys", "Who may call the API."),
    ("activity", "What was called."),
];

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut document = serde_json::to_value(openapi()).unwrap_or_default();
    bound_texts(&mut document);
    bound_parameters(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
});

/// Says of every text that has no closer description what no text may contain.
fn bound_texts(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_text = match object.get("type") {
                Some(Value::String(kind)) => kind == "string",
                Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
                _ => false,
            };
            let closer = ["pattern", "enum", "format"];
            if is_text && closer.iter().all(|word| !object.contains_key(*word)) {
                object.insert("pattern".to_owned(), NO_NUL.into());
            }
            let parts = object.iter_mut();
            parts
                .filter(|(name, _)| !matches!(name.as_str(), "example" | "examples" | "default"))
                .for_each(|(_, part)| bound_texts(part));
        }
        Value::Array(parts) => parts.iter_mut().for_each(bound_texts),
        _ => {}
    }
}

/// The document.
fn openapi() -> OpenApi {
    let mut document = router::endpoints().into_openapi();
    document.info = InfoBuilder::new()
        .title("memberd")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(
            LicenseBuilder::new()
                .name("MIT OR Apache-2.0")
                .identifier(Some("MIT OR Apache-2.0"))
                .build(),
        ))
        .build();
    let here = ServerBuilder::new()
        .url("/")
        .description(Some("The installation that answers this document."));
    document.servers = Some(vec![here.build()]);
    document.tags = Some(
        GROUPS
            .map(|(name, about)| {
                TagBuilder::new()
                    .name(name)
                    .description(Some(about))
                    .build()
            })
            .to_vec(),
    );
    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas = Vec::new();
    ProblemBody::schemas(&mut schemas);
    schemas.push((
        ProblemBody::name().into_owned(),
        <ProblemBody as utoipa::PartialSchema>::schema(),
    ));
    components.schemas.extend(schemas);
    for (name, schema) in &mut components.schemas {
        if let (Some(row), RefOr::T(Schema::Object(page))) = (name.strip_prefix("Page_"), schema) {
            name_rows(page, row);
        }
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("mbd_<live|test>_<id>_<secret>_<checksum>, or a JWT")
        .description(Some(
            "A key of one organization, made with `memberd keys create` or `POST /v1/keys`; where the configuration \
            names issuers, also a token of one of them, whose roles stand for scopes.",
        ))
        .build();
    components.add_security_scheme(KEY, SecurityScheme::Http(bearer));
    document
}

/// Says of every text in a path or query how long it may be, unless it has closer bounds.
fn bound_parameters(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter();
    let operations = paths
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|methods| methods.values_mut());
    for parameter in operations.flat_map(|operation| {
        let parameters = operation.get_mut("parameters");
        parameters
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
    }) {
        let is_sent_in_the_url = parameter["in"] == "query" || parameter["in"] == "path";
        if let Some(schema) = parameter["schema"].as_object_mut()
            && is_sent_in_the_url
            && schema.get("type").is_some_and(|kind| kind == "string")
            && !schema.contains_key("enum")
            && !schema.contains_key("format")
        {
            schema
                .entry("maxLength")
                .or_insert(PARAMETER_CHARS_MAX.into());
        }
    }
}

/// The derived schema of a page repeats that of its rows; this names it.
fn name_rows(page: &mut Object, row: &str) {
    if let Some(RefOr::T(Schema::Array(data))) = page.properties.get_mut("data") {
        data.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(row).into()));
    }
}

/// The document as `docs/openapi.json` and `GET /openapi.json` have it.
pub fn openapi_text() -> &'static str {
    &TEXT
}

/// An endpoint below `/v1`: who may use it, and which codes it answers besides those that all share. In `codes`,
/// `invalid_request` stands for its form with status 422.
pub(super) fn gated(
    gate: Gate,
    codes: &[Code],
    (schemas, mut paths, methods): UtoipaMethodRouter<ApiState>,
) -> UtoipaMethodRouter<ApiState> {
    for operation in paths.paths.values_mut().flat_map(operations) {
        describe(operation, Some(gate), codes);
    }
    let layer = from_fn(move |request, next| gate.pass(request, next));
    (schemas, paths, methods.route_layer(layer))
}

/// An endpoint that needs no key.
pub(super) fn open(
    codes: &[Code],
    (schemas, mut paths, methods): UtoipaMethodRouter<ApiState>,
) -> UtoipaMethodRouter<ApiState> {
    for operation in paths.paths.values_mut().flat_map(operations) {
        describe(operation, None, codes);
    }
    (schemas, paths, methods)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .filter_map(Option::as_mut)
}

fn describe(operation: &mut Operation, gate: Option<Gate>, codes: &[Code]) {
    let mut errors: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    let mut add = |status, code| errors.entry(status).or_default().push(code);
    let mut parameters = operation.parameters.iter().flatten();
    let is_key = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(it) if it.name.eq_ignore_ascii_case(IDEMPOTENCY_KEY));
    let repeats = parameters.any(is_key);
    if repeats {
        for code in [Code::IdempotencyKeyReused, Code::IdempotencyInProgress] {
            add(code.status().as_u16(), code);
        }
    }
    for code in codes {
        match code {
            Code::InvalidRequest => add(422, Code::InvalidRequest),
            _ => add(code.status().as_u16(), *code),
        }
    }
    for code in [
        Code::InvalidRequest,
        Code::UnknownField,
        Code::Overloaded,
        Code::Internal,
    ] {
        add(code.status().as_u16(), code);
    }
    if operation.request_body.is_some() {
        add(400, Code::InvalidJson);
        add(413, Code::PayloadTooLarge);
        add(415, Code::InvalidRequest);
    }
    if let Some(gate) = gate {
        add(401, Code::Unauthorized);
        add(429, Code::RateLimited);
        if gate.scope().is_some() {
            add(403, Code::InsufficientScope);
        }
        let scopes: Vec<_> = gate.scope().iter().map(|scope| scope.as_str()).collect();
        operation.security = Some(vec![SecurityRequirement::new(KEY, scopes)]);
        let about = operation.description.get_or_insert_default();
        about.push_str(&needs(gate));
    } else {
        // Said, not left out: whoever reads the document must not guess.
        operation.security = Some(Vec::new());
    }
    for (status, codes) in errors {
        let responses = &mut operation.responses.responses;
        responses.insert(status.to_string(), RefOr::T(problem(status, &codes)));
    }
    name_headers(operation, gate.is_some(), repeats);
}

/// The headers that answers have. Nothing depends on which endpoint it is but a member's version and place, which stand there.
fn name_headers(operation: &mut Operation, has_key: bool, repeats: bool) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let mut name = |header: &str, kind: Type, about: &str| {
            let schema = ObjectBuilder::new().schema_type(kind).build();
            let named = HeaderBuilder::new()
                .schema(Some(schema))
                .description(Some(about));
            response
                .headers
                .insert(header.to_owned(), RefOr::T(named.build()));
        };
        name(
            "X-Request-Id",
            Type::String,
            "Finds the request in the log.",
        );
        if matches!(status.as_str(), "409" | "429" | "503") {
            name(
                "Retry-After",
                Type::Integer,
                "Seconds to wait; not with every code.",
            );
        }
        if has_key && status != "401" {
            let about = "What is left of the limits; not for a key without them.";
            name("RateLimit", Type::String, about);
            name("RateLimit-Policy", Type::String, "The limits of the key.");
        }
        if repeats && status.starts_with('2') {
            let about =
                "`true`: this is the answer to the first request with the `Idempotency-Key`.";
            name("Idempotency-Replayed", Type::String, about);
        }
    }
}

fn needs(gate: Gate) -> String {
    match gate {
        Gate::AnyKey => "\n\nAny key may use it.".to_owned(),
        Gate::Scope(scope) => format!("\n\nNeeds the scope `{scope}`."),
        Gate::Narrowed(scope) => {
            format!(
                "\n\nNeeds the scope `{scope}`. A key that is narrowed to a creator keeps to her members."
            )
        }
        Gate::Installation(scope) => {
            format!("\n\nNeeds the scope `{scope}` and a key of the organization `default`.")
        }
    }
}

fn problem(status: u16, codes: &[Code]) -> utoipa::openapi::Response {
    let words: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}` ({})", code.as_str(), code.title()))
        .collect();
    let mut content = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
    if let Some(code) = codes.first() {
        let mut problem = super::Problem::new(*code, code.about());
        problem.status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
        let body = problem.body("req_01JAAAAAAAAAAAAAAAAAAAAAAA");
        content.example = Some(serde_json::from_str(&body).unwrap_or_else(|_| json!({})));
    }
    ResponseBuilder::new()
        .description(words.join(", "))
        .content("application/problem+json", content)
        .build()
}
