-- +goose Up
-- An org that is being deleted can be kept until delete_at (0: it is not being deleted).

ALTER TABLE orgs ADD COLUMN delete_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orgs ADD COLUMN kept_status TEXT NOT NULL DEFAULT ''; -- what it was, and becomes when it is kept
CREATE INDEX orgs_delete ON orgs (delete_at) WHERE delete_at > 0;
