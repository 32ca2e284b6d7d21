-- +goose Up

-- Requests of orgs, a row every 10 minutes in which there were some; org '' is all of them.
CREATE TABLE usage (
  org_id   TEXT NOT NULL,
  at       INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  errors   INTEGER NOT NULL,
  latency  TEXT NOT NULL, -- JSON array: requests by class of time to serve
  PRIMARY KEY (org_id, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_at ON usage (at);
CREATE INDEX orgs_status ON orgs (status, name COLLATE NOCASE, id);
