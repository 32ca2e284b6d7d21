-- +goose Up
-- The TXT record of a verified domain is looked at again and again.

ALTER TABLE domains ADD COLUMN check_at INTEGER NOT NULL DEFAULT 0; -- when the next look is due
ALTER TABLE domains ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;   -- looks in a row that did not find it
CREATE INDEX domains_check ON domains (check_at) WHERE verified_by = 'dns';
