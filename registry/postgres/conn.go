package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/pizzaface/pizzeria/registry"
)

// A gate says whether the database may be used, and under which claim.
type gate func() (claim string, err error)

// open returns a pool of connections. g, when there is one, is asked before each use.
func open(c *pgx.ConnConfig, conns int, g gate) *sql.DB {
	db := sql.OpenDB(connector{c, g})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// readOnly is c for connections that cannot write.
func readOnly(c *pgx.ConnConfig) *pgx.ConnConfig {
	c = c.Copy()
	// Not a runtime parameter: target_session_attrs=read-write would refuse the connection.
	c.AfterConnect = func(ctx context.Context, made *pgconn.PgConn) error {
		_, err := made.Exec(ctx, "SET default_transaction_read_only = on").ReadAll()
		return err
	}
	return c
}

// connector makes connections that take the values that database/sql defines.
type connector struct {
	config *pgx.ConnConfig
	gate   gate
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	var claim string
	if c.gate != nil {
		var err error
		if claim, err = c.gate(); err != nil {
			return nil, err
		}
	}
	opened, err := stdlib.GetConnector(*c.config).Connect(ctx)
	if err != nil {
		return nil, err
	}
	made := &conn{Conn: opened.(*stdlib.Conn), gate: c.gate, claim: claim}
	if claim != "" {
		if _, err := made.Conn.Conn().Exec(ctx, setClaim, claim); err != nil {
			return nil, errors.Join(err, made.Close())
		}
	}
	return made, nil
}

// Driver implements driver.Connector.
func (connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

type conn struct {
	*stdlib.Conn
	gate    gate
	claim   string      // that it was made under
	waiting []statement // for the next one
}

// ResetSession implements driver.SessionResetter. A connection from before a new claim may lead to
// another server.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.gate != nil {
		if claim, err := c.gate(); err != nil || claim != c.claim {
			return driver.ErrBadConn // so that a new one is made, and the gate asked for the error
		}
	}
	return c.Conn.ResetSession(ctx)
}

// CheckNamedValue implements driver.NamedValueChecker. By itself pgx would store what a value's
// String returns, which hides secrets.
func (*conn) CheckNamedValue(v *driver.NamedValue) (err error) {
	v.Value, err = driver.DefaultParameterConverter.ConvertValue(v.Value)
	if s, ok := v.Value.(string); ok {
		v.Value = registry.Storable(s)
	}
	return err
}
