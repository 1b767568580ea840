-- Members and the tiers and entitlements that are derived for them.

CREATE TABLE members (
    id               TEXT COLLATE "C" PRIMARY KEY,
    organization_id  TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    email            TEXT,
    -- case-folded and normalised in Rust, never in SQL
    email_normalized TEXT COLLATE "C",
    email_verified   BOOLEAN NOT NULL DEFAULT FALSE,
    name             TEXT,
    meta             TEXT    NOT NULL DEFAULT '{}',
    -- billing status: none, active, paused or churned
    status           TEXT COLLATE "C" NOT NULL DEFAULT 'none',
    -- the tier she pays for; NULL: the organization's default tier
    tier_id          TEXT COLLATE "C",
    joined_at        BIGINT  NOT NULL,
    created_at       BIGINT  NOT NULL,
    updated_at       BIGINT  NOT NULL,
    archived_at      BIGINT,
    deleted_at       BIGINT
);
CREATE UNIQUE INDEX members_email ON members (organization_id, email_normalized)
    WHERE email_normalized IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX members_organization ON members (organization_id, id);
CREATE INDEX members_tier ON members (organization_id, tier_id);

-- Foreign keys: how other systems call a member.
CREATE TABLE member_keys (
    organization_id TEXT COLLATE "C" NOT NULL,
    provider        TEXT COLLATE "C" NOT NULL,
    external_id     TEXT COLLATE "C" NOT NULL,
    member_id       TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, provider, external_id)
);
CREATE INDEX member_keys_member ON member_keys (member_id);

-- A tier is a Stripe product as members see it, under the product's id. Name, description and active mirror Stripe;
-- is_default and benefits are ours: once edited here, what Stripe says about them no longer counts.
CREATE TABLE tiers (
    organization_id      TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    id                   TEXT COLLATE "C" NOT NULL,
    name                 TEXT NOT NULL,
    description          TEXT,
    active               BOOLEAN NOT NULL,
    is_default           BOOLEAN NOT NULL DEFAULT FALSE,
    -- the product's metadata says memberd_default=true
    is_default_in_stripe BOOLEAN NOT NULL DEFAULT FALSE,
    benefits             TEXT NOT NULL DEFAULT '[]',
    edited_at            BIGINT,
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX tiers_default ON tiers (organization_id) WHERE is_default;

CREATE TABLE entitlements (
    id              TEXT COLLATE "C" PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    member_id       TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    product_id      TEXT COLLATE "C" NOT NULL,
    source_kind     TEXT COLLATE "C" NOT NULL,
    source_id       TEXT COLLATE "C" NOT NULL,
    started_at      BIGINT NOT NULL,
    ended_at        BIGINT,
    note            TEXT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (member_id, product_id, source_kind, source_id)
);
CREATE INDEX entitlements_organization ON entitlements (organization_id, member_id);
