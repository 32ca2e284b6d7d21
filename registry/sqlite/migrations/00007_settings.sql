-- +goose Up

-- Variables of an org's instance. sealed is of a secret, whose value is then ''.
CREATE TABLE settings (
  org_id     TEXT NOT NULL REFERENCES orgs (id),
  name       TEXT NOT NULL,
  value      TEXT NOT NULL,
  sealed     BLOB,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;
