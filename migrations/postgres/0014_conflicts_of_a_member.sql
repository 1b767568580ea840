-- Each question of access asks for the open conflicts of one member.

CREATE INDEX link_conflicts_member ON link_conflicts (organization_id, member_id) WHERE resolved_at IS NULL;
