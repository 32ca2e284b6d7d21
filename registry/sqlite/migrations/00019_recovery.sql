-- +goose Up

ALTER TABLE users ADD COLUMN recovered_at INTEGER NOT NULL DEFAULT 0; -- 0: the person has reviewed the account since
ALTER TABLE users ADD COLUMN made_by_org TEXT NOT NULL DEFAULT '';    -- whose invitation or provider made it; '' = none

-- An invitation that makes an account makes its membership in the same moment.
UPDATE users SET made_by_org = COALESCE(
  (SELECT m.org_id FROM memberships m WHERE m.user_id = users.id AND m.created_at = users.created_at AND m.ends_at = 0 LIMIT 1), '');

ALTER TABLE memberships ADD COLUMN wanted_role TEXT NOT NULL DEFAULT ''; -- waits until the address is verified
CREATE INDEX memberships_waiting ON memberships (user_id) WHERE wanted_role <> '';

ALTER TABLE api_keys ADD COLUMN created_by_id TEXT NOT NULL DEFAULT ''; -- '' = the operator
UPDATE api_keys SET created_by_id = COALESCE((SELECT u.id FROM users u WHERE u.email = api_keys.created_by), '');
CREATE INDEX api_keys_created_by ON api_keys (created_by_id);

CREATE INDEX links_created_by ON links (created_by, kind);
CREATE INDEX runners_enrolled_by ON runners (enrolled_by);
CREATE INDEX runner_claims_created_by ON runner_claims (created_by);
