-- Analytics: who churned and when, how each day ended, what is unusual, and milestones.

-- Each end of a member's last paid subscription, as it was told. Events are forgotten, these rows are not.
CREATE TABLE member_churns (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    member_id       TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    churned_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, churned_at, member_id)
);
CREATE INDEX member_churns_member ON member_churns (member_id);
INSERT INTO member_churns (organization_id, member_id, churned_at)
SELECT DISTINCT organization_id, member_id, occurred_at FROM events
WHERE type = 'audience.member_churned' AND member_id IS NOT NULL;

-- Few, and left out of ranks.
CREATE INDEX members_deleted ON members (organization_id) WHERE deleted_at IS NOT NULL;

-- How a local day ended, for an organization (with an empty creator_id) and for each of its creators.
CREATE TABLE engagement_days (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    creator_id      TEXT COLLATE "C" NOT NULL,
    day             BIGINT NOT NULL,
    members         BIGINT NOT NULL,
    active          BIGINT NOT NULL,
    new             BIGINT NOT NULL,
    churned         BIGINT NOT NULL,
    interactions    BIGINT NOT NULL,
    score_sum       BIGINT NOT NULL,
    superfans       BIGINT NOT NULL,
    engaged         BIGINT NOT NULL,
    casual          BIGINT NOT NULL,
    inactive        BIGINT NOT NULL,
    taken_at        BIGINT NOT NULL,
    PRIMARY KEY (organization_id, creator_id, day)
);

-- Unusual days of an audience: at most one of each direction is open.
CREATE TABLE engagement_alerts (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    creator_id      TEXT COLLATE "C" NOT NULL,
    -- drop or rise
    direction       TEXT COLLATE "C" NOT NULL,
    -- the first and the last of its days; NULL: it is open
    opened_day      BIGINT NOT NULL,
    resolved_day    BIGINT,
    PRIMARY KEY (organization_id, creator_id, direction, opened_day)
);
CREATE UNIQUE INDEX engagement_alerts_open ON engagement_alerts (organization_id, creator_id, direction)
    WHERE resolved_day IS NULL;

-- Milestones that were reached: each once for ever, whatever happens to the figure later.
CREATE TABLE member_milestones (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    member_id       TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    metric          TEXT COLLATE "C" NOT NULL,
    threshold       BIGINT NOT NULL,
    reached_at      BIGINT NOT NULL,
    PRIMARY KEY (member_id, metric, threshold)
);
CREATE TABLE audience_milestones (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    creator_id      TEXT COLLATE "C" NOT NULL,
    metric          TEXT COLLATE "C" NOT NULL,
    threshold       BIGINT NOT NULL,
    reached_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, creator_id, metric, threshold)
);
