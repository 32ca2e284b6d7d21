-- +goose Up

CREATE INDEX feed_org ON feed (org_id, seq);

-- Answers to be given again. answer is sealed; NULL: the request is not finished.
CREATE TABLE idempotency (
  actor   TEXT NOT NULL,
  key     TEXT NOT NULL,
  request BLOB NOT NULL,
  answer  BLOB,
  at      INTEGER NOT NULL,
  PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);
