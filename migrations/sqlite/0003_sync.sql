-- The mirror of Stripe: received events, raw objects, and projections that can be rebuilt from the raw objects.

CREATE TABLE stripe_events (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    id              TEXT NOT NULL,
    account         TEXT NOT NULL,
    livemode        INTEGER NOT NULL,
    type            TEXT NOT NULL,
    api_version     TEXT,
    object_type     TEXT,
    object_id       TEXT,
    created_at      INTEGER NOT NULL,
    received_at     INTEGER NOT NULL,
    source          TEXT NOT NULL CHECK (source IN ('webhook', 'poll', 'replay')),
    state           TEXT NOT NULL
        CHECK (state IN ('new', 'applied', 'ignored', 'wrong_mode', 'foreign', 'failed')),
    applied_at      INTEGER,
    error           TEXT,
    -- the request body as received; NULL after its retention
    body            TEXT,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX stripe_events_new ON stripe_events (organization_id, object_type, object_id) WHERE state = 'new';
CREATE INDEX stripe_events_failed ON stripe_events (organization_id, object_id) WHERE state = 'failed';
CREATE INDEX stripe_events_received ON stripe_events (organization_id, received_at, id);
CREATE INDEX stripe_events_bodies ON stripe_events (received_at) WHERE body IS NOT NULL;

CREATE TABLE stripe_objects (
    organization_id TEXT NOT NULL,
    account         TEXT NOT NULL,
    livemode        INTEGER NOT NULL,
    type            TEXT NOT NULL,
    id              TEXT NOT NULL,
    -- Stripe's JSON as it was answered
    raw             TEXT    NOT NULL,
    -- Stripe's own time (its Date header) at which this was true
    as_of           INTEGER NOT NULL,
    deleted         INTEGER NOT NULL,
    api_version     TEXT,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, account, livemode, type, id)
) STRICT;

CREATE TABLE customers (
    organization_id TEXT NOT NULL,
    id              TEXT NOT NULL,
    member_id       TEXT REFERENCES members (id),
    -- how the member was found: metadata, foreign_key, email or created; or email_taken when nobody could be linked
    link            TEXT NOT NULL,
    email           TEXT,
    name            TEXT,
    currency        TEXT,
    delinquent      INTEGER NOT NULL,
    deleted         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX customers_member ON customers (member_id) WHERE member_id IS NOT NULL;

CREATE TABLE products (
    organization_id TEXT NOT NULL,
    id              TEXT NOT NULL,
    name            TEXT    NOT NULL,
    description     TEXT,
    active          INTEGER NOT NULL,
    deleted         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;

CREATE TABLE prices (
    organization_id TEXT NOT NULL,
    id              TEXT NOT NULL,
    product_id      TEXT NOT NULL,
    nickname        TEXT,
    currency        TEXT NOT NULL,
    -- minor units; NULL when Stripe computes it (tiers, metered)
    unit_amount     INTEGER,
    recurring_interval       TEXT,
    recurring_interval_count INTEGER,
    active          INTEGER NOT NULL,
    deleted         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX prices_product ON prices (organization_id, product_id);

CREATE TABLE subscriptions (
    organization_id      TEXT NOT NULL,
    id                   TEXT NOT NULL,
    customer_id          TEXT NOT NULL,
    status               TEXT NOT NULL,
    collection_method    TEXT,
    currency             TEXT,
    start_date           INTEGER,
    trial_start          INTEGER,
    trial_end            INTEGER,
    current_period_start INTEGER,
    current_period_end   INTEGER,
    cancel_at            INTEGER,
    cancel_at_period_end INTEGER NOT NULL,
    canceled_at          INTEGER,
    ended_at             INTEGER,
    pause_behavior       TEXT,
    pause_resumes_at     INTEGER,
    latest_invoice_id    TEXT,
    deleted              INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX subscriptions_created ON subscriptions (organization_id, created_at, id);
CREATE INDEX subscriptions_customer ON subscriptions (organization_id, customer_id);

CREATE TABLE subscription_items (
    organization_id      TEXT NOT NULL,
    subscription_id      TEXT NOT NULL,
    id                   TEXT NOT NULL,
    price_id             TEXT NOT NULL,
    product_id           TEXT NOT NULL,
    quantity             INTEGER NOT NULL,
    -- of the price as the subscription carries it: minor units of one interval, NULL when Stripe computes it
    currency             TEXT,
    unit_amount          INTEGER,
    recurring_interval       TEXT,
    recurring_interval_count INTEGER,
    current_period_start INTEGER,
    current_period_end   INTEGER,
    PRIMARY KEY (organization_id, subscription_id, id)
) STRICT;

CREATE TABLE invoices (
    organization_id    TEXT NOT NULL,
    id                 TEXT NOT NULL,
    customer_id        TEXT,
    subscription_id    TEXT,
    number             TEXT,
    status             TEXT,
    collection_method  TEXT,
    currency           TEXT NOT NULL,
    -- minor units
    total              INTEGER NOT NULL,
    amount_due         INTEGER NOT NULL,
    amount_paid        INTEGER NOT NULL,
    amount_remaining   INTEGER NOT NULL,
    attempt_count      INTEGER NOT NULL,
    due_date           INTEGER,
    period_start       INTEGER,
    period_end         INTEGER,
    paid_at            INTEGER,
    hosted_invoice_url TEXT,
    deleted            INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX invoices_created ON invoices (organization_id, created_at, id);
CREATE INDEX invoices_customer ON invoices (organization_id, customer_id);
CREATE INDEX invoices_subscription ON invoices (organization_id, subscription_id);

-- How far each stream (events, backfill of one type) of one organization has been read.
CREATE TABLE sync_cursors (
    organization_id TEXT NOT NULL,
    stream          TEXT NOT NULL,
    cursor          TEXT,
    state           TEXT NOT NULL,
    objects         INTEGER NOT NULL DEFAULT 0,
    started_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, stream)
) STRICT;
