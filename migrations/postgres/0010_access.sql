-- Access: what follows from it by our own clock, grants, and customers whose member is not plain.

-- Access after a pause of collection: given again from resumes_at, until resumed_until (NULL: open).
ALTER TABLE entitlements ADD COLUMN resumes_at BIGINT;
ALTER TABLE entitlements ADD COLUMN resumed_until BIGINT;
-- what the product costs in a month, in minor units, rounded: only for comparing tiers
ALTER TABLE entitlements ADD COLUMN monthly_amount BIGINT NOT NULL DEFAULT 0;

-- monthly_amount of the tier; NULL: not worked out yet
ALTER TABLE members ADD COLUMN tier_amount BIGINT;
-- the products she may use, as a JSON array; NULL: not worked out yet
ALTER TABLE members ADD COLUMN products TEXT DEFAULT '[]';
-- the moment at which status, tier or products may change without an event
ALTER TABLE members ADD COLUMN changes_at BIGINT;
-- the moment as of which they were last written
ALTER TABLE members ADD COLUMN evaluated_at BIGINT;
UPDATE members SET products = NULL;
CREATE INDEX members_changes ON members (changes_at) WHERE changes_at IS NOT NULL;
CREATE INDEX members_evaluated ON members (evaluated_at) WHERE evaluated_at IS NOT NULL;

-- Access that nobody pays for here. The sync never touches it.
CREATE TABLE grants (
    id                 TEXT COLLATE "C" PRIMARY KEY,
    organization_id    TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    member_id          TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    product_id         TEXT COLLATE "C" NOT NULL,
    kind               TEXT COLLATE "C" NOT NULL CHECK (kind IN ('complimentary', 'gift', 'extension')),
    -- what it is called where it was bought or decided; one grant for each
    external_reference TEXT COLLATE "C",
    -- the subscription that is extended
    subscription_id    TEXT COLLATE "C",
    -- the member who gave a gift, if it was one
    from_member_id     TEXT COLLATE "C" REFERENCES members (id),
    note               TEXT,
    starts_at          BIGINT NOT NULL,
    -- NULL: for a lifetime
    ends_at            BIGINT,
    -- the key, or `cli`
    granted_by         TEXT COLLATE "C" NOT NULL,
    created_at         BIGINT NOT NULL,
    revoked_at         BIGINT,
    revoked_by         TEXT COLLATE "C"
);
CREATE UNIQUE INDEX grants_reference ON grants (organization_id, external_reference)
    WHERE external_reference IS NOT NULL;
CREATE INDEX grants_member ON grants (organization_id, member_id, id);

-- The policy by which the entitlements of an organization were derived; another one derives them anew.
CREATE TABLE access_policies (
    organization_id TEXT COLLATE "C" PRIMARY KEY REFERENCES organizations (id),
    policy          TEXT NOT NULL,
    applied_at      BIGINT NOT NULL
);

-- Customers whose sources (metadata, foreign key, address) do not agree about their member.
CREATE TABLE link_conflicts (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    customer_id     TEXT COLLATE "C" NOT NULL,
    kind            TEXT COLLATE "C" NOT NULL,
    -- whom the customer is linked to
    member_id       TEXT COLLATE "C" REFERENCES members (id),
    -- whom the other source names
    claimed         TEXT NOT NULL,
    first_seen_at   BIGINT NOT NULL,
    last_seen_at    BIGINT NOT NULL,
    resolved_at     BIGINT,
    PRIMARY KEY (organization_id, customer_id, kind)
);
CREATE INDEX link_conflicts_open ON link_conflicts (organization_id, first_seen_at, customer_id)
    WHERE resolved_at IS NULL;

-- The last event about an object.
CREATE INDEX stripe_events_object ON stripe_events (organization_id, object_id, received_at)
    WHERE object_id IS NOT NULL;
