-- A lease covers all jobs that one round claimed, so that claiming a job changes no index.

CREATE TABLE job_leases (
    id       TEXT COLLATE "C" PRIMARY KEY,
    queue    TEXT COLLATE "C" NOT NULL,
    -- the process
    owner    TEXT COLLATE "C" NOT NULL,
    -- until then the jobs are its own, unless it renews
    until_at BIGINT NOT NULL,
    -- id and fence of each job, as a JSON object; those that have ended since are still named
    jobs     TEXT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
INSERT INTO job_leases (id, queue, owner, until_at, jobs)
SELECT 'lease_' || min(id), queue, owner, min(lease_until), json_object_agg(id, fence)::text
FROM jobs WHERE owner IS NOT NULL GROUP BY queue, owner;

DROP INDEX jobs_ready, jobs_running, jobs_unique_waiting, jobs_exclusive;
ALTER TABLE jobs
    DROP COLUMN lease_until,
    -- whether it stands among the jobs that claims choose from: those that wait, and those that have run for a moment
    ADD COLUMN in_line BOOLEAN NOT NULL DEFAULT TRUE,
    -- the key while it waits, unless the key covers the running job, too
    ADD COLUMN waiting_key TEXT COLLATE "C"
        GENERATED ALWAYS AS (CASE WHEN owner IS NULL AND NOT unique_running THEN unique_key END) STORED,
    -- the key while it runs, if no other job of the key may run then
    ADD COLUMN running_key TEXT COLLATE "C"
        GENERATED ALWAYS AS (CASE WHEN owner IS NOT NULL AND exclusive THEN unique_key END) STORED,
    -- half of each page is for the versions that claims make: then they need no new entries in indexes
    SET (fillfactor = 45);
CREATE INDEX jobs_in_line ON jobs (queue, priority, due_at, id) WHERE in_line;
CREATE UNIQUE INDEX jobs_waiting_key ON jobs (waiting_key) WHERE waiting_key IS NOT NULL;
CREATE INDEX jobs_running_key ON jobs (running_key) WHERE running_key IS NOT NULL;

-- History is forgotten in the order of ids.
DROP INDEX jobs_done_finished;

-- The running jobs. Each is looked up by its id: there is no way to them that reads the table.
CREATE VIEW jobs_running AS
SELECT lease.id AS lease_id, lease.queue, lease.owner, job.id, job.organization_id, job.kind, job.args, job.priority,
    job.due_at, job.attempt, job.max_attempts, job.fence, job.started_at, job.cancel_requested_at, job.in_line,
    job.member_id, job.schedule, job.created_at
FROM job_leases AS lease
CROSS JOIN LATERAL json_each_text(lease.jobs::json) AS claim (job_id, job_fence)
CROSS JOIN LATERAL (SELECT * FROM jobs WHERE jobs.id = claim.job_id LIMIT 1) AS job
WHERE job.owner = lease.owner AND job.fence = claim.job_fence::bigint;
