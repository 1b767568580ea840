-- What is written to Stripe: each operation is here before it is sent, and stays with what came of it.

CREATE TABLE stripe_operations (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    kind            TEXT COLLATE "C" NOT NULL,
    account         TEXT COLLATE "C" NOT NULL,
    livemode        BOOLEAN NOT NULL,
    -- the request, the same each time it is sent
    method          TEXT COLLATE "C" NOT NULL CHECK (method IN ('POST', 'DELETE')),
    path            TEXT NOT NULL,
    -- a list of pairs: name and value
    form            TEXT NOT NULL,
    -- of method, path and form as they were decided
    form_hash       TEXT NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL UNIQUE,
    -- sent: on its way, or its process died; unknown: no answer came
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'sent', 'succeeded', 'failed', 'unknown')),
    -- what it changes or makes; the id of something new is known when Stripe has answered, unless we chose it
    object_type     TEXT COLLATE "C" NOT NULL,
    object_id       TEXT COLLATE "C",
    member_id       TEXT COLLATE "C",
    -- it waits for the end of this one, and for its success if need be
    after_id        TEXT COLLATE "C",
    needs_success   BOOLEAN NOT NULL DEFAULT FALSE,
    sends           BIGINT NOT NULL DEFAULT 0,
    first_sent_at   BIGINT,
    -- when Stripe was last found without its effect
    looked_up_at    BIGINT,
    http_status     BIGINT,
    request_id      TEXT,
    error_code      TEXT,
    error           TEXT,
    -- what Stripe answered, without personal data
    answer          TEXT,
    -- key_… of the API key, or who else asked for it
    actor           TEXT COLLATE "C" NOT NULL,
    job_id          TEXT COLLATE "C",
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    ended_at        BIGINT
);
CREATE INDEX stripe_operations_organization ON stripe_operations (organization_id, id);
CREATE INDEX stripe_operations_open ON stripe_operations (organization_id, object_id)
    WHERE state IN ('pending', 'sent', 'unknown');
CREATE INDEX stripe_operations_after ON stripe_operations (after_id) WHERE after_id IS NOT NULL;
CREATE INDEX stripe_operations_member ON stripe_operations (member_id) WHERE member_id IS NOT NULL;

-- Requests of the API that must not happen twice, by the caller's Idempotency-Key.
CREATE TABLE idempotency_keys (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    key             TEXT COLLATE "C" NOT NULL,
    -- of what was asked for
    request_hash    TEXT NOT NULL,
    -- who is at work on it, and until when that is believed without an answer
    claim_id        TEXT COLLATE "C" NOT NULL,
    claimed_until   BIGINT NOT NULL,
    -- the answer, once there is one
    status          BIGINT,
    body            TEXT,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- NULL: any number of members
ALTER TABLE tiers ADD COLUMN member_limit BIGINT CHECK (member_limit >= 0);
ALTER TABLE tiers ADD COLUMN visible BOOLEAN NOT NULL DEFAULT TRUE;

-- A place in a tier that is kept for a member while she pays.
CREATE TABLE tier_reservations (
    organization_id TEXT COLLATE "C" NOT NULL,
    tier_id         TEXT COLLATE "C" NOT NULL,
    member_id       TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    operation_id    TEXT COLLATE "C" NOT NULL,
    until_at        BIGINT NOT NULL,
    PRIMARY KEY (organization_id, tier_id, member_id)
);
