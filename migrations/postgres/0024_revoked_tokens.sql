-- Whose tokens (JWT) work no more: those that were issued until a moment.
CREATE TABLE revoked_callers (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    -- jwt: and 32 digits
    caller          TEXT COLLATE "C" NOT NULL,
    issued_until    BIGINT NOT NULL,
    PRIMARY KEY (organization_id, caller)
);
