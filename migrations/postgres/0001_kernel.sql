-- Organizations, keys, nodes and the queue. Times are Unix milliseconds; JSON is TEXT on both databases.

CREATE TABLE organizations (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    name            TEXT   NOT NULL,
    secret_hash     TEXT   NOT NULL,
    last4           TEXT   NOT NULL,
    scopes          TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT,
    revoked_at      BIGINT,
    last_used_at    BIGINT
);
CREATE INDEX api_keys_organization ON api_keys (organization_id, id);

-- Shown to people; recovery needs only the lease on each running job.
CREATE TABLE nodes (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT   NOT NULL,
    roles      TEXT   NOT NULL,
    version    TEXT   NOT NULL,
    started_at BIGINT NOT NULL,
    beat_at    BIGINT NOT NULL,
    stopped_at BIGINT
);

CREATE TABLE queues (
    name            TEXT COLLATE "C" PRIMARY KEY,
    paused_at       BIGINT,
    -- slots of one node; NULL: the configuration of the node decides
    concurrency     BIGINT CHECK (concurrency >= 0),
    -- jobs running at once in the whole cluster
    max_running     BIGINT CHECK (max_running >= 0),
    -- jobs started per second in the whole cluster, and the bucket that enforces it, in thousandths of a job
    rate_per_second BIGINT CHECK (rate_per_second > 0),
    tokens_milli    BIGINT NOT NULL DEFAULT 0,
    tokens_at       BIGINT NOT NULL DEFAULT 0
);

-- Waiting and running jobs only: a finished job leaves in the statement that finishes it, so this table stays small.
-- A job is running exactly while it has an owner.
CREATE TABLE jobs (
    id                  TEXT COLLATE "C" PRIMARY KEY,
    organization_id     TEXT COLLATE "C" NOT NULL,
    queue               TEXT COLLATE "C" NOT NULL,
    kind                TEXT COLLATE "C" NOT NULL,
    args                TEXT    NOT NULL,
    priority            BIGINT  NOT NULL,
    due_at              BIGINT  NOT NULL,
    attempt             BIGINT  NOT NULL DEFAULT 0,
    max_attempts        BIGINT  NOT NULL,
    -- grows with each claim and is never reused: what an acknowledgement is checked against
    fence               BIGINT  NOT NULL DEFAULT 0,
    owner               TEXT COLLATE "C",
    lease_until         BIGINT,
    started_at          BIGINT,
    cancel_requested_at BIGINT,
    unique_key          TEXT COLLATE "C",
    -- the key also covers the running job, not only the waiting one
    unique_running      BOOLEAN NOT NULL DEFAULT FALSE,
    -- never two jobs of this key at once
    exclusive           BOOLEAN NOT NULL DEFAULT FALSE,
    member_id           TEXT COLLATE "C",
    schedule            TEXT COLLATE "C",
    created_at          BIGINT  NOT NULL,
    CHECK ((owner IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX jobs_ready ON jobs (queue, priority, due_at, id) WHERE owner IS NULL;
CREATE INDEX jobs_running ON jobs (queue) WHERE owner IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique_waiting ON jobs (unique_key)
    WHERE unique_key IS NOT NULL AND owner IS NULL AND NOT unique_running;
CREATE UNIQUE INDEX jobs_unique_live ON jobs (unique_key) WHERE unique_key IS NOT NULL AND unique_running;
CREATE INDEX jobs_exclusive ON jobs (unique_key) WHERE owner IS NOT NULL AND exclusive;
CREATE INDEX jobs_member ON jobs (member_id) WHERE member_id IS NOT NULL;

CREATE TABLE jobs_done (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    queue           TEXT COLLATE "C" NOT NULL,
    kind            TEXT COLLATE "C" NOT NULL,
    args            TEXT   NOT NULL,
    priority        BIGINT NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('completed', 'cancelled', 'discarded')),
    attempt         BIGINT NOT NULL,
    max_attempts    BIGINT NOT NULL,
    -- a job that people retry goes on counting here, so that late words about its old runs stay unheard
    fence           BIGINT NOT NULL,
    unique_key      TEXT COLLATE "C",
    unique_running  BOOLEAN NOT NULL,
    exclusive       BOOLEAN NOT NULL,
    member_id       TEXT COLLATE "C",
    schedule        TEXT COLLATE "C",
    created_at      BIGINT NOT NULL,
    started_at      BIGINT,
    finished_at     BIGINT NOT NULL,
    error           TEXT,
    report          TEXT
);
CREATE INDEX jobs_done_finished ON jobs_done (finished_at);
CREATE INDEX jobs_done_member ON jobs_done (member_id) WHERE member_id IS NOT NULL;
CREATE INDEX jobs_done_discarded ON jobs_done (id) WHERE state = 'discarded';

-- One row for each attempt that did not complete its job.
CREATE TABLE job_attempts (
    job_id     TEXT COLLATE "C" NOT NULL,
    fence      BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    owner      TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    outcome    TEXT COLLATE "C" NOT NULL,
    error      TEXT   NOT NULL,
    PRIMARY KEY (job_id, fence)
);

-- Keys that stay taken for a while after they were enqueued, whatever becomes of the job.
CREATE TABLE job_windows (
    unique_key TEXT COLLATE "C" PRIMARY KEY,
    job_id     TEXT COLLATE "C" NOT NULL,
    until_at   BIGINT NOT NULL
);
CREATE INDEX job_windows_until ON job_windows (until_at);

CREATE TABLE schedules (
    name        TEXT COLLATE "C" PRIMARY KEY,
    kind        TEXT COLLATE "C" NOT NULL,
    args        TEXT    NOT NULL,
    cron        TEXT    NOT NULL,
    timezone    TEXT    NOT NULL,
    catch_up    TEXT    NOT NULL CHECK (catch_up IN ('one', 'all', 'none')),
    enabled     BOOLEAN NOT NULL,
    paused_at   BIGINT,
    next_due    BIGINT,
    last_due    BIGINT,
    last_job_id TEXT COLLATE "C"
);

-- What happened, for the outside: webhooks out and timelines read it.
CREATE TABLE events (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    type            TEXT COLLATE "C" NOT NULL,
    member_id       TEXT COLLATE "C",
    data            TEXT   NOT NULL,
    occurred_at     BIGINT NOT NULL
);
CREATE INDEX events_organization ON events (organization_id, id);
CREATE INDEX events_member ON events (member_id, id) WHERE member_id IS NOT NULL;
