-- +goose Up

CREATE TABLE webhooks (
  id         TEXT PRIMARY KEY,
  org_id     TEXT NOT NULL DEFAULT '', -- '' = the platform's
  url        TEXT NOT NULL,
  events     TEXT NOT NULL,            -- JSON array; [] = everything
  sealed     BLOB NOT NULL,
  active     INTEGER NOT NULL DEFAULT 1,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhooks_org ON webhooks (org_id, id);

CREATE TABLE deliveries (
  id         TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  event      TEXT NOT NULL,
  body       TEXT NOT NULL,
  state      TEXT NOT NULL,
  attempts   INTEGER NOT NULL DEFAULT 0,
  status     INTEGER NOT NULL DEFAULT 0,
  error      TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  tried_at   INTEGER NOT NULL DEFAULT 0,
  next_at    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'pending';
CREATE INDEX deliveries_created ON deliveries (created_at);

-- Up to which change deliveries have been made.
INSERT INTO meta (key, value) SELECT 'webhooks_seq', CAST(seq AS TEXT) FROM feed_head;
