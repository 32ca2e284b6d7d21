-- +goose Up
-- What lists are sorted by, so that a page costs the same wherever it starts.

CREATE INDEX orgs_name ON orgs (name COLLATE NOCASE, id);
CREATE INDEX orgs_slug ON orgs (slug, id);
CREATE INDEX orgs_created ON orgs (created_at, id);
CREATE INDEX users_name ON users (name COLLATE NOCASE, id);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_admins ON users (email) WHERE platform_admin = 1;
CREATE INDEX links_expires ON links (expires_at);
CREATE INDEX keys_expires ON keys (expires_at);
CREATE INDEX instances_leases ON instances (lease_until) WHERE lease_until > 0;
CREATE INDEX audit_action ON audit (action, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
