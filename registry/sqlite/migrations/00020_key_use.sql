-- +goose Up

-- Where a key was last used from.
ALTER TABLE api_keys ADD COLUMN last_used_address TEXT NOT NULL DEFAULT '';

-- The API key that made a claim, and what the audit log calls it: a runner outlives its name there.
ALTER TABLE runner_claims ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE runners ADD COLUMN enrolled_with TEXT NOT NULL DEFAULT '';

-- What a person sent that has to sign in again first, sealed.
CREATE TABLE drafts (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX drafts_user ON drafts (user_id, id);
CREATE INDEX drafts_expires ON drafts (expires_at);
