-- Webhooks out: where events are sent, and what came of it. The secrets they are signed with are in no table: each is
-- made from a key of the configuration and from the salt that stands here.

CREATE TABLE webhook_endpoints (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    url             TEXT   NOT NULL,
    description     TEXT,
    -- the wanted types with a blank before and after each; NULL: all
    event_types     TEXT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    disabled_at     BIGINT,
    disabled_reason TEXT COLLATE "C" CHECK (disabled_reason IN ('by_hand', 'gone', 'failing')),
    -- since when nothing but failures came; NULL after a success
    failing_since   BIGINT,
    -- until then it asked to be left alone
    rests_until     BIGINT,
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhook_endpoints_organization ON webhook_endpoints (organization_id, id);

CREATE TABLE webhook_secrets (
    id          TEXT COLLATE "C" PRIMARY KEY,
    endpoint_id TEXT COLLATE "C" NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    salt        TEXT   NOT NULL,
    -- which key of the configuration it is made from
    key_id      TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT
);
CREATE INDEX webhook_secrets_endpoint ON webhook_secrets (endpoint_id, id);

-- One row for each endpoint and event, written in the transaction of the event.
CREATE TABLE webhook_deliveries (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    endpoint_id     TEXT COLLATE "C" NOT NULL,
    event_id        TEXT COLLATE "C" NOT NULL,
    type            TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        BIGINT NOT NULL DEFAULT 0,
    -- when the next attempt may be made
    due_at          BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    attempted_at    BIGINT,
    -- of the last attempt: milliseconds, the status of the answer, and what went wrong without one
    took_ms         BIGINT,
    status_code     BIGINT,
    error           TEXT COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX webhook_deliveries_event ON webhook_deliveries (event_id, endpoint_id);
CREATE INDEX webhook_deliveries_organization ON webhook_deliveries (organization_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at, id) WHERE state = 'pending';

-- Events of a member are numbered, so that a receiver can tell which came first.
ALTER TABLE events ADD COLUMN sequence BIGINT;
UPDATE events SET sequence = numbered.nth
FROM (SELECT id, row_number() OVER (PARTITION BY member_id ORDER BY id) AS nth FROM events WHERE member_id IS NOT NULL) AS numbered
WHERE numbered.id = events.id;
DROP INDEX events_member;
CREATE UNIQUE INDEX events_member ON events (member_id, sequence) WHERE member_id IS NOT NULL;

-- Discarded jobs are told outside; those of before are not.
ALTER TABLE jobs_done ADD COLUMN told BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE jobs_done SET told = TRUE WHERE state = 'discarded';
CREATE INDEX jobs_done_untold ON jobs_done (id) WHERE state = 'discarded' AND NOT told;
