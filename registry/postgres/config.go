package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const connectTimeout = 10 * time.Second

// session is what every connection asks of the server.
var session = map[string]string{
	"default_transaction_isolation": "read committed",
	// A transaction that stands still holds the feed's lock, and with it every other change.
	"idle_in_transaction_session_timeout": "2s",
	"lock_timeout":                        "10s",
	// What the server does not hear of is gone: its locks are freed.
	"tcp_user_timeout":        "10s",
	"tcp_keepalives_idle":     "5",
	"tcp_keepalives_interval": "2",
	"tcp_keepalives_count":    "3",
}

// Parse reads a connection string: a URL, or keyword=value pairs. The PG* environment variables and
// the password file complete it. It connects to nothing. Its errors never hold the string, which may
// have a password in it.
func Parse(connection string) (Location, error) {
	c, err := pgx.ParseConfig(connection)
	if err != nil {
		return Location{}, parseError(err)
	}
	if len(hosts(c)) > 1 && c.ValidateConnect == nil {
		return Location{}, errHosts
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{Timeout: c.ConnectTimeout, Control: giveUp}
	c.DialFunc = dialer.DialContext
	for name, value := range session {
		c.RuntimeParams[name] = value
	}
	if c.RuntimeParams["application_name"] == "" {
		host, err := os.Hostname()
		if err != nil {
			return Location{}, fmt.Errorf("name of this machine: %w", err)
		}
		c.RuntimeParams["application_name"] = fmt.Sprintf("pizzeria, process %d on %s", os.Getpid(), host)
	}
	return Location{config: c, name: name(c)}, nil
}

func parseError(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return fmt.Errorf("PostgreSQL connection: %w", file)
	}
	return errors.New("not a PostgreSQL connection: give a URL such as " +
		"postgres://user@host:5432/database?sslmode=verify-full, or keyword=value pairs")
}

// errHosts: each connection could reach another server.
var errHosts = errors.New("a PostgreSQL connection with several hosts needs " +
	"target_session_attrs=read-write")

// name is a URL without a password. It tells a database from others.
func name(c *pgx.ConnConfig) string {
	database := c.Database
	if database == "" {
		database = c.User
	}
	name := fmt.Sprintf("postgres://%s@%s/%s", c.User, strings.Join(hosts(c), ","), database)
	if path := c.RuntimeParams["search_path"]; path != "" {
		name += "?search_path=" + path
	}
	return name
}

// hosts are the addresses of the servers that c names.
func hosts(c *pgx.ConnConfig) []string {
	found := []string{address(c.Host, c.Port)}
	for _, f := range c.Fallbacks { // other hosts, and the same one with and without TLS
		if next := address(f.Host, f.Port); next != found[len(found)-1] {
			found = append(found, next)
		}
	}
	return found
}

func address(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
