"""What schemathesis has to know about memberd that no schema can say."""

import itertools
import os

import schemathesis
from schemathesis import GenerationMode

# The keys that this run itself works with: once they were revoked or rotated, every answer would be 401.
OWN_KEYS = set(os.environ["CONTRACT_KEYS"].split())
NO_KEY = "key_00000000"
fresh = itertools.count()


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if case.operation.path.startswith("/v1/keys/") and case.path_parameters.get("id") in OWN_KEYS:
        case.path_parameters["id"] = NO_KEY
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    # A cursor is good for the list that gave it; an invented one is refused, however well-formed.
    if case.query:
        case.query.pop("cursor", None)
    # The same key with another body is refused, as it must be: tests of ours see to that.
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"contract-{next(fresh)}"
    # Versions that it invents are never those that are there; at any version, then.
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    # Nearly all addresses it sends are that of the example, which soon is somebody's.
    if case.operation.label == "POST /v1/members" and isinstance(case.body, dict):
        case.body["email"] = f"contract-{next(fresh)}@example.com"
