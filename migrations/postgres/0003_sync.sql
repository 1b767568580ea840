-- The mirror of Stripe: received events, raw objects, and projections that can be rebuilt from the raw objects.

CREATE TABLE stripe_events (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    id              TEXT COLLATE "C" NOT NULL,
    account         TEXT COLLATE "C" NOT NULL,
    livemode        BOOLEAN NOT NULL,
    type            TEXT COLLATE "C" NOT NULL,
    api_version     TEXT,
    object_type     TEXT COLLATE "C",
    object_id       TEXT COLLATE "C",
    created_at      BIGINT  NOT NULL,
    received_at     BIGINT  NOT NULL,
    source          TEXT COLLATE "C" NOT NULL CHECK (source IN ('webhook', 'poll', 'replay')),
    state           TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('new', 'applied', 'ignored', 'wrong_mode', 'foreign', 'failed')),
    applied_at      BIGINT,
    error           TEXT,
    -- the request body as received; NULL after its retention
    body            TEXT,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX stripe_events_new ON stripe_events (organization_id, object_type, object_id) WHERE state = 'new';
CREATE INDEX stripe_events_failed ON stripe_events (organization_id, object_id) WHERE state = 'failed';
CREATE INDEX stripe_events_received ON stripe_events (organization_id, received_at, id);
CREATE INDEX stripe_events_bodies ON stripe_events (received_at) WHERE body IS NOT NULL;

CREATE TABLE stripe_objects (
    organization_id TEXT COLLATE "C" NOT NULL,
    account         TEXT COLLATE "C" NOT NULL,
    livemode        BOOLEAN NOT NULL,
    type            TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    -- Stripe's JSON as it was answered
    raw             TEXT    NOT NULL,
    -- Stripe's own time (its Date header) at which this was true
    as_of           BIGINT  NOT NULL,
    deleted         BOOLEAN NOT NULL,
    api_version     TEXT,
    updated_at      BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, account, livemode, type, id)
);

CREATE TABLE customers (
    organization_id TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    member_id       TEXT COLLATE "C" REFERENCES members (id),
    -- how the member was found: metadata, foreign_key, email or created; or email_taken when nobody could be linked
    link            TEXT COLLATE "C" NOT NULL,
    email           TEXT,
    name            TEXT,
    currency        TEXT COLLATE "C",
    delinquent      BOOLEAN NOT NULL,
    deleted         BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX customers_member ON customers (member_id) WHERE member_id IS NOT NULL;

CREATE TABLE products (
    organization_id TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    name            TEXT    NOT NULL,
    description     TEXT,
    active          BOOLEAN NOT NULL,
    deleted         BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);

CREATE TABLE prices (
    organization_id TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    product_id      TEXT COLLATE "C" NOT NULL,
    nickname        TEXT,
    currency        TEXT COLLATE "C" NOT NULL,
    -- minor units; NULL when Stripe computes it (tiers, metered)
    unit_amount     BIGINT,
    recurring_interval       TEXT COLLATE "C",
    recurring_interval_count BIGINT,
    active          BOOLEAN NOT NULL,
    deleted         BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX prices_product ON prices (organization_id, product_id);

CREATE TABLE subscriptions (
    organization_id      TEXT COLLATE "C" NOT NULL,
    id                   TEXT COLLATE "C" NOT NULL,
    customer_id          TEXT COLLATE "C" NOT NULL,
    status               TEXT COLLATE "C" NOT NULL,
    collection_method    TEXT COLLATE "C",
    currency             TEXT COLLATE "C",
    start_date           BIGINT,
    trial_start          BIGINT,
    trial_end            BIGINT,
    current_period_start BIGINT,
    current_period_end   BIGINT,
    cancel_at            BIGINT,
    cancel_at_period_end BOOLEAN NOT NULL,
    canceled_at          BIGINT,
    ended_at             BIGINT,
    pause_behavior       TEXT COLLATE "C",
    pause_resumes_at     BIGINT,
    latest_invoice_id    TEXT COLLATE "C",
    deleted              BOOLEAN NOT NULL,
    created_at           BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX subscriptions_created ON subscriptions (organization_id, created_at, id);
CREATE INDEX subscriptions_customer ON subscriptions (organization_id, customer_id);

CREATE TABLE subscription_items (
    organization_id      TEXT COLLATE "C" NOT NULL,
    subscription_id      TEXT COLLATE "C" NOT NULL,
    id                   TEXT COLLATE "C" NOT NULL,
    price_id             TEXT COLLATE "C" NOT NULL,
    product_id           TEXT COLLATE "C" NOT NULL,
    quantity             BIGINT NOT NULL,
    -- of the price as the subscription carries it: minor units of one interval, NULL when Stripe computes it
    currency             TEXT COLLATE "C",
    unit_amount          BIGINT,
    recurring_interval       TEXT COLLATE "C",
    recurring_interval_count BIGINT,
    current_period_start BIGINT,
    current_period_end   BIGINT,
    PRIMARY KEY (organization_id, subscription_id, id)
);

CREATE TABLE invoices (
    organization_id    TEXT COLLATE "C" NOT NULL,
    id                 TEXT COLLATE "C" NOT NULL,
    customer_id        TEXT COLLATE "C",
    subscription_id    TEXT COLLATE "C",
    number             TEXT,
    status             TEXT COLLATE "C",
    collection_method  TEXT COLLATE "C",
    currency           TEXT COLLATE "C" NOT NULL,
    -- minor units
    total              BIGINT NOT NULL,
    amount_due         BIGINT NOT NULL,
    amount_paid        BIGINT NOT NULL,
    amount_remaining   BIGINT NOT NULL,
    attempt_count      BIGINT NOT NULL,
    due_date           BIGINT,
    period_start       BIGINT,
    period_end         BIGINT,
    paid_at            BIGINT,
    hosted_invoice_url TEXT,
    deleted            BOOLEAN NOT NULL,
    created_at         BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX invoices_created ON invoices (organization_id, created_at, id);
CREATE INDEX invoices_customer ON invoices (organization_id, customer_id);
CREATE INDEX invoices_subscription ON invoices (organization_id, subscription_id);

-- How far each stream (events, backfill of one type) of one organization has been read.
CREATE TABLE sync_cursors (
    organization_id TEXT COLLATE "C" NOT NULL,
    stream          TEXT COLLATE "C" NOT NULL,
    cursor          TEXT COLLATE "C",
    state           TEXT COLLATE "C" NOT NULL,
    objects         BIGINT NOT NULL DEFAULT 0,
    started_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, stream)
);
