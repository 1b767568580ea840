-- Deleted members with an address are looked up, as the living are by members_email.
CREATE INDEX members_deleted_email ON members (organization_id, email_normalized)
    WHERE email_normalized IS NOT NULL AND deleted_at IS NOT NULL;
