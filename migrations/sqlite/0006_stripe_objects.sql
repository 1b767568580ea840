-- The rest of what is mirrored of Stripe, and what the first projections left out. All of it is rebuilt from the raw
-- objects by `memberd sync reproject`. Of payment methods nothing but brand, last four digits and expiry is here.

CREATE TABLE coupons (
    organization_id    TEXT NOT NULL,
    id                 TEXT NOT NULL,
    name               TEXT,
    -- hundredths of a percent
    percent_off_bps    INTEGER,
    -- minor units of currency
    amount_off         INTEGER,
    currency           TEXT,
    duration           TEXT,
    duration_in_months INTEGER,
    max_redemptions    INTEGER,
    times_redeemed     INTEGER  NOT NULL,
    redeem_by          INTEGER,
    valid              INTEGER NOT NULL,
    deleted            INTEGER NOT NULL,
    created_at         INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX coupons_created ON coupons (organization_id, created_at, id);

CREATE TABLE promotion_codes (
    organization_id TEXT NOT NULL,
    id              TEXT NOT NULL,
    -- NULL when what it promises is no coupon
    coupon_id       TEXT,
    code            TEXT NOT NULL,
    active          INTEGER NOT NULL,
    customer_id     TEXT,
    expires_at      INTEGER,
    max_redemptions INTEGER,
    times_redeemed  INTEGER  NOT NULL,
    deleted         INTEGER NOT NULL,
    created_at      INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX promotion_codes_coupon ON promotion_codes (organization_id, coupon_id);

CREATE TABLE payment_methods (
    organization_id TEXT NOT NULL,
    id              TEXT NOT NULL,
    -- NULL when it is attached to nobody
    customer_id     TEXT,
    type            TEXT NOT NULL,
    brand           TEXT,
    last4           TEXT,
    exp_month       INTEGER,
    exp_year        INTEGER,
    deleted         INTEGER NOT NULL,
    created_at      INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX payment_methods_customer ON payment_methods (organization_id, customer_id);

CREATE TABLE subscription_schedules (
    organization_id     TEXT NOT NULL,
    id                  TEXT NOT NULL,
    customer_id         TEXT,
    subscription_id     TEXT,
    status              TEXT NOT NULL,
    end_behavior        TEXT,
    -- JSON: [{"start_date", "end_date", "trial_end", "items": [{"price_id", "quantity"}]}], times as RFC 3339
    phases              TEXT    NOT NULL,
    current_phase_start INTEGER,
    current_phase_end   INTEGER,
    canceled_at         INTEGER,
    completed_at        INTEGER,
    released_at         INTEGER,
    deleted             INTEGER NOT NULL,
    created_at          INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX subscription_schedules_subscription ON subscription_schedules (organization_id, subscription_id);

-- Which payments paid which invoice.
CREATE TABLE invoice_payments (
    organization_id   TEXT NOT NULL,
    id                TEXT NOT NULL,
    invoice_id        TEXT NOT NULL,
    payment_intent_id TEXT,
    charge_id         TEXT,
    status            TEXT,
    currency          TEXT NOT NULL,
    -- minor units
    amount_requested  INTEGER  NOT NULL,
    amount_paid       INTEGER,
    is_default        INTEGER NOT NULL,
    paid_at           INTEGER,
    deleted           INTEGER NOT NULL,
    created_at        INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX invoice_payments_invoice ON invoice_payments (organization_id, invoice_id);
CREATE INDEX invoice_payments_intent ON invoice_payments (organization_id, payment_intent_id);
CREATE INDEX invoice_payments_charge ON invoice_payments (organization_id, charge_id);

CREATE TABLE charges (
    organization_id   TEXT NOT NULL,
    id                TEXT NOT NULL,
    customer_id       TEXT,
    payment_intent_id TEXT,
    -- said by the charge itself before API version 2025-03-31, and known from invoice_payments since
    invoice_id        TEXT,
    payment_method_id TEXT,
    status            TEXT,
    currency          TEXT NOT NULL,
    -- minor units
    amount            INTEGER  NOT NULL,
    amount_captured   INTEGER  NOT NULL,
    amount_refunded   INTEGER  NOT NULL,
    paid              INTEGER NOT NULL,
    refunded          INTEGER NOT NULL,
    disputed          INTEGER NOT NULL,
    failure_code      TEXT,
    deleted           INTEGER NOT NULL,
    created_at        INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX charges_created ON charges (organization_id, created_at, id);
CREATE INDEX charges_customer ON charges (organization_id, customer_id);
CREATE INDEX charges_intent ON charges (organization_id, payment_intent_id);
CREATE INDEX charges_invoice ON charges (organization_id, invoice_id);
CREATE INDEX charges_alone ON charges (organization_id, created_at, id)
    WHERE invoice_id IS NULL AND status = 'succeeded' AND NOT deleted;

CREATE TABLE refunds (
    organization_id   TEXT NOT NULL,
    id                TEXT NOT NULL,
    charge_id         TEXT,
    payment_intent_id TEXT,
    status            TEXT,
    reason            TEXT,
    currency          TEXT NOT NULL,
    -- minor units
    amount            INTEGER  NOT NULL,
    deleted           INTEGER NOT NULL,
    created_at        INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX refunds_charge ON refunds (organization_id, charge_id);

CREATE TABLE checkout_sessions (
    organization_id     TEXT NOT NULL,
    id                  TEXT NOT NULL,
    customer_id         TEXT,
    mode                TEXT,
    status              TEXT,
    payment_status      TEXT,
    subscription_id     TEXT,
    invoice_id          TEXT,
    payment_intent_id   TEXT,
    client_reference_id TEXT,
    currency            TEXT,
    -- minor units
    amount_total        INTEGER,
    expires_at          INTEGER,
    deleted             INTEGER NOT NULL,
    created_at          INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX checkout_sessions_intent ON checkout_sessions (organization_id, payment_intent_id);

CREATE TABLE stripe_accounts (
    organization_id   TEXT NOT NULL,
    id                TEXT NOT NULL,
    type              TEXT,
    country           TEXT,
    default_currency  TEXT,
    charges_enabled   INTEGER NOT NULL,
    payouts_enabled   INTEGER NOT NULL,
    details_submitted INTEGER NOT NULL,
    disabled_reason   TEXT,
    -- JSON: the names of what Stripe wants to know now
    currently_due     TEXT    NOT NULL,
    deleted           INTEGER NOT NULL,
    created_at        INTEGER  NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;

ALTER TABLE customers ADD COLUMN payment_method_id TEXT;
-- minor units; negative is credit
ALTER TABLE customers ADD COLUMN balance INTEGER NOT NULL DEFAULT 0;

-- one_time or recurring
ALTER TABLE prices ADD COLUMN type TEXT;
ALTER TABLE prices ADD COLUMN trial_period_days INTEGER;
-- whoever pays decides how much: a donation
ALTER TABLE prices ADD COLUMN custom_amount INTEGER NOT NULL DEFAULT 0;
CREATE INDEX prices_created ON prices (organization_id, created_at, id);

ALTER TABLE subscriptions ADD COLUMN payment_method_id TEXT;
ALTER TABLE subscriptions ADD COLUMN schedule_id TEXT;
-- the first discount's
ALTER TABLE subscriptions ADD COLUMN coupon_id TEXT;
ALTER TABLE subscriptions ADD COLUMN cancel_reason TEXT;

ALTER TABLE invoices ADD COLUMN subtotal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN tax INTEGER NOT NULL DEFAULT 0;
-- hundredths of a percent; NULL when there is no single rate
ALTER TABLE invoices ADD COLUMN tax_percent_bps INTEGER;
ALTER TABLE invoices ADD COLUMN discount INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN billing_reason TEXT;
ALTER TABLE invoices ADD COLUMN invoice_pdf TEXT;
-- of the line that bills the most
ALTER TABLE invoices ADD COLUMN price_id TEXT;
ALTER TABLE invoices ADD COLUMN product_id TEXT;
ALTER TABLE invoices ADD COLUMN payment_method_id TEXT;
-- said by API versions before 2025-03-31 only
ALTER TABLE invoices ADD COLUMN payment_intent_id TEXT;
ALTER TABLE invoices ADD COLUMN charge_id TEXT;
CREATE INDEX invoices_paid ON invoices (organization_id, created_at, id) WHERE status = 'paid';
