-- What people look for in the queue with millions of jobs in it.

-- How many jobs there were when they were last counted. Used only while a table is too large to be counted at once.
CREATE TABLE job_counts (
    -- 'unfinished' (jobs) or 'finished' (jobs_done)
    part       TEXT PRIMARY KEY,
    -- not before this moment does anybody count again
    due_at     INTEGER NOT NULL,
    -- NULL while they are counted for the first time
    counted_at INTEGER,
    -- by organization, queue and state, as JSON
    counts     TEXT,
    -- what the history looked like then: as long as it still does, nothing is counted
    mark       TEXT
) STRICT;

-- Hardly any job comes from a schedule, so that these indexes cost the others nothing.
CREATE INDEX jobs_schedule ON jobs (schedule, id) WHERE schedule IS NOT NULL;
CREATE INDEX jobs_done_schedule ON jobs_done (schedule, id) WHERE schedule IS NOT NULL;

-- Cancelled jobs are looked for like discarded ones.
CREATE INDEX jobs_done_failed ON jobs_done (state, id) WHERE state <> 'completed';
DROP INDEX jobs_done_discarded;
