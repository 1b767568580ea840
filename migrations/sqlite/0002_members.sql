-- Members and the tiers and entitlements that are derived for them.

CREATE TABLE members (
    id               TEXT PRIMARY KEY,
    organization_id  TEXT NOT NULL REFERENCES organizations (id),
    email            TEXT,
    -- case-folded and normalised in Rust, never in SQL
    email_normalized TEXT,
    email_verified   INTEGER NOT NULL DEFAULT FALSE,
    name             TEXT,
    meta             TEXT    NOT NULL DEFAULT '{}',
    -- billing status: none, active, paused or churned
    status           TEXT NOT NULL DEFAULT 'none',
    -- the tier she pays for; NULL: the organization's default tier
    tier_id          TEXT,
    joined_at        INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    archived_at      INTEGER,
    deleted_at       INTEGER
) STRICT;
CREATE UNIQUE INDEX members_email ON members (organization_id, email_normalized)
    WHERE email_normalized IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX members_organization ON members (organization_id, id);
CREATE INDEX members_tier ON members (organization_id, tier_id);

-- Foreign keys: how other systems call a member.
CREATE TABLE member_keys (
    organization_id TEXT NOT NULL,
    provider        TEXT NOT NULL,
    external_id     TEXT NOT NULL,
    member_id       TEXT NOT NULL REFERENCES members (id),
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, provider, external_id)
) STRICT;
CREATE INDEX member_keys_member ON member_keys (member_id);

-- A tier is a Stripe product as members see it, under the product's id. Name, description and active mirror Stripe;
-- is_default and benefits are ours: once edited here, what Stripe says about them no longer counts.
CREATE TABLE tiers (
    organization_id      TEXT NOT NULL REFERENCES organizations (id),
    id                   TEXT NOT NULL,
    name                 TEXT NOT NULL,
    description          TEXT,
    active               INTEGER NOT NULL,
    is_default           INTEGER NOT NULL DEFAULT FALSE,
    -- the product's metadata says memberd_default=true
    is_default_in_stripe INTEGER NOT NULL DEFAULT FALSE,
    benefits             TEXT NOT NULL DEFAULT '[]',
    edited_at            INTEGER,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX tiers_default ON tiers (organization_id) WHERE is_default;

CREATE TABLE entitlements (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    member_id       TEXT NOT NULL REFERENCES members (id),
    product_id      TEXT NOT NULL,
    source_kind     TEXT NOT NULL,
    source_id       TEXT NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    note            TEXT,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (member_id, product_id, source_kind, source_id)
) STRICT;
CREATE INDEX entitlements_organization ON entitlements (organization_id, member_id);
