"""Plays the scenario with Stripe's SDK for Python: `python client.py BASE < scenario.json`. One JSON line a step."""

import json
import sys
import urllib.request

import stripe

BASE = sys.argv[1]
CLIENT = stripe.StripeClient("sk_test_sandbox", base_addresses={"api": BASE}, max_network_retries=0)
KINDS = {"undefined": type(None), "string": str, "number": (int, float), "boolean": bool}
SAVED = {}


def plain(value):
    """What the SDK answers, as JSON has it."""
    return json.loads(str(value)) if isinstance(value, stripe.StripeObject) else value


def at(value, path):
    for name in path.split(".") if path else []:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def look_up(path):
    name, *rest = path.split(".")
    saved = SAVED[name]
    return saved["headers"].get(rest[1]) if rest[0] == "headers" else at(saved["object"], ".".join(rest))


def filled(value):
    if isinstance(value, str) and value.startswith("$"):
        return look_up(value[1:])
    if isinstance(value, list):
        return [filled(inner) for inner in value]
    if isinstance(value, dict):
        return {key: filled(inner) for key, inner in value.items()}
    return value


def wrong(path, got, wanted):
    """What is wrong with a value, empty when nothing is."""
    if isinstance(wanted, str) and wanted.startswith("~"):
        fits = isinstance(got, KINDS[wanted[1:]])
        return "" if fits else f"{path} is {got!r}, expected some {wanted[1:]}"
    should = filled(wanted)
    return "" if got == should else f"{path} is {json.dumps(got)}, expected {json.dumps(should)}"


def options(given):
    names = {"key": "idempotency_key", "apiKey": "api_key", "account": "stripe_account", "retries": "max_network_retries"}
    return {names[key]: value for key, value in given.items()}


def inspect(step):
    body = json.dumps(filled(step.get("body"))).encode()
    request = urllib.request.Request(BASE + step["path"], data=body, method=step["inspect"])
    with urllib.request.urlopen(request, timeout=60) as answer:
        return [] if answer.status < 300 else [f"the inspector answered {answer.status}"]


def run(step):
    if "inspect" in step:
        return inspect(step)
    method = CLIENT.v1
    for name in step["call"].split("."):
        method = getattr(method, name) if hasattr(method, name) else renamed(method, name)
    ids = [filled(one) for one in step.get("ids", [])]
    given = {"params": filled(step.get("params", {})), "options": options(step.get("options", {}))}
    if "error" in step:
        return refusal(step, method, ids, given)
    answer = method(*ids, **given)
    headers = {name.lower(): value for name, value in answer.last_response.headers.items()}
    found = whole(answer) if step.get("all") else plain(answer)
    if "save" in step:
        SAVED[step["save"]] = {"object": found, "headers": headers}
    told = [wrong(path, at(found, path), should) for path, should in step.get("expect", {}).items()]
    told += [wrong(f"the header {name}", headers.get(name), should) for name, should in step.get("headers", {}).items()]
    return told + ([] if step.get("all") else usual(headers))


def renamed(service, name):
    """A method that has another name than in Node."""
    if name == "list_line_items":
        return service.line_items.list
    raise AttributeError(f"{type(service).__name__} has no {name}")


def usual(headers):
    return [
        wrong("the header stripe-version", headers.get("stripe-version"), stripe.api_version),
        "" if headers.get("request-id", "").startswith("req_") else "there is no header request-id",
        "" if headers.get("date") else "there is no header date",
    ]


def whole(page):
    ids = [one.id for one in page.auto_paging_iter()]
    if len(ids) != len(set(ids)):
        raise ValueError("ids came twice")
    return {"count": len(ids), "first": ids[0] if ids else None, "last": ids[-1] if ids else None}


def refusal(step, method, ids, given):
    try:
        method(*ids, **given)
    except stripe.StripeError as error:
        body = (error.json_body or {}).get("error", {})
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        got = {
            "status": error.http_status,
            "class": "Stripe" + type(error).__name__,
            "type": body.get("type"),
            "code": body.get("code"),
            "param": getattr(error, "param", None) or body.get("param"),
            "message": body.get("message"),
            "decline_code": body.get("decline_code"),
        }
        wanted = dict(step["error"])
        more = wanted.pop("headers", {})
        told = [wrong(f"{name} of the error", got[name], should) for name, should in wanted.items()]
        told += [wrong(f"the header {name}", headers.get(name), should) for name, should in more.items()]
        return told + ["" if (error.request_id or "").startswith("req_") else "the error has no request id"]
    return ["it was not refused"]


for one in json.load(sys.stdin):
    try:
        trouble = run(one)
    except Exception as error:  # whatever it is, it belongs into the report
        trouble = [f"{type(error).__name__}: {error}"]
    print(json.dumps({"name": one["name"], "wrong": "\n".join(text for text in trouble if text)}), flush=True)
