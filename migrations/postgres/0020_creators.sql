-- Creators: those whose members they are. A member belongs to one at the most, and a key may be narrowed to one.

CREATE TABLE creators (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    name            TEXT NOT NULL,
    -- how the organization's own systems call her
    external_id     TEXT COLLATE "C",
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    archived_at     BIGINT
);
CREATE INDEX creators_organization ON creators (organization_id, id);
CREATE UNIQUE INDEX creators_external_id ON creators (organization_id, external_id) WHERE external_id IS NOT NULL;

ALTER TABLE members ADD COLUMN creator_id TEXT COLLATE "C" REFERENCES creators (id);
CREATE INDEX members_creator ON members (organization_id, creator_id, id) WHERE creator_id IS NOT NULL;

-- NULL: the key sees all of its organization
ALTER TABLE api_keys ADD COLUMN creator_id TEXT COLLATE "C" REFERENCES creators (id);
