package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// open returns a pool of connections. gate, when there is one, says before each use whether the
// database may be used.
func open(c *pgx.ConnConfig, conns int, gate func() error) *sql.DB {
	var options []stdlib.OptionOpenDB
	if gate != nil {
		options = append(options,
			stdlib.OptionBeforeConnect(func(context.Context, *pgx.ConnConfig) error { return gate() }),
			stdlib.OptionResetSession(func(context.Context, *pgx.Conn) error {
				if gate() != nil {
					return driver.ErrBadConn // so that a new one is made, and the gate asked for the error
				}
				return nil
			}))
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*c, options...)})
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
type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return conn{made.(*stdlib.Conn)}, nil
}

type conn struct{ *stdlib.Conn }

// CheckNamedValue implements driver.NamedValueChecker. By itself pgx would store what a value's
// String returns, which hides secrets.
func (conn) CheckNamedValue(v *driver.NamedValue) (err error) {
	v.Value, err = driver.DefaultParameterConverter.ConvertValue(v.Value)
	if s, ok := v.Value.(string); ok {
		v.Value = storable(s)
	}
	return err
}

// storable replaces what PostgreSQL has no text for: NUL, and what is not UTF-8.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
