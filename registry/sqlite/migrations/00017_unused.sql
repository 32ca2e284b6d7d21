-- +goose Up
-- Columns that nothing reads. An org's settings have been a table since 00007.

ALTER TABLE orgs DROP COLUMN settings;
ALTER TABLE mails DROP COLUMN error;
ALTER TABLE grants DROP COLUMN created_at;
ALTER TABLE runner_claims DROP COLUMN created_at;
