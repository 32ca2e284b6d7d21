-- +goose Up
-- How long sign-in sessions count for an org, in seconds; 0 = as long as for the installation.
ALTER TABLE orgs ADD COLUMN session_idle INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orgs ADD COLUMN session_lifetime INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE orgs DROP COLUMN session_lifetime;
ALTER TABLE orgs DROP COLUMN session_idle;
