-- Creators: those whose members they are. A member belongs to one at the most, and a key may be narrowed to one.

CREATE TABLE creators (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name            TEXT NOT NULL,
    -- how the organization's own systems call her
    external_id     TEXT,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    archived_at     INTEGER
) STRICT;
CREATE INDEX creators_organization ON creators (organization_id, id);
CREATE UNIQUE INDEX creators_external_id ON creators (organization_id, external_id) WHERE external_id IS NOT NULL;

ALTER TABLE members ADD COLUMN creator_id TEXT REFERENCES creators (id);
CREATE INDEX members_creator ON members (organization_id, creator_id, id) WHERE creator_id IS NOT NULL;
-- as in 0012: a creator has many members
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('members', 'members_creator', '100000 50000 1000 1');
ANALYZE sqlite_schema;

-- NULL: the key sees all of its organization
ALTER TABLE api_keys ADD COLUMN creator_id TEXT REFERENCES creators (id);
