-- A first column alone does not tell which index to take while a table has no statistics: then each seems to leave as many
-- rows. The member stays first, for the foreign keys.
DROP INDEX customers_member;
CREATE INDEX customers_member ON customers (member_id, organization_id) WHERE member_id IS NOT NULL;
DROP INDEX member_keys_member;
CREATE INDEX member_keys_member ON member_keys (member_id, organization_id);
