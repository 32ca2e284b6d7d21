-- +goose Up
CREATE TABLE plans (
  name        TEXT PRIMARY KEY,
  title       TEXT NOT NULL,
  description TEXT NOT NULL,
  provider    TEXT NOT NULL,
  limits      TEXT NOT NULL,               -- JSON: name to number
  session_idle     INTEGER NOT NULL DEFAULT 0, -- seconds; 0 = as long as for the installation
  session_lifetime INTEGER NOT NULL DEFAULT 0,
  configured  INTEGER NOT NULL DEFAULT 0,  -- defined in the Caddyfile
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX orgs_plan ON orgs (plan, id);
ALTER TABLE orgs ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'; -- in place of its plan's

-- How far the people of an org have been warned, by limit.
CREATE TABLE quota_warnings (
  org_id TEXT NOT NULL REFERENCES orgs (id),
  name   TEXT NOT NULL,
  level  INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE quota_warnings;
ALTER TABLE orgs DROP COLUMN limits;
DROP INDEX orgs_plan;
DROP TABLE plans;
