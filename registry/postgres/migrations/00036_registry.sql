-- +goose Up
-- The SQLite schema after its migration of the same number. Later migrations share their
-- numbers, too. Text compares by bytes. Times are Unix microseconds. IDs are UUIDv7 text. Secrets
-- are stored hashed or sealed.

CREATE TABLE meta (
  key   text COLLATE "C" PRIMARY KEY,
  value text COLLATE "C" NOT NULL
);

CREATE TABLE feed_head (
  id    bigint PRIMARY KEY CHECK (id = 1),
  seq   bigint NOT NULL,
  claim text COLLATE "C" NOT NULL DEFAULT '' -- the control plane that may record; PostgreSQL only
);

CREATE TABLE feed (
  seq        bigint PRIMARY KEY,
  at         bigint NOT NULL,
  kind       text COLLATE "C" NOT NULL,
  org_id     text COLLATE "C" NOT NULL DEFAULT '',
  user_id    text COLLATE "C" NOT NULL DEFAULT '',
  session_id text COLLATE "C" NOT NULL DEFAULT '',
  slug       text COLLATE "C" NOT NULL DEFAULT '',
  old_slug   text COLLATE "C" NOT NULL DEFAULT '',
  version    bigint NOT NULL DEFAULT 0
);
CREATE INDEX feed_at ON feed (at);
CREATE INDEX feed_org ON feed (org_id, seq);

