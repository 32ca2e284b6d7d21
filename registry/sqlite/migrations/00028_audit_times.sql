-- +goose Up
-- An org's entries of a time range, newest first. Those of all orgs are found by audit_at.

CREATE INDEX audit_org_at ON audit (org_id, at);
