-- A lease covers all jobs that one round claimed, so that claiming a job changes no index.

CREATE TABLE job_leases (
    id       TEXT PRIMARY KEY,
    queue    TEXT NOT NULL,
    -- the process
    owner    TEXT NOT NULL,
    -- until then the jobs are its own, unless it renews
    until_at INTEGER NOT NULL,
    -- id and fence of each job, as a JSON object; those that have ended since are still named
    jobs     TEXT NOT NULL
) STRICT;
INSERT INTO job_leases (id, queue, owner, until_at, jobs)
SELECT 'lease_' || min(id), queue, owner, min(lease_until), json_group_object(id, fence)
FROM jobs WHERE owner IS NOT NULL GROUP BY queue, owner;

-- SQLite cannot drop a column that a check names.
ALTER TABLE jobs RENAME TO old_jobs;
DROP INDEX jobs_ready;
DROP INDEX jobs_running;
DROP INDEX jobs_unique_waiting;
DROP INDEX jobs_unique_live;
DROP INDEX jobs_exclusive;
DROP INDEX jobs_member;
DROP INDEX jobs_schedule;
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
    -- the process that runs it; NULL: it waits
    owner               TEXT,
    -- whether it stands among the jobs that claims choose from: those that wait, and those that have run for a moment
    in_line             INTEGER NOT NULL DEFAULT TRUE,
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
    -- the key while it waits, unless the key covers the running job, too
    waiting_key         TEXT GENERATED ALWAYS AS (CASE WHEN owner IS NULL AND NOT unique_running THEN unique_key END),
    -- the key while it runs, if no other job of the key may run then
    running_key         TEXT GENERATED ALWAYS AS (CASE WHEN owner IS NOT NULL AND exclusive THEN unique_key END)
) STRICT;
INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, attempt, max_attempts, fence, owner, started_at,
    cancel_requested_at, unique_key, unique_running, exclusive, member_id, schedule, created_at)
SELECT id, organization_id, queue, kind, args, priority, due_at, attempt, max_attempts, fence, owner, started_at,
    cancel_requested_at, unique_key, unique_running, exclusive, member_id, schedule, created_at
FROM old_jobs;
DROP TABLE old_jobs;
CREATE INDEX jobs_in_line ON jobs (queue, priority, due_at, id) WHERE in_line;
CREATE UNIQUE INDEX jobs_waiting_key ON jobs (waiting_key) WHERE waiting_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique_live ON jobs (unique_key) WHERE unique_key IS NOT NULL AND unique_running;
CREATE INDEX jobs_running_key ON jobs (running_key) WHERE running_key IS NOT NULL;
CREATE INDEX jobs_member ON jobs (member_id) WHERE member_id IS NOT NULL;
CREATE INDEX jobs_schedule ON jobs (schedule, id) WHERE schedule IS NOT NULL;

-- History is forgotten in the order of ids.
DROP INDEX jobs_done_finished;

-- The running jobs. Each is looked up by its id: there is no way to them that reads the table.
CREATE VIEW jobs_running AS
SELECT lease.id AS lease_id, lease.queue, lease.owner, job.id, job.organization_id, job.kind, job.args, job.priority,
    job.due_at, job.attempt, job.max_attempts, job.fence, job.started_at, job.cancel_requested_at, job.in_line,
    job.member_id, job.schedule, job.created_at
FROM job_leases AS lease
CROSS JOIN json_each(lease.jobs) AS claim
CROSS JOIN jobs AS job ON job.id = claim.key
WHERE job.owner = lease.owner AND job.fence = claim.value;
