-- +goose Up
-- What a token was issued under is told from what holds by numbers, not by clocks.

-- How often a person's membership of an org changed or ended. It outlives the membership.
CREATE TABLE member_versions (
  org_id  TEXT NOT NULL,
  user_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (org_id, user_id)
) STRICT, WITHOUT ROWID;

-- How often changed what an org asks of a sign-in.
ALTER TABLE orgs ADD COLUMN sign_in_version INTEGER NOT NULL DEFAULT 0;

-- The version after the change, of those kinds.
ALTER TABLE feed ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- Tokens of before have no version. Those that a change has made doubtful must stay so.
UPDATE feed SET version = 1 WHERE kind IN ('member.changed', 'member.removed', 'org.sign_in');
INSERT INTO member_versions (org_id, user_id, version)
  SELECT DISTINCT org_id, user_id, 1 FROM feed WHERE kind IN ('member.changed', 'member.removed');
UPDATE orgs SET sign_in_version = 1 WHERE id IN (SELECT org_id FROM feed WHERE kind = 'org.sign_in');

-- A provider's clock may have said any time.
UPDATE sessions SET auth_time = created_at - 604800000000
  WHERE auth_time < created_at - 604800000000 OR auth_time > created_at;

-- The algorithm that an app wants for its ID tokens: '' or RS256.
ALTER TABLE clients ADD COLUMN id_token_alg TEXT NOT NULL DEFAULT '';
