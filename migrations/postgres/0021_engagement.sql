-- Engagement: what members do, counted by day, and the scores that follow from it.

-- NULL: the organization's. Where a creator's days begin and end.
ALTER TABLE creators ADD COLUMN time_zone TEXT;

-- The members of one creator (or, with an empty creator_id, those of none): who is ranked among whom, and whose days are
-- alike.
CREATE TABLE audiences (
    audience_no     BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    creator_id      TEXT COLLATE "C" NOT NULL,
    -- the local day up to which all its rows are turned; NULL: none yet
    day             BIGINT,
    UNIQUE (organization_id, creator_id)
);

-- Kinds of interactions by number. A number is for ever, also when the configuration names the kind no more.
CREATE TABLE interaction_kinds (
    kind BIGINT PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE
);

-- Interactions as they were told: each once, by its source and the source's id for it.
CREATE TABLE interactions (
    interaction_no  BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    source          TEXT COLLATE "C" NOT NULL,
    external_id     TEXT COLLATE "C" NOT NULL,
    member_id       TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    kind            BIGINT NOT NULL,
    -- her creator's local day, worked out once, and her audience of then
    day             BIGINT NOT NULL,
    audience_no     BIGINT NOT NULL REFERENCES audiences (audience_no),
    occurred_at     BIGINT NOT NULL,
    seconds         BIGINT NOT NULL DEFAULT 0,
    -- JSON, for the timeline
    details         TEXT,
    received_at     BIGINT NOT NULL,
    removed_at      BIGINT
);
CREATE UNIQUE INDEX interactions_external ON interactions (organization_id, source, external_id);
CREATE INDEX interactions_member ON interactions (member_id, occurred_at);

-- What is told and not counted yet. A row is deleted in the transaction that counts it.
CREATE TABLE interaction_inbox (
    inbox_no        BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    organization_id TEXT COLLATE "C" NOT NULL,
    member_id       TEXT COLLATE "C" NOT NULL,
    audience_no     BIGINT NOT NULL,
    day             BIGINT NOT NULL,
    kind            BIGINT NOT NULL,
    -- 1, or -1 for one that is removed
    n               BIGINT NOT NULL,
    seconds         BIGINT NOT NULL,
    occurred_at     BIGINT NOT NULL
);
CREATE INDEX interaction_inbox_organization ON interaction_inbox (organization_id, inbox_no);

-- A member as the tables below know her.
CREATE TABLE engagement_members (
    member_no       BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    member_id       TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES members (id),
    organization_id TEXT COLLATE "C" NOT NULL,
    audience_no     BIGINT NOT NULL REFERENCES audiences (audience_no),
    -- the newest interaction that is counted
    last_day        BIGINT NOT NULL,
    last_at         BIGINT NOT NULL,
    -- the level that was last told in an event
    told_level      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX engagement_members_active ON engagement_members (audience_no, last_day);
CREATE INDEX engagement_members_organization ON engagement_members (organization_id, member_no);

-- Interactions by member, local day and kind: what every score follows from.
CREATE TABLE activity_days (
    member_no BIGINT NOT NULL,
    day       INTEGER NOT NULL,
    kind      SMALLINT NOT NULL,
    n         INTEGER NOT NULL,
    seconds   INTEGER NOT NULL,
    PRIMARY KEY (member_no, day, kind) INCLUDE (n, seconds)
);

-- The same by audience. They stay when a member is erased.
CREATE TABLE audience_activity (
    audience_no BIGINT NOT NULL REFERENCES audiences (audience_no),
    day         BIGINT NOT NULL,
    kind        BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    seconds     BIGINT NOT NULL,
    PRIMARY KEY (audience_no, day, kind)
);

-- A definition of the score with a landmark: the configuration as it was, and the weights that were made from it.
CREATE TABLE score_versions (
    version    BIGINT PRIMARY KEY,
    -- JSON
    scoring    TEXT NOT NULL,
    landmark   BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- round(65536 * 2^((day - landmark) / half_life)) of a factor.
CREATE TABLE score_weights (
    version BIGINT NOT NULL REFERENCES score_versions (version),
    factor  BIGINT NOT NULL,
    day     BIGINT NOT NULL,
    weight  BIGINT NOT NULL,
    PRIMARY KEY (version, factor, day)
);

-- Where an organization stands. Whoever changes scores holds the lock on this row.
CREATE TABLE engagement_state (
    organization_id TEXT COLLATE "C" PRIMARY KEY REFERENCES organizations (id),
    version         BIGINT NOT NULL REFERENCES score_versions (version),
    -- a rebuild: the version that is being made, and the member up to whom it is
    next_version    BIGINT REFERENCES score_versions (version),
    rebuilt_to      BIGINT NOT NULL DEFAULT 0
);

-- Scores: sums of weighted interactions by factor, and what follows from them on the audience's day.
CREATE TABLE member_scores (
    version      BIGINT NOT NULL,
    member_no    BIGINT NOT NULL,
    audience_no  BIGINT NOT NULL,
    sum_0 BIGINT NOT NULL, sum_1 BIGINT NOT NULL, sum_2 BIGINT NOT NULL, sum_3 BIGINT NOT NULL,
    sum_4 BIGINT NOT NULL, sum_5 BIGINT NOT NULL, sum_6 BIGINT NOT NULL, sum_7 BIGINT NOT NULL,
    -- the local day on which the row was last written. What is not written when a day turns would not have changed.
    day          BIGINT NOT NULL,
    -- 0 to 100
    score        BIGINT NOT NULL,
    -- 0 inactive, 1 casual, 2 engaged, 3 superfan
    level        BIGINT NOT NULL,
    -- the level at the end of the day before
    level_before BIGINT NOT NULL,
    PRIMARY KEY (version, member_no)
) WITH (fillfactor = 80);
CREATE INDEX member_scores_rank ON member_scores (version, audience_no, score DESC, member_no);
