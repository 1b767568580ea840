-- Whose tokens (JWT) work no more: those that were issued until a moment.
CREATE TABLE revoked_callers (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    -- jwt: and 32 digits
    caller          TEXT NOT NULL,
    issued_until    INTEGER NOT NULL,
    PRIMARY KEY (organization_id, caller)
) STRICT, WITHOUT ROWID;
