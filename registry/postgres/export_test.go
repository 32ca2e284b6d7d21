package postgres

import "database/sql"

// Pool returns one connection, as the store's own are.
func (l Location) Pool() *sql.DB { return open(l.config, 1, nil) }

// ReadPool returns one connection, as those that read.
func (l Location) ReadPool() *sql.DB { return open(readOnly(l.config), 1, nil) }

// LockControlPlane is lockControlPlane.
const LockControlPlane = int64(lockControlPlane)

// Password is the one that connections are made with.
func (l Location) Password() string { return l.config.Password }

// Translate returns a statement of sqlstore as this database spells it.
func Translate(statement string) string { return dialect.Translate(statement) }
