-- The second in which Stripe answered: an object was true at it or earlier, and at `as_of` or later.
ALTER TABLE stripe_objects ADD COLUMN true_until INTEGER NOT NULL DEFAULT 0;

-- What reconciliations found, and which objects a walk over Stripe's lists has met so far.

CREATE TABLE sync_runs (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    -- abandoned: broken off so long ago that the next one began anew
    state           TEXT NOT NULL CHECK (state IN ('running', 'done', 'abandoned')),
    -- objects compared, and those that differed
    objects         INTEGER NOT NULL DEFAULT 0,
    drifted         INTEGER NOT NULL DEFAULT 0,
    started_at      INTEGER NOT NULL,
    finished_at     INTEGER
) STRICT;
CREATE INDEX sync_runs_organization ON sync_runs (organization_id, started_at);

-- One row for each field. Never a personal value: what could be one is here as its length.
CREATE TABLE sync_drift (
    organization_id TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    object_type     TEXT NOT NULL,
    object_id       TEXT NOT NULL,
    field           TEXT NOT NULL,
    -- NULL: the field or the object is not there
    ours            TEXT,
    stripes         TEXT,
    cause           TEXT NOT NULL,
    found_at        INTEGER NOT NULL,
    PRIMARY KEY (run_id, object_type, object_id, field)
) STRICT;
CREATE INDEX sync_drift_found ON sync_drift (organization_id, found_at);

-- Only while a walk is under way.
CREATE TABLE sync_seen (
    organization_id TEXT NOT NULL,
    stream          TEXT NOT NULL,
    object_id       TEXT NOT NULL,
    PRIMARY KEY (organization_id, stream, object_id)
) STRICT;

-- Organizations whose key Stripe refuses: their work waits until it works again.
CREATE TABLE sync_parked (
    organization_id TEXT PRIMARY KEY,
    reason          TEXT NOT NULL,
    since           INTEGER NOT NULL
) STRICT;
