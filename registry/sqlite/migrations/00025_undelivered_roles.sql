-- +goose Up
-- Why a provider did not deliver the roles claim at somebody's last sign-in by it.

ALTER TABLE identities ADD COLUMN undelivered TEXT NOT NULL DEFAULT ''; -- '': it did
