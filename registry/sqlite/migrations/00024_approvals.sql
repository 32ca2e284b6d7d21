-- +goose Up
-- Changes to who gets into an org that were asked for from outside, and wait for one of its owners.

CREATE TABLE approvals (
  id           TEXT PRIMARY KEY,
  org_id       TEXT NOT NULL REFERENCES orgs (id),
  kind         TEXT NOT NULL,
  user_id      TEXT NOT NULL DEFAULT '', -- '': nobody yet
  email        TEXT NOT NULL,
  role         TEXT NOT NULL,
  was          TEXT NOT NULL DEFAULT '',
  reason       TEXT NOT NULL DEFAULT '',
  asked_by     TEXT NOT NULL,
  asked_by_id  TEXT NOT NULL DEFAULT '', -- '': the operator
  state        TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL DEFAULT 0, -- 0: it waits until it is decided
  effective_at INTEGER NOT NULL DEFAULT 0, -- 0: never without an owner
  decided_by   TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_org ON approvals (org_id, id);
CREATE INDEX approvals_waiting ON approvals (user_id) WHERE state = 'waiting';
CREATE INDEX approvals_asked ON approvals (asked_by_id) WHERE state = 'waiting';

-- Since when a member is kept out until somebody says that it is them; 0: they are not.
ALTER TABLE memberships ADD COLUMN held_at INTEGER NOT NULL DEFAULT 0;
