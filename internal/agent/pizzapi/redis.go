package pizzapi

import "fmt"

// redis is the instance's own: PizzaPi's keys and channels have the same names in every org, and
// channels ignore the number of a database.
type redis struct{ port, password string }

func newRedis(port string) redis { return redis{port, random()} }

func (r redis) url() string { return "redis://:" + r.password + "@127.0.0.1:" + r.port }

// command reads its configuration from standard input, so that no list of processes and no file
// shows the password. Nothing is kept on disk: PizzaPi keeps in SQLite what must last. It looks for
// work of its own once a second instead of 10 times, since many of them idle on one machine; Redis
// does so more often when it has many clients.
func (r redis) command() (command []string, input string) {
	return []string{"redis-server", "-"}, fmt.Sprintf(`bind 127.0.0.1
port %s
requirepass %s
save ""
appendonly no
databases 1
hz 1
dir /
`, r.port, r.password)
}
