-- Organizations, keys, nodes and the queue. Times are Unix milliseconds; JSON is TEXT on both databases.

CREATE TABLE organizations (
    id         TEXT PRIMARY KEY,
    name       TEXT   NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name            TEXT   NOT NULL,
    secret_hash     TEXT   NOT NULL,
    last4           TEXT   NOT NULL,
    scopes          TEXT   NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    revoked_at      INTEGER,
    last_used_at    INTEGER
) STRICT;
CREATE INDEX api_keys_organization ON api_keys (organization_id, id);

-- Shown to people; recovery needs only the lease on each running job.
CREATE TABLE nodes (
    id         TEXT PRIMARY KEY,
    name       TEXT   NOT NULL,
    roles      TEXT   NOT NULL,
    version    TEXT   NOT NULL,
    started_at INTEGER NOT NULL,
    beat_at    INTEGER NOT NULL,
    stopped_at INTEGER
) STRICT;

CREATE TABLE queues (
    name            TEXT PRIMARY KEY,
    paused_at       INTEGER,
    -- slots of one node; NULL: the configuration of the node decides
    concurrency     INTEGER CHECK (concurrency >= 0),
    -- jobs running at once in the whole cluster
    max_running     INTEGER CHECK (max_running >= 0),
    -- jobs started per second in the whole cluster, and the bucket that enforces it, in thousandths of a job
    rate_per_second INTEGER CHECK (rate_per_second > 0),
    tokens_milli    INTEGER NOT NULL DEFAULT 0,
    tokens_at       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Waiting and running jobs only: a finished job leaves in the statement that finishes it, so this table stays small.
-- A job is running exactly while it has an owner.
CREATE TABLE jobs (
    id                  TEXT PRIMARY KEY,
    organization_id     TEXT NOT NULL,
    queue               TEXT NOT NULL,
    kind                TEXT NOT NULL,
    args                TEXT    NOT NULL,
    priority            INTEGER NOT NULL,
    due_at              INTEGER NOT NULL,
    attempt             INTEGER NOT NULL DEFAULT 0,
    max_attempts        INTEGER NOT NULL,
    -- grows with each claim and is never reused: what an acknowledgement is checked against
    fence               INTEGER NOT NULL DEFAULT 0,
    owner               TEXT,
    lease_until         INTEGER,
    started_at          INTEGER,
    cancel_requested_at INTEGER,
    unique_key          TEXT,
    -- the key also covers the running job, not only the waiting one
    unique_running      INTEGER NOT NULL DEFAULT FALSE,
    -- never two jobs of this key at once
    exclusive           INTEGER NOT NULL DEFAULT FALSE,
    member_id           TEXT,
    schedule            TEXT,
    created_at          INTEGER NOT NULL,
    CHECK ((owner IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE INDEX jobs_ready ON jobs (queue, priority, due_at, id) WHERE owner IS NULL;
CREATE INDEX jobs_running ON jobs (queue) WHERE owner IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique_waiting ON jobs (unique_key)
    WHERE unique_key IS NOT NULL AND owner IS NULL AND NOT unique_running;
CREATE UNIQUE INDEX jobs_unique_live ON jobs (unique_key) WHERE unique_key IS NOT NULL AND unique_running;
CREATE INDEX jobs_exclusive ON jobs (unique_key) WHERE owner IS NOT NULL AND exclusive;
CREATE INDEX jobs_member ON jobs (member_id) WHERE member_id IS NOT NULL;

CREATE TABLE jobs_done (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    queue           TEXT NOT NULL,
    kind            TEXT NOT NULL,
    args            TEXT   NOT NULL,
    priority        INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('completed', 'cancelled', 'discarded')),
    attempt         INTEGER NOT NULL,
    max_attempts    INTEGER NOT NULL,
    -- a job that people retry goes on counting here, so that late words about its old runs stay unheard
    fence           INTEGER NOT NULL,
    unique_key      TEXT,
    unique_running  INTEGER NOT NULL,
    exclusive       INTEGER NOT NULL,
    member_id       TEXT,
    schedule        TEXT,
    created_at      INTEGER NOT NULL,
    started_at      INTEGER,
    finished_at     INTEGER NOT NULL,
    error           TEXT,
    report          TEXT
) STRICT;
CREATE INDEX jobs_done_finished ON jobs_done (finished_at);
CREATE INDEX jobs_done_member ON jobs_done (member_id) WHERE member_id IS NOT NULL;
CREATE INDEX jobs_done_discarded ON jobs_done (id) WHERE state = 'discarded';

-- One row for each attempt that did not complete its job.
CREATE TABLE job_attempts (
    job_id     TEXT NOT NULL,
    fence      INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    owner      TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    error      TEXT   NOT NULL,
    PRIMARY KEY (job_id, fence)
) STRICT;

-- Keys that stay taken for a while after they were enqueued, whatever becomes of the job.
CREATE TABLE job_windows (
    unique_key TEXT PRIMARY KEY,
    job_id     TEXT NOT NULL,
    until_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX job_windows_until ON job_windows (until_at);

CREATE TABLE schedules (
    name        TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    args        TEXT    NOT NULL,
    cron        TEXT    NOT NULL,
    timezone    TEXT    NOT NULL,
    catch_up    TEXT    NOT NULL CHECK (catch_up IN ('one', 'all', 'none')),
    enabled     INTEGER NOT NULL,
    paused_at   INTEGER,
    next_due    INTEGER,
    last_due    INTEGER,
    last_job_id TEXT
) STRICT;

-- What happened, for the outside: webhooks out and timelines read it.
CREATE TABLE events (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    type            TEXT NOT NULL,
    member_id       TEXT,
    data            TEXT   NOT NULL,
    occurred_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX events_organization ON events (organization_id, id);
CREATE INDEX events_member ON events (member_id, id) WHERE member_id IS NOT NULL;