CREATE TABLE audit (
  seq        bigint PRIMARY KEY,
  at         bigint NOT NULL,
  actor_kind text COLLATE "C" NOT NULL,
  actor      text COLLATE "C" NOT NULL,
  actor_id   text COLLATE "C" NOT NULL,
  address    text COLLATE "C" NOT NULL,
  action     text COLLATE "C" NOT NULL,
  org_id     text COLLATE "C" NOT NULL,
  target     text COLLATE "C" NOT NULL,
  detail     text COLLATE "C" NOT NULL,
  hash       text COLLATE "C" NOT NULL,
  format     bigint NOT NULL DEFAULT 1,
  subject_id text COLLATE "C" NOT NULL DEFAULT '',
  salts      text COLLATE "C" NOT NULL DEFAULT '{}',
  erased     text COLLATE "C" NOT NULL DEFAULT '{}',
  epoch      bigint NOT NULL DEFAULT 0,
  mac        text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX audit_action ON audit (action, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_org ON audit (org_id, seq);
CREATE INDEX audit_org_at ON audit (org_id, at);

CREATE TABLE users (
  id              text COLLATE "C" PRIMARY KEY,
  email           text COLLATE "C" NOT NULL UNIQUE,
  name            text COLLATE "C" NOT NULL,
  platform_admin  boolean NOT NULL DEFAULT false,
  password_hash   text COLLATE "C" NOT NULL,
  created_at      bigint NOT NULL,
  email_verified  boolean NOT NULL DEFAULT false,
  device_epoch    bigint NOT NULL DEFAULT 0,
  recovered_at    bigint NOT NULL DEFAULT 0,
  made_by_org     text COLLATE "C" NOT NULL DEFAULT '',
  disabled_at     bigint NOT NULL DEFAULT 0,
  disabled_reason text COLLATE "C" NOT NULL DEFAULT '',
  last_sign_in_at bigint NOT NULL DEFAULT 0,
  enabled_at      bigint NOT NULL DEFAULT 0
);
CREATE INDEX users_admins ON users (email) WHERE platform_admin;
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_name ON users (lower(name), id);

CREATE TABLE orgs (
  id                   text COLLATE "C" PRIMARY KEY,
  slug                 text COLLATE "C" NOT NULL,
  name                 text COLLATE "C" NOT NULL,
  plan                 text COLLATE "C" NOT NULL,
  status               text COLLATE "C" NOT NULL,
  reason               text COLLATE "C" NOT NULL DEFAULT '',
  generation           bigint NOT NULL DEFAULT 1,
  version              bigint NOT NULL DEFAULT 1,
  created_at           bigint NOT NULL,
  updated_at           bigint NOT NULL,
  delete_at            bigint NOT NULL DEFAULT 0,
  kept_status          text COLLATE "C" NOT NULL DEFAULT '',
  sso_required         boolean NOT NULL DEFAULT false,
  second_step_required boolean NOT NULL DEFAULT false,
  sign_in_version      bigint NOT NULL DEFAULT 0,
  session_idle         bigint NOT NULL DEFAULT 0,
  session_lifetime     bigint NOT NULL DEFAULT 0,
  limits               text COLLATE "C" NOT NULL DEFAULT '{}',
  provider             text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX orgs_created ON orgs (created_at, id);
CREATE INDEX orgs_delete ON orgs (delete_at) WHERE delete_at > 0;
CREATE INDEX orgs_name ON orgs (lower(name), id);
CREATE INDEX orgs_plan ON orgs (plan, id);
CREATE INDEX orgs_slug ON orgs (slug, id);
CREATE INDEX orgs_status ON orgs (status, lower(name), id);

CREATE TABLE slugs (
  slug           text COLLATE "C" PRIMARY KEY,
  org_id         text COLLATE "C" NOT NULL REFERENCES orgs (id),
  redirect_until bigint, -- a renamed org's old address leads to the new one until then
  rests_until    bigint -- NULL: in use
);
CREATE INDEX slugs_org ON slugs (org_id);

CREATE TABLE memberships (
  org_id      text COLLATE "C" NOT NULL REFERENCES orgs (id),
  user_id     text COLLATE "C" NOT NULL REFERENCES users (id),
  role        text COLLATE "C" NOT NULL,
  created_at  bigint NOT NULL,
  ends_at     bigint NOT NULL DEFAULT 0,
  wanted_role text COLLATE "C" NOT NULL DEFAULT '',
  held_at     bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id, org_id);
CREATE INDEX memberships_waiting ON memberships (user_id) WHERE wanted_role <> '';

CREATE TABLE instances (
  org_id            text COLLATE "C" PRIMARY KEY REFERENCES orgs (id),
  generation        bigint NOT NULL,
  desired           text COLLATE "C" NOT NULL,
  state             text COLLATE "C" NOT NULL,
  detail            text COLLATE "C" NOT NULL DEFAULT '',
  address           text COLLATE "C" NOT NULL DEFAULT '',
  provider          text COLLATE "C" NOT NULL DEFAULT '',
  failures          bigint NOT NULL DEFAULT 0,
  steps             text COLLATE "C" NOT NULL DEFAULT '[]',
  changed_at        bigint NOT NULL,
  lease_token       bigint NOT NULL DEFAULT 0,
  lease_until       bigint NOT NULL DEFAULT 0,
  previous_provider text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX instances_leases ON instances (lease_until) WHERE lease_until > 0;
CREATE INDEX instances_unsettled ON instances (desired, state);

CREATE TABLE sessions (
  id            text COLLATE "C" PRIMARY KEY,
  token_hash    bytea NOT NULL UNIQUE,
  user_id       text COLLATE "C" NOT NULL REFERENCES users (id),
  auth_time     bigint NOT NULL,
  created_at    bigint NOT NULL,
  last_seen_at  bigint NOT NULL,
  expires_at    bigint NOT NULL,
  revoked_at    bigint,
  address       text COLLATE "C" NOT NULL,
  user_agent    text COLLATE "C" NOT NULL,
  device        boolean NOT NULL DEFAULT false,
  methods       text COLLATE "C" NOT NULL DEFAULT 'pwd',
  connection_id text COLLATE "C" NOT NULL DEFAULT '',
  via_org       text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX sessions_connection ON sessions (connection_id) WHERE connection_id <> '';
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE codes (
  hash         bytea PRIMARY KEY,
  client_id    text COLLATE "C" NOT NULL,
  org_id       text COLLATE "C" NOT NULL,
  user_id      text COLLATE "C" NOT NULL,
  session_id   text COLLATE "C" NOT NULL,
  redirect_uri text COLLATE "C" NOT NULL,
  challenge    text COLLATE "C" NOT NULL,
  nonce        text COLLATE "C" NOT NULL,
  expires_at   bigint NOT NULL,
  used_at      bigint,
  grant_id     text COLLATE "C" NOT NULL DEFAULT '',
  scope        text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX codes_client ON codes (client_id) WHERE grant_id <> '';
CREATE INDEX codes_expires ON codes (expires_at);

CREATE TABLE links (
  hash       bytea PRIMARY KEY,
  id         text COLLATE "C" NOT NULL UNIQUE,
  kind       text COLLATE "C" NOT NULL,
  org_id     text COLLATE "C" NOT NULL DEFAULT '',
  role       text COLLATE "C" NOT NULL DEFAULT '',
  email      text COLLATE "C" NOT NULL DEFAULT '',
  created_by text COLLATE "C" NOT NULL DEFAULT '', -- '' = the operator
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at    bigint,
  user_id    text COLLATE "C" NOT NULL DEFAULT '',
  mailed     boolean NOT NULL DEFAULT false
);
CREATE INDEX links_created_by ON links (created_by, kind);
CREATE INDEX links_expires ON links (expires_at);
CREATE INDEX links_org ON links (org_id, kind);
CREATE INDEX links_user ON links (user_id, kind);

CREATE TABLE keys (
  id         text COLLATE "C" PRIMARY KEY,
  purpose    text COLLATE "C" NOT NULL,
  public     text COLLATE "C" NOT NULL,
  private    bytea NOT NULL,
  signs_from bigint NOT NULL,
  signs_to   bigint NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX keys_expires ON keys (expires_at);
CREATE INDEX keys_purpose ON keys (purpose, signs_from);

CREATE TABLE idempotency (
  actor   text COLLATE "C" NOT NULL,
  key     text COLLATE "C" NOT NULL,
  request bytea NOT NULL,
  answer  bytea,
  at      bigint NOT NULL,
  PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE api_keys (
  id                text COLLATE "C" PRIMARY KEY,
  hash              bytea NOT NULL UNIQUE,
  kind              text COLLATE "C" NOT NULL,
  name              text COLLATE "C" NOT NULL,
  user_id           text COLLATE "C" NOT NULL DEFAULT '', -- whose, of a personal key
  org_id            text COLLATE "C" NOT NULL DEFAULT '', -- the one org that it reaches
  role              text COLLATE "C" NOT NULL DEFAULT '', -- of a service key
  scopes            text COLLATE "C" NOT NULL,
  created_by        text COLLATE "C" NOT NULL,
  created_at        bigint NOT NULL,
  expires_at        bigint NOT NULL,
  last_used_at      bigint NOT NULL DEFAULT 0,
  created_by_id     text COLLATE "C" NOT NULL DEFAULT '',
  last_used_address text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX api_keys_created_by ON api_keys (created_by_id);
CREATE INDEX api_keys_expires ON api_keys (expires_at);
CREATE INDEX api_keys_org ON api_keys (org_id, kind);
CREATE INDEX api_keys_user ON api_keys (user_id, kind);

CREATE TABLE usage (
  org_id   text COLLATE "C" NOT NULL,
  at       bigint NOT NULL,
  requests bigint NOT NULL,
  errors   bigint NOT NULL,
  latency  text COLLATE "C" NOT NULL, -- JSON array: requests by class of time to serve
  running  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, at)
);
CREATE INDEX usage_at ON usage (at);

CREATE TABLE settings (
  org_id     text COLLATE "C" NOT NULL REFERENCES orgs (id),
  name       text COLLATE "C" NOT NULL,
  value      text COLLATE "C" NOT NULL,
  sealed     bytea,
  updated_at bigint NOT NULL,
  updated_by text COLLATE "C" NOT NULL,
  change_id  text COLLATE "C" NOT NULL DEFAULT '',
  PRIMARY KEY (org_id, name)
);

CREATE TABLE webhooks (
  id         text COLLATE "C" PRIMARY KEY,
  org_id     text COLLATE "C" NOT NULL DEFAULT '', -- '' = the platform's
  url        text COLLATE "C" NOT NULL,
  events     text COLLATE "C" NOT NULL, -- JSON array; [] = everything
  sealed     bytea NOT NULL,
  active     boolean NOT NULL DEFAULT true,
  created_by text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL
);
CREATE INDEX webhooks_org ON webhooks (org_id, id);

CREATE TABLE deliveries (
  id            text COLLATE "C" PRIMARY KEY,
  webhook_id    text COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  event         text COLLATE "C" NOT NULL,
  body          text COLLATE "C" NOT NULL,
  state         text COLLATE "C" NOT NULL,
  attempts      bigint NOT NULL DEFAULT 0,
  status        bigint NOT NULL DEFAULT 0,
  error         text COLLATE "C" NOT NULL DEFAULT '',
  created_at    bigint NOT NULL,
  tried_at      bigint NOT NULL DEFAULT 0,
  next_at       bigint NOT NULL DEFAULT 0,
  claimed_until bigint NOT NULL DEFAULT 0
);
CREATE INDEX deliveries_claimed ON deliveries (webhook_id, claimed_until) WHERE claimed_until > 0;
CREATE INDEX deliveries_created ON deliveries (created_at);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'pending';
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, id);

CREATE TABLE runners (
  id            text COLLATE "C" PRIMARY KEY,
  hash          bytea NOT NULL UNIQUE, -- of its key
  org_id        text COLLATE "C" NOT NULL,
  name          text COLLATE "C" NOT NULL,
  enrolled_by   text COLLATE "C" NOT NULL DEFAULT '', -- '' = the operator
  created_at    bigint NOT NULL,
  expires_at    bigint NOT NULL,
  last_seen_at  bigint NOT NULL DEFAULT 0,
  address       text COLLATE "C" NOT NULL DEFAULT '',
  enrolled_with text COLLATE "C" NOT NULL DEFAULT '',
  app           text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX runners_app ON runners (expires_at) WHERE app <> '';
CREATE INDEX runners_created ON runners (org_id, created_at, id);
CREATE INDEX runners_enrolled ON runners (org_id, enrolled_by, lower(name), id);
CREATE INDEX runners_enrolled_by ON runners (enrolled_by);
CREATE INDEX runners_expires ON runners (expires_at);
CREATE INDEX runners_name ON runners (org_id, lower(name), id);

CREATE TABLE runner_claims (
  hash       bytea PRIMARY KEY,
  id         text COLLATE "C" NOT NULL,
  org_id     text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,
  life       bigint NOT NULL, -- of the runner's key, in microseconds
  created_by text COLLATE "C" NOT NULL DEFAULT '',
  expires_at bigint NOT NULL,
  key_id     text COLLATE "C" NOT NULL DEFAULT '',
  app        text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX runner_claims_created_by ON runner_claims (created_by);
CREATE INDEX runner_claims_expires ON runner_claims (expires_at);
CREATE INDEX runner_claims_org ON runner_claims (org_id, expires_at);

CREATE TABLE clients (
  id            text COLLATE "C" PRIMARY KEY,
  name          text COLLATE "C" NOT NULL,
  org_id        text COLLATE "C" NOT NULL DEFAULT '', -- whose members may sign in; '' = everybody
  secret        bytea, -- SHA-256; NULL: a public client
  redirect_uris text COLLATE "C" NOT NULL, -- JSON array
  logout_uris   text COLLATE "C" NOT NULL, -- JSON array
  created_by    text COLLATE "C" NOT NULL,
  created_at    bigint NOT NULL,
  id_token_alg  text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX clients_name ON clients (lower(name), id);

CREATE TABLE grants (
  id         text COLLATE "C" PRIMARY KEY,
  client_id  text COLLATE "C" NOT NULL,
  session_id text COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  org_id     text COLLATE "C" NOT NULL DEFAULT '',
  scope      text COLLATE "C" NOT NULL
);
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_session ON grants (session_id);

CREATE TABLE refresh_tokens (
  hash     bytea PRIMARY KEY,
  grant_id text COLLATE "C" NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  used_at  bigint
);
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

CREATE TABLE device_codes (
  hash       bytea PRIMARY KEY,
  user_code  text COLLATE "C" NOT NULL UNIQUE,
  client_id  text COLLATE "C" NOT NULL,
  address    text COLLATE "C" NOT NULL,
  user_agent text COLLATE "C" NOT NULL,
  state      text COLLATE "C" NOT NULL DEFAULT 'pending', -- pending, approved, denied
  session_id text COLLATE "C" NOT NULL DEFAULT '', -- of an approved one
  polled_at  bigint NOT NULL DEFAULT 0,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX device_codes_expires ON device_codes (expires_at);

CREATE TABLE mails (
  id            text COLLATE "C" PRIMARY KEY,
  recipient     text COLLATE "C" NOT NULL,
  sealed        bytea NOT NULL,
  attempts      bigint NOT NULL DEFAULT 0,
  created_at    bigint NOT NULL,
  next_at       bigint NOT NULL,
  claimed_until bigint NOT NULL DEFAULT 0
);
CREATE INDEX mails_due ON mails (next_at);

CREATE TABLE factors (
  id           text COLLATE "C" PRIMARY KEY,
  user_id      text COLLATE "C" NOT NULL REFERENCES users (id),
  kind         text COLLATE "C" NOT NULL,
  name         text COLLATE "C" NOT NULL,
  sealed       bytea NOT NULL,
  step         bigint NOT NULL DEFAULT 0, -- the last one that was used: none is good twice
  created_at   bigint NOT NULL,
  last_used_at bigint NOT NULL DEFAULT 0
);
CREATE INDEX factors_user ON factors (user_id, id);

CREATE TABLE recovery_codes (
  hash    bytea PRIMARY KEY,
  user_id text COLLATE "C" NOT NULL REFERENCES users (id)
);
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

CREATE TABLE connections (
  id           text COLLATE "C" PRIMARY KEY,
  org_id       text COLLATE "C" NOT NULL DEFAULT '', -- '' = the operator's
  kind         text COLLATE "C" NOT NULL,
  name         text COLLATE "C" NOT NULL,
  issuer       text COLLATE "C" NOT NULL,
  client_id    text COLLATE "C" NOT NULL,
  sealed       bytea,
  scopes       text COLLATE "C" NOT NULL,
  sign_up      boolean NOT NULL,
  required     boolean NOT NULL,
  trust_email  boolean NOT NULL,
  roles_claim  text COLLATE "C" NOT NULL,
  roles        text COLLATE "C" NOT NULL,
  default_role text COLLATE "C" NOT NULL,
  created_by   text COLLATE "C" NOT NULL,
  created_at   bigint NOT NULL
);
CREATE INDEX connections_org ON connections (org_id, id);

CREATE TABLE identities (
  connection_id text COLLATE "C" NOT NULL REFERENCES connections (id),
  subject       text COLLATE "C" NOT NULL,
  user_id       text COLLATE "C" NOT NULL REFERENCES users (id),
  email         text COLLATE "C" NOT NULL,
  created_at    bigint NOT NULL,
  last_used_at  bigint NOT NULL,
  undelivered   text COLLATE "C" NOT NULL DEFAULT '',
  PRIMARY KEY (connection_id, subject)
);
CREATE UNIQUE INDEX identities_user ON identities (user_id, connection_id);

CREATE TABLE domains (
  domain      text COLLATE "C" NOT NULL,
  org_id      text COLLATE "C" NOT NULL REFERENCES orgs (id),
  token       text COLLATE "C" NOT NULL,
  verified_at bigint NOT NULL DEFAULT 0,
  verified_by text COLLATE "C" NOT NULL DEFAULT '',
  created_at  bigint NOT NULL,
  check_at    bigint NOT NULL DEFAULT 0,
  missed      bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (domain, org_id)
);
CREATE INDEX domains_check ON domains (check_at) WHERE verified_by = 'dns';
CREATE INDEX domains_org ON domains (org_id, domain);
CREATE UNIQUE INDEX domains_verified ON domains (domain) WHERE verified_at > 0;

CREATE TABLE support (
  id         text COLLATE "C" PRIMARY KEY,
  org_id     text COLLATE "C" NOT NULL REFERENCES orgs (id),
  user_id    text COLLATE "C" NOT NULL REFERENCES users (id),
  role       text COLLATE "C" NOT NULL,
  reason     text COLLATE "C" NOT NULL,
  hours      bigint NOT NULL,
  state      text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  decided_by text COLLATE "C" NOT NULL DEFAULT '',
  ends_at    bigint NOT NULL DEFAULT 0
);
CREATE INDEX support_ends ON support (ends_at) WHERE state = 'approved';
CREATE INDEX support_org ON support (org_id, id);
CREATE INDEX support_user ON support (user_id, state);

CREATE TABLE audit_start (
  id   bigint PRIMARY KEY CHECK (id = 1),
  seq  bigint NOT NULL, -- of the first entry that is kept
  hash text COLLATE "C" NOT NULL -- of the last one that was removed
);

CREATE TABLE second_failures (
  user_id  text COLLATE "C" PRIMARY KEY REFERENCES users (id),
  failures bigint NOT NULL,
  next_at  bigint NOT NULL -- when the next code may be tried
);

CREATE TABLE drafts (
  id         text COLLATE "C" PRIMARY KEY,
  user_id    text COLLATE "C" NOT NULL,
  sealed     bytea NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX drafts_expires ON drafts (expires_at);
CREATE INDEX drafts_user ON drafts (user_id, id);

CREATE TABLE audit_epochs (
  id      bigint PRIMARY KEY,
  sealed  bytea NOT NULL,
  made_at bigint NOT NULL
);

CREATE TABLE audit_head (
  id    bigint PRIMARY KEY CHECK (id = 1),
  epoch bigint NOT NULL, -- 0: there is no key yet
  seq   bigint NOT NULL,
  hash  text COLLATE "C" NOT NULL,
  mac   text COLLATE "C" NOT NULL
);

CREATE TABLE member_versions (
  org_id  text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (org_id, user_id)
);

CREATE TABLE approvals (
  id           text COLLATE "C" PRIMARY KEY,
  org_id       text COLLATE "C" NOT NULL REFERENCES orgs (id),
  kind         text COLLATE "C" NOT NULL,
  user_id      text COLLATE "C" NOT NULL DEFAULT '', -- '': nobody yet
  email        text COLLATE "C" NOT NULL,
  role         text COLLATE "C" NOT NULL,
  was          text COLLATE "C" NOT NULL DEFAULT '',
  reason       text COLLATE "C" NOT NULL DEFAULT '',
  asked_by     text COLLATE "C" NOT NULL,
  asked_by_id  text COLLATE "C" NOT NULL DEFAULT '', -- '': the operator
  state        text COLLATE "C" NOT NULL,
  created_at   bigint NOT NULL,
  expires_at   bigint NOT NULL DEFAULT 0, -- 0: it waits until it is decided
  effective_at bigint NOT NULL DEFAULT 0, -- 0: never without an owner
  decided_by   text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX approvals_asked ON approvals (asked_by_id) WHERE state = 'waiting';
CREATE INDEX approvals_org ON approvals (org_id, id);
CREATE INDEX approvals_waiting ON approvals (user_id) WHERE state = 'waiting';

CREATE TABLE plans (
  name             text COLLATE "C" PRIMARY KEY,
  title            text COLLATE "C" NOT NULL,
  description      text COLLATE "C" NOT NULL,
  provider         text COLLATE "C" NOT NULL,
  limits           text COLLATE "C" NOT NULL, -- JSON: name to number
  session_idle     bigint NOT NULL DEFAULT 0, -- seconds; 0 = as long as for the installation
  session_lifetime bigint NOT NULL DEFAULT 0,
  configured       boolean NOT NULL DEFAULT false, -- defined in the Caddyfile
  created_at       bigint NOT NULL,
  updated_at       bigint NOT NULL
);

CREATE TABLE quota_warnings (
  org_id text COLLATE "C" NOT NULL REFERENCES orgs (id),
  name   text COLLATE "C" NOT NULL,
  level  bigint NOT NULL,
  at     bigint NOT NULL,
  PRIMARY KEY (org_id, name)
);

CREATE TABLE leases (
  name       text COLLATE "C" PRIMARY KEY,
  holder     text COLLATE "C" NOT NULL, -- the random ID of a process
  expires_at bigint NOT NULL
);

CREATE TABLE installation (
  id   bigint PRIMARY KEY CHECK (id = 1),
  uuid text COLLATE "C" NOT NULL
);

CREATE TABLE heartbeats (
  org_id      text COLLATE "C" PRIMARY KEY REFERENCES orgs (id),
  generation  bigint NOT NULL,
  received_at bigint NOT NULL,
  body        text COLLATE "C" NOT NULL -- JSON: what it said
);

CREATE TABLE revocations (
  org_id    text COLLATE "C" NOT NULL,
  user_id   text COLLATE "C" NOT NULL,
  runner_id text COLLATE "C" NOT NULL,
  seq       bigint NOT NULL, -- of the change in the feed
  PRIMARY KEY (org_id, user_id, runner_id)
);

INSERT INTO feed_head (id, seq) VALUES (1, 0);
INSERT INTO audit_start (id, seq, hash) VALUES (1, 1, '');
INSERT INTO audit_head (id, epoch, seq, hash, mac) VALUES (1, 0, 0, '', '');
INSERT INTO meta (key, value) VALUES ('webhooks_seq', '0');

-- Triggers stop mistakes; MACs show the rest.
-- +goose StatementBegin
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0];
END $$;
-- +goose StatementEnd

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW
WHEN (NOT (
  NEW.seq = OLD.seq AND NEW.at = OLD.at AND NEW.actor_kind = OLD.actor_kind
  AND NEW.actor_id = OLD.actor_id AND NEW.action = OLD.action AND NEW.org_id = OLD.org_id
  AND NEW.subject_id = OLD.subject_id AND NEW.format = OLD.format AND NEW.hash = OLD.hash
  AND NEW.mac <> '' AND (OLD.mac = '' OR NEW.epoch = OLD.epoch)
  AND NEW.actor IN (OLD.actor, '') AND NEW.address IN (OLD.address, '')
  AND NEW.target IN (OLD.target, '') AND NEW.detail IN (OLD.detail, '')
))
EXECUTE FUNCTION audit_refuse('audit is append-only');

CREATE TRIGGER audit_keyed BEFORE INSERT ON audit FOR EACH ROW
WHEN (NEW.mac = '')
EXECUTE FUNCTION audit_refuse('an audit entry needs its MAC');

CREATE TRIGGER audit_start_forward BEFORE UPDATE ON audit_start FOR EACH ROW
WHEN (NEW.seq < OLD.seq)
EXECUTE FUNCTION audit_refuse('what was removed does not come back');

-- +goose StatementBegin
CREATE FUNCTION audit_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.seq >= (SELECT seq FROM audit_start) THEN
    RAISE EXCEPTION 'audit is append-only';
  END IF;
  RETURN OLD;
END $$;
-- +goose StatementEnd

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit FOR EACH ROW
EXECUTE FUNCTION audit_kept();

CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT
EXECUTE FUNCTION audit_refuse('audit is append-only');

-- Wakes other processes that follow the feed, at the commit.
-- +goose StatementBegin
CREATE FUNCTION feed_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('pizzeria_feed', '');
  RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER feed_notify AFTER UPDATE ON feed_head FOR EACH STATEMENT
EXECUTE FUNCTION feed_notify();
