-- Deleted members with an address are looked up, as the living are by members_email.
CREATE INDEX members_deleted_email ON members (organization_id, email_normalized)
    WHERE email_normalized IS NOT NULL AND deleted_at IS NOT NULL;

-- As in 0012: a member has few operations, an organization has many.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('stripe_operations', 'stripe_operations_organization', '100000 50000 1'),
    ('stripe_operations', 'stripe_operations_member', '100000 2');
ANALYZE sqlite_schema;
