-- The rest of what is mirrored of Stripe, and what the first projections left out. All of it is rebuilt from the raw
-- objects by `memberd sync reproject`. Of payment methods nothing but brand, last four digits and expiry is here.

CREATE TABLE coupons (
    organization_id    TEXT COLLATE "C" NOT NULL,
    id                 TEXT COLLATE "C" NOT NULL,
    name               TEXT,
    -- hundredths of a percent
    percent_off_bps    BIGINT,
    -- minor units of currency
    amount_off         BIGINT,
    currency           TEXT COLLATE "C",
    duration           TEXT COLLATE "C",
    duration_in_months BIGINT,
    max_redemptions    BIGINT,
    times_redeemed     BIGINT  NOT NULL,
    redeem_by          BIGINT,
    valid              BOOLEAN NOT NULL,
    deleted            BOOLEAN NOT NULL,
    created_at         BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX coupons_created ON coupons (organization_id, created_at, id);

CREATE TABLE promotion_codes (
    organization_id TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    -- NULL when what it promises is no coupon
    coupon_id       TEXT COLLATE "C",
    code            TEXT COLLATE "C" NOT NULL,
    active          BOOLEAN NOT NULL,
    customer_id     TEXT COLLATE "C",
    expires_at      BIGINT,
    max_redemptions BIGINT,
    times_redeemed  BIGINT  NOT NULL,
    deleted         BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX promotion_codes_coupon ON promotion_codes (organization_id, coupon_id);

CREATE TABLE payment_methods (
    organization_id TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    -- NULL when it is attached to nobody
    customer_id     TEXT COLLATE "C",
    type            TEXT COLLATE "C" NOT NULL,
    brand           TEXT,
    last4           TEXT,
    exp_month       BIGINT,
    exp_year        BIGINT,
    deleted         BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX payment_methods_customer ON payment_methods (organization_id, customer_id);

CREATE TABLE subscription_schedules (
    organization_id     TEXT COLLATE "C" NOT NULL,
    id                  TEXT COLLATE "C" NOT NULL,
    customer_id         TEXT COLLATE "C",
    subscription_id     TEXT COLLATE "C",
    status              TEXT COLLATE "C" NOT NULL,
    end_behavior        TEXT COLLATE "C",
    -- JSON: [{"start_date", "end_date", "trial_end", "items": [{"price_id", "quantity"}]}], times as RFC 3339
    phases              TEXT    NOT NULL,
    current_phase_start BIGINT,
    current_phase_end   BIGINT,
    canceled_at         BIGINT,
    completed_at        BIGINT,
    released_at         BIGINT,
    deleted             BOOLEAN NOT NULL,
    created_at          BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX subscription_schedules_subscription ON subscription_schedules (organization_id, subscription_id);

-- Which payments paid which invoice.
CREATE TABLE invoice_payments (
    organization_id   TEXT COLLATE "C" NOT NULL,
    id                TEXT COLLATE "C" NOT NULL,
    invoice_id        TEXT COLLATE "C" NOT NULL,
    payment_intent_id TEXT COLLATE "C",
    charge_id         TEXT COLLATE "C",
    status            TEXT COLLATE "C",
    currency          TEXT COLLATE "C" NOT NULL,
    -- minor units
    amount_requested  BIGINT  NOT NULL,
    amount_paid       BIGINT,
    is_default        BOOLEAN NOT NULL,
    paid_at           BIGINT,
    deleted           BOOLEAN NOT NULL,
    created_at        BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX invoice_payments_invoice ON invoice_payments (organization_id, invoice_id);
CREATE INDEX invoice_payments_intent ON invoice_payments (organization_id, payment_intent_id);
CREATE INDEX invoice_payments_charge ON invoice_payments (organization_id, charge_id);

CREATE TABLE charges (
    organization_id   TEXT COLLATE "C" NOT NULL,
    id                TEXT COLLATE "C" NOT NULL,
    customer_id       TEXT COLLATE "C",
    payment_intent_id TEXT COLLATE "C",
    -- said by the charge itself before API version 2025-03-31, and known from invoice_payments since
    invoice_id        TEXT COLLATE "C",
    payment_method_id TEXT COLLATE "C",
    status            TEXT COLLATE "C",
    currency          TEXT COLLATE "C" NOT NULL,
    -- minor units
    amount            BIGINT  NOT NULL,
    amount_captured   BIGINT  NOT NULL,
    amount_refunded   BIGINT  NOT NULL,
    paid              BOOLEAN NOT NULL,
    refunded          BOOLEAN NOT NULL,
    disputed          BOOLEAN NOT NULL,
    failure_code      TEXT COLLATE "C",
    deleted           BOOLEAN NOT NULL,
    created_at        BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX charges_created ON charges (organization_id, created_at, id);
CREATE INDEX charges_customer ON charges (organization_id, customer_id);
CREATE INDEX charges_intent ON charges (organization_id, payment_intent_id);
CREATE INDEX charges_invoice ON charges (organization_id, invoice_id);
CREATE INDEX charges_alone ON charges (organization_id, created_at, id)
    WHERE invoice_id IS NULL AND status = 'succeeded' AND NOT deleted;

CREATE TABLE refunds (
    organization_id   TEXT COLLATE "C" NOT NULL,
    id                TEXT COLLATE "C" NOT NULL,
    charge_id         TEXT COLLATE "C",
    payment_intent_id TEXT COLLATE "C",
    status            TEXT COLLATE "C",
    reason            TEXT COLLATE "C",
    currency          TEXT COLLATE "C" NOT NULL,
    -- minor units
    amount            BIGINT  NOT NULL,
    deleted           BOOLEAN NOT NULL,
    created_at        BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX refunds_charge ON refunds (organization_id, charge_id);

CREATE TABLE checkout_sessions (
    organization_id     TEXT COLLATE "C" NOT NULL,
    id                  TEXT COLLATE "C" NOT NULL,
    customer_id         TEXT COLLATE "C",
    mode                TEXT COLLATE "C",
    status              TEXT COLLATE "C",
    payment_status      TEXT COLLATE "C",
    subscription_id     TEXT COLLATE "C",
    invoice_id          TEXT COLLATE "C",
    payment_intent_id   TEXT COLLATE "C",
    client_reference_id TEXT COLLATE "C",
    currency            TEXT COLLATE "C",
    -- minor units
    amount_total        BIGINT,
    expires_at          BIGINT,
    deleted             BOOLEAN NOT NULL,
    created_at          BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX checkout_sessions_intent ON checkout_sessions (organization_id, payment_intent_id);

CREATE TABLE stripe_accounts (
    organization_id   TEXT COLLATE "C" NOT NULL,
    id                TEXT COLLATE "C" NOT NULL,
    type              TEXT COLLATE "C",
    country           TEXT COLLATE "C",
    default_currency  TEXT COLLATE "C",
    charges_enabled   BOOLEAN NOT NULL,
    payouts_enabled   BOOLEAN NOT NULL,
    details_submitted BOOLEAN NOT NULL,
    disabled_reason   TEXT COLLATE "C",
    -- JSON: the names of what Stripe wants to know now
    currently_due     TEXT    NOT NULL,
    deleted           BOOLEAN NOT NULL,
    created_at        BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, id)
);

ALTER TABLE customers ADD COLUMN payment_method_id TEXT COLLATE "C";
-- minor units; negative is credit
ALTER TABLE customers ADD COLUMN balance BIGINT NOT NULL DEFAULT 0;

-- one_time or recurring
ALTER TABLE prices ADD COLUMN type TEXT COLLATE "C";
ALTER TABLE prices ADD COLUMN trial_period_days BIGINT;
-- whoever pays decides how much: a donation
ALTER TABLE prices ADD COLUMN custom_amount BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX prices_created ON prices (organization_id, created_at, id);

ALTER TABLE subscriptions ADD COLUMN payment_method_id TEXT COLLATE "C";
ALTER TABLE subscriptions ADD COLUMN schedule_id TEXT COLLATE "C";
-- the first discount's
ALTER TABLE subscriptions ADD COLUMN coupon_id TEXT COLLATE "C";
ALTER TABLE subscriptions ADD COLUMN cancel_reason TEXT COLLATE "C";

ALTER TABLE invoices ADD COLUMN subtotal BIGINT NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN tax BIGINT NOT NULL DEFAULT 0;
-- hundredths of a percent; NULL when there is no single rate
ALTER TABLE invoices ADD COLUMN tax_percent_bps BIGINT;
ALTER TABLE invoices ADD COLUMN discount BIGINT NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN billing_reason TEXT COLLATE "C";
ALTER TABLE invoices ADD COLUMN invoice_pdf TEXT;
-- of the line that bills the most
ALTER TABLE invoices ADD COLUMN price_id TEXT COLLATE "C";
ALTER TABLE invoices ADD COLUMN product_id TEXT COLLATE "C";
ALTER TABLE invoices ADD COLUMN payment_method_id TEXT COLLATE "C";
-- said by API versions before 2025-03-31 only
ALTER TABLE invoices ADD COLUMN payment_intent_id TEXT COLLATE "C";
ALTER TABLE invoices ADD COLUMN charge_id TEXT COLLATE "C";
CREATE INDEX invoices_paid ON invoices (organization_id, created_at, id) WHERE status = 'paid';
