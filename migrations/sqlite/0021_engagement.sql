-- Engagement: what members do, counted by day, and the scores that follow from it.

-- NULL: the organization's. Where a creator's days begin and end.
ALTER TABLE creators ADD COLUMN time_zone TEXT;

-- The members of one creator (or, with an empty creator_id, those of none): who is ranked among whom, and whose days are
-- alike.
CREATE TABLE audiences (
    audience_no     INTEGER PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    creator_id      TEXT NOT NULL,
    -- the local day up to which all its rows are turned; NULL: none yet
    day             INTEGER,
    UNIQUE (organization_id, creator_id)
) STRICT;

-- Kinds of interactions by number. A number is for ever, also when the configuration names the kind no more.
CREATE TABLE interaction_kinds (
    kind INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Interactions as they were told: each once, by its source and the source's id for it.
CREATE TABLE interactions (
    interaction_no  INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    source          TEXT NOT NULL,
    external_id     TEXT NOT NULL,
    member_id       TEXT NOT NULL REFERENCES members (id),
    kind            INTEGER NOT NULL,
    -- her creator's local day, worked out once, and her audience of then
    day             INTEGER NOT NULL,
    audience_no     INTEGER NOT NULL REFERENCES audiences (audience_no),
    occurred_at     INTEGER NOT NULL,
    seconds         INTEGER NOT NULL DEFAULT 0,
    -- JSON, for the timeline
    details         TEXT,
    received_at     INTEGER NOT NULL,
    removed_at      INTEGER
) STRICT;
CREATE UNIQUE INDEX interactions_external ON interactions (organization_id, source, external_id);
CREATE INDEX interactions_member ON interactions (member_id, occurred_at);

-- What is told and not counted yet. A row is deleted in the transaction that counts it.
CREATE TABLE interaction_inbox (
    inbox_no        INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL,
    member_id       TEXT NOT NULL,
    audience_no     INTEGER NOT NULL,
    day             INTEGER NOT NULL,
    kind            INTEGER NOT NULL,
    -- 1, or -1 for one that is removed
    n               INTEGER NOT NULL,
    seconds         INTEGER NOT NULL,
    occurred_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX interaction_inbox_organization ON interaction_inbox (organization_id, inbox_no);

-- A member as the tables below know her.
CREATE TABLE engagement_members (
    member_no       INTEGER PRIMARY KEY AUTOINCREMENT,
    member_id       TEXT NOT NULL UNIQUE REFERENCES members (id),
    organization_id TEXT NOT NULL,
    audience_no     INTEGER NOT NULL REFERENCES audiences (audience_no),
    -- the newest interaction that is counted
    last_day        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    -- the level that was last told in an event
    told_level      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX engagement_members_active ON engagement_members (audience_no, last_day);
CREATE INDEX engagement_members_organization ON engagement_members (organization_id, member_no);

-- Interactions by member, local day and kind: what every score follows from.
CREATE TABLE activity_days (
    member_no INTEGER NOT NULL,
    day       INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    seconds   INTEGER NOT NULL,
    PRIMARY KEY (member_no, day, kind)
) STRICT, WITHOUT ROWID;

-- The same by audience. They stay when a member is erased.
CREATE TABLE audience_activity (
    audience_no INTEGER NOT NULL REFERENCES audiences (audience_no),
    day         INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    seconds     INTEGER NOT NULL,
    PRIMARY KEY (audience_no, day, kind)
) STRICT, WITHOUT ROWID;

-- A definition of the score with a landmark: the configuration as it was, and the weights that were made from it.
CREATE TABLE score_versions (
    version    INTEGER PRIMARY KEY,
    -- JSON
    scoring    TEXT NOT NULL,
    landmark   INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- round(65536 * 2^((day - landmark) / half_life)) of a factor.
CREATE TABLE score_weights (
    version INTEGER NOT NULL REFERENCES score_versions (version),
    factor  INTEGER NOT NULL,
    day     INTEGER NOT NULL,
    weight  INTEGER NOT NULL,
    PRIMARY KEY (version, factor, day)
) STRICT, WITHOUT ROWID;

-- Where an organization stands. Whoever changes scores holds the lock on this row.
CREATE TABLE engagement_state (
    organization_id TEXT PRIMARY KEY REFERENCES organizations (id),
    version         INTEGER NOT NULL REFERENCES score_versions (version),
    -- a rebuild: the version that is being made, and the member up to whom it is
    next_version    INTEGER REFERENCES score_versions (version),
    rebuilt_to      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Scores: sums of weighted interactions by factor, and what follows from them on the audience's day.
CREATE TABLE member_scores (
    version      INTEGER NOT NULL,
    member_no    INTEGER NOT NULL,
    audience_no  INTEGER NOT NULL,
    sum_0 INTEGER NOT NULL, sum_1 INTEGER NOT NULL, sum_2 INTEGER NOT NULL, sum_3 INTEGER NOT NULL,
    sum_4 INTEGER NOT NULL, sum_5 INTEGER NOT NULL, sum_6 INTEGER NOT NULL, sum_7 INTEGER NOT NULL,
    -- the local day on which the row was last written. What is not written when a day turns would not have changed.
    day          INTEGER NOT NULL,
    -- 0 to 100
    score        INTEGER NOT NULL,
    -- 0 inactive, 1 casual, 2 engaged, 3 superfan
    level        INTEGER NOT NULL,
    -- the level at the end of the day before
    level_before INTEGER NOT NULL,
    PRIMARY KEY (version, member_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_scores_rank ON member_scores (version, audience_no, score DESC, member_no);
