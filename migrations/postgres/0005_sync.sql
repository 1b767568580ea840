-- Events whose own content does not settle what is true: since when a fetch has been on its way for them.
ALTER TABLE stripe_events ADD COLUMN asked_at BIGINT;
CREATE INDEX stripe_events_unread ON stripe_events (organization_id, created_at, id)
    WHERE state = 'new' AND asked_at IS NULL;
