-- The second in which Stripe answered: an object was true at it or earlier, and at `as_of` or later.
ALTER TABLE stripe_objects ADD COLUMN true_until BIGINT NOT NULL DEFAULT 0;

-- What reconciliations found, and which objects a walk over Stripe's lists has met so far.

CREATE TABLE sync_runs (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    -- abandoned: broken off so long ago that the next one began anew
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('running', 'done', 'abandoned')),
    -- objects compared, and those that differed
    objects         BIGINT NOT NULL DEFAULT 0,
    drifted         BIGINT NOT NULL DEFAULT 0,
    started_at      BIGINT NOT NULL,
    finished_at     BIGINT
);
CREATE INDEX sync_runs_organization ON sync_runs (organization_id, started_at);

-- One row for each field. Never a personal value: what could be one is here as its length.
CREATE TABLE sync_drift (
    organization_id TEXT COLLATE "C" NOT NULL,
    run_id          TEXT COLLATE "C" NOT NULL,
    object_type     TEXT COLLATE "C" NOT NULL,
    object_id       TEXT COLLATE "C" NOT NULL,
    field           TEXT COLLATE "C" NOT NULL,
    -- NULL: the field or the object is not there
    ours            TEXT,
    stripes         TEXT,
    cause           TEXT COLLATE "C" NOT NULL,
    found_at        BIGINT NOT NULL,
    PRIMARY KEY (run_id, object_type, object_id, field)
);
CREATE INDEX sync_drift_found ON sync_drift (organization_id, found_at);

-- Only while a walk is under way.
CREATE TABLE sync_seen (
    organization_id TEXT COLLATE "C" NOT NULL,
    stream          TEXT COLLATE "C" NOT NULL,
    object_id       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (organization_id, stream, object_id)
);

-- Organizations whose key Stripe refuses: their work waits until it works again.
CREATE TABLE sync_parked (
    organization_id TEXT COLLATE "C" PRIMARY KEY,
    reason          TEXT NOT NULL,
    since           BIGINT NOT NULL
);
