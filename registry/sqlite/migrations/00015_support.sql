-- +goose Up
-- Access of platform admins to an org for a while, which an owner approves. While it lasts it is a membership.

CREATE TABLE support (
  id         TEXT PRIMARY KEY,
  org_id     TEXT NOT NULL REFERENCES orgs (id),
  user_id    TEXT NOT NULL REFERENCES users (id),
  role       TEXT NOT NULL,
  reason     TEXT NOT NULL,
  hours      INTEGER NOT NULL,
  state      TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  decided_by TEXT NOT NULL DEFAULT '',
  ends_at    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX support_org ON support (org_id, id);
CREATE INDEX support_user ON support (user_id, state);
CREATE INDEX support_ends ON support (ends_at) WHERE state = 'approved';

ALTER TABLE memberships ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0; -- 0: it does not end by itself
