-- Analytics: who churned and when, how each day ended, what is unusual, and milestones.

-- Each end of a member's last paid subscription, as it was told. Events are forgotten, these rows are not.
CREATE TABLE member_churns (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    member_id       TEXT NOT NULL REFERENCES members (id),
    churned_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, churned_at, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_churns_member ON member_churns (member_id);
INSERT INTO member_churns (organization_id, member_id, churned_at)
SELECT DISTINCT organization_id, member_id, occurred_at FROM events
WHERE type = 'audience.member_churned' AND member_id IS NOT NULL;

-- Few, and left out of ranks.
CREATE INDEX members_deleted ON members (organization_id) WHERE deleted_at IS NOT NULL;

-- How a local day ended, for an organization (with an empty creator_id) and for each of its creators.
CREATE TABLE engagement_days (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    creator_id      TEXT NOT NULL,
    day             INTEGER NOT NULL,
    members         INTEGER NOT NULL,
    active          INTEGER NOT NULL,
    new             INTEGER NOT NULL,
    churned         INTEGER NOT NULL,
    interactions    INTEGER NOT NULL,
    score_sum       INTEGER NOT NULL,
    superfans       INTEGER NOT NULL,
    engaged         INTEGER NOT NULL,
    casual          INTEGER NOT NULL,
    inactive        INTEGER NOT NULL,
    taken_at        INTEGER NOT NULL,
    PRIMARY KEY (organization_id, creator_id, day)
) STRICT, WITHOUT ROWID;

-- Unusual days of an audience: at most one of each direction is open.
CREATE TABLE engagement_alerts (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    creator_id      TEXT NOT NULL,
    -- drop or rise
    direction       TEXT NOT NULL,
    -- the first and the last of its days; NULL: it is open
    opened_day      INTEGER NOT NULL,
    resolved_day    INTEGER,
    PRIMARY KEY (organization_id, creator_id, direction, opened_day)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX engagement_alerts_open ON engagement_alerts (organization_id, creator_id, direction)
    WHERE resolved_day IS NULL;

-- Milestones that were reached: each once for ever, whatever happens to the figure later.
CREATE TABLE member_milestones (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    member_id       TEXT NOT NULL REFERENCES members (id),
    metric          TEXT NOT NULL,
    threshold       INTEGER NOT NULL,
    reached_at      INTEGER NOT NULL,
    PRIMARY KEY (member_id, metric, threshold)
) STRICT, WITHOUT ROWID;
CREATE TABLE audience_milestones (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    creator_id      TEXT NOT NULL,
    metric          TEXT NOT NULL,
    threshold       INTEGER NOT NULL,
    reached_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, creator_id, metric, threshold)
) STRICT, WITHOUT ROWID;
