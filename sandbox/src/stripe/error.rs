//! Errors in Stripe's shape.

use serde_json::{Value, json};

/// What went wrong, as Stripe would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status.
    pub(crate) status: u16,
    /// Stripe's error type, as `invalid_request_error`.
    pub(crate) kind: &'static str,
    /// Stripe's error code, where it has one.
    pub(crate) code: Option<&'static str>,
    /// Why the card's bank refused, in Stripe's word.
    pub(crate) decline_code: Option<&'static str>,
    /// For people.
    pub(crate) message: String,
    /// The parameter at fault.
    pub(crate) param: Option<String>,
}

impl ApiError {
    /// 400: the request makes no sense.
    pub(crate) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            decline_code: None,
            message: message.into(),
            param: (!param.is_empty()).then(|| param.to_owned()),
        }
    }

    /// 400: a parameter has a value of the wrong form.
    pub(crate) fn bad_value(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            ..Self::invalid(param, message)
        }
    }

    /// 400: a required parameter is absent.
    pub(crate) fn missing(param: &str) -> Self {
        Self::bad_value(
            "parameter_missing",
            param,
            format!("Missing required param: {param}."),
        )
    }

    /// 400: a parameter that this route does not have.
    pub(crate) fn unknown(param: &str) -> Self {
        Self::bad_value(
            "parameter_unknown",
            param,
            format!("Received unknown parameter: {param}"),
        )
    }

    /// 404 in a path, 400 in a parameter: an id that does not exist in this account.
    pub(crate) fn no_such(status: u16, what: &str, id: &str, param: &str) -> Self {
        Self {
            status,
            ..Self::bad_value("resource_missing", param, format!("No such {what}: '{id}'"))
        }
    }

    /// 404: no such route.
    pub(crate) fn no_route(method: &str, path: &str) -> Self {
        Self {
            status: 404,
            ..Self::invalid("", format!("Unrecognized request URL ({method}: {path})."))
        }
    }

    /// 401: no key, or a key nobody knows.
    pub(crate) fn unauthorized() -> Self {
        let message = "no valid API key: send one of the sandbox's secret keys as bearer token";
        Self {
            status: 401,
            ..Self::invalid("", message)
        }
    }

    /// 402: the customer's card was declined.
    pub(crate) fn declined() -> Self {
        Self {
            status: 402,
            kind: "card_error",
            code: Some("card_declined"),
            decline_code: Some("generic_decline"),
            message: "Your card was declined. (metadata[sandbox_card] of the customer says so.)"
                .to_owned(),
            param: None,
        }
    }

    /// 429: the account's budget for this direction is used up.
    pub(crate) fn rate_limited() -> Self {
        Self {
            status: 429,
            code: Some("rate_limit"),
            ..Self::invalid("", "too many requests: wait as long as Retry-After says")
        }
    }

    /// An error of the idempotency layer.
    pub(crate) fn idempotency(status: u16, code: Option<&'static str>, message: &str) -> Self {
        Self {
            status,
            kind: "idempotency_error",
            code,
            ..Self::invalid("", message)
        }
    }

    /// An error that a fault asked for.
    pub(crate) fn injected(status: u16) -> Self {
        if status == 429 {
            return Self::rate_limited();
        }
        let kind = if status >= 500 {
            "api_error"
        } else {
            "invalid_request_error"
        };
        Self {
            status,
            kind,
            code: (status == 404).then_some("resource_missing"),
            ..Self::invalid("", "a fault injected by the sandbox")
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self, request_id: &str) -> Value {
        let mut error = json!({
            "type": self.kind,
            "message": self.message,
            "request_log_url": format!("https://dashboard.stripe.com/test/logs/{request_id}"),
        });
        if let Some(code) = self.code {
            error["code"] = json!(code);
            error["doc_url"] = json!(format!(
                "https://stripe.com/docs/error-codes/{}",
                code.replace('_', "-")
            ));
        }
        if let Some(code) = self.decline_code {
            error["decline_code"] = json!(code);
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        json!({ "error": error })
    }
}
