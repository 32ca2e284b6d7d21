-- +goose Up

ALTER TABLE users ADD COLUMN email_verified INTEGER NOT NULL DEFAULT 0; -- a link that was mailed to the address was followed

ALTER TABLE links ADD COLUMN user_id TEXT NOT NULL DEFAULT '';   -- of the kinds verify, email and reset
ALTER TABLE links ADD COLUMN mailed INTEGER NOT NULL DEFAULT 0;  -- to its address, and shown to nobody
CREATE INDEX links_user ON links (user_id, kind);

-- Messages to be sent. sealed may hold a link that lets somebody in.
CREATE TABLE mails (
  id         TEXT PRIMARY KEY,
  recipient  TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  attempts   INTEGER NOT NULL DEFAULT 0,
  error      TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  next_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mails_due ON mails (next_at);
