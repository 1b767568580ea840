"""Signs and checks webhooks with Stripe's SDK for Python: one JSON request a line, one JSON answer a line."""

import json
import sys

import stripe


def answer(asked):
    payload, secret = asked["payload"], asked["secret"]
    if "timestamp" in asked:
        return {"header": stripe.WebhookSignature.generate_signature_header(payload, secret, asked["timestamp"])}
    try:
        return {"id": stripe.Webhook.construct_event(payload, asked["header"], secret).id}
    except stripe.SignatureVerificationError as error:
        return {"refused": str(error)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
