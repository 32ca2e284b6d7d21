package orgredis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/provision"
)

const (
	noPermission = "NOPERM"
	wrongPass    = "WRONGPASS"
)

// TestOwn: an org's instance can work.
func TestOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c, a := w.start(newOrg(), 1)
	for _, command := range []string{
		"SET %sk v", "INCR %sn", "HSET %sh f v", "RPUSH %sl a b", "BLPOP %sl 1", "ZADD %sz 1 a", "XADD %sx * f v",
		"SETBIT %sb 7 1", "PFADD %sp a", "EXPIRE %sk 60", "RENAME %sk %sk2", "OBJECT ENCODING %sk2",
		"UNLINK %sk2", "PUBLISH %sc hello", "WATCH %sk", "MULTI", "DISCARD", "HSCAN %sh 0", "CLIENT SETNAME app",
		"ACL WHOAMI", "PING",
	} {
		w.must(c, strings.ReplaceAll(command, "%s", a.Prefix))
	}
	sub := c.Subscribe(t.Context(), a.Prefix+"c")
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.must(c, "PUBLISH "+a.Prefix+"c hello")
	if m, err := sub.ReceiveMessage(t.Context()); err != nil || m.Payload != "hello" {
		t.Error(m, err)
	}
}

// TestAttacks: what an org tries on another and on the server.
func TestAttacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	victim, theirs := w.start(newOrg(), 1)
	attacker, mine := w.start(newOrg(), 1)
	for _, command := range []string{"SET %ssecret v", "RPUSH %slist a", "SADD %sset a", "XADD %sx * f v", "SET %sn 1"} {
		w.must(victim, strings.ReplaceAll(command, "%s", theirs.Prefix))
	}
	w.must(attacker, "SET "+mine.Prefix+"k v")
	for _, command := range []string{
		"GET T:secret", "SET T:secret x", "DEL T:secret", "MGET M:k T:secret", "RENAME T:secret M:stolen", "COPY T:secret M:stolen",
		"LRANGE T:list 0 -1", "BLPOP T:list 1", "LMOVE T:list M:list LEFT LEFT", "SUNIONSTORE M:all T:set", "XREAD STREAMS T:x 0",
		"BITOP OR M:b T:secret", "OBJECT ENCODING T:secret", "DUMP T:secret", "TYPE T:secret", "EXISTS T:secret",
		"WATCH T:secret", "TOUCH T:secret", "EXPIRE T:secret 1", "PERSIST T:secret", "GETEX T:secret", "ZUNIONSTORE M:z 1 T:set",
		"GEORADIUS M:g 1 1 1 km STORE T:g", "SORT M:list BY T:* GET T:*", "SORT_RO M:list GET T:*", "MIGRATE localhost 1 T:secret 0 10",
		"SUBSCRIBE T:c", "PSUBSCRIBE T:*", "PSUBSCRIBE *", "PSUBSCRIBE pz:*", "SSUBSCRIBE T:c", "PUBLISH T:c x", "SPUBLISH T:c x",
		"SUBSCRIBE __keyspace@0__:T:secret", "PSUBSCRIBE __keyevent@*__:*", "PUBSUB CHANNELS", "PUBSUB NUMSUB T:c", "PUBSUB NUMPAT",
		"KEYS *", "KEYS M:*", "SCAN 0", "SCAN 0 MATCH M:*", "RANDOMKEY", "DBSIZE", "FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "SELECT 1", "MOVE M:k 1",
		"CLIENT LIST", "CLIENT INFO", "CLIENT KILL USER admin", "CLIENT PAUSE 1000", "CLIENT NO-EVICT ON", "CLIENT TRACKING ON", "CLIENT UNBLOCK 1", "MONITOR", "INFO",
		"CONFIG GET *", "CONFIG SET maxmemory 1", "CONFIG REWRITE", "ACL LIST", "ACL GETUSER admin", "ACL USERS", "ACL SETUSER x on", "ACL DELUSER admin", "ACL LOG",
		"DEBUG SLEEP 1", "DEBUG OBJECT T:secret", "SHUTDOWN", "SAVE", "BGSAVE", "BGREWRITEAOF", "REPLICAOF localhost 1", "SYNC", "PSYNC ? -1", "ROLE", "FAILOVER",
		"CLUSTER INFO", "READONLY", "MODULE LIST", "SLOWLOG GET", "LATENCY LATEST", "MEMORY USAGE T:secret", "MEMORY STATS", "LASTSAVE", "WAIT 1 1",
		"EVAL return+1 0", "EVALSHA x 0", "EVAL_RO return+1 0", "SCRIPT LOAD return+1", "SCRIPT FLUSH", "SCRIPT KILL", "SCRIPT EXISTS x",
		"FUNCTION LOAD x", "FUNCTION LIST", "FUNCTION FLUSH", "FUNCTION DUMP", "FUNCTION DELETE x", "FUNCTION KILL", "FCALL f 0", "FCALL_RO f 0",
		"RESTORE M:r 0 x", "LCS M:k M:k", "PFDEBUG ENCODING M:k", "LOLWUT", "OBJECT HELP",
	} {
		as := strings.ReplaceAll(strings.ReplaceAll(command, "T:", theirs.Prefix), "M:", mine.Prefix)
		w.refused(attacker, as, noPermission)
	}
	// In a transaction it is judged as well.
	_, err := attacker.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Get(t.Context(), theirs.Prefix+"secret")
		return nil
	})
	if err == nil {
		t.Error("a transaction reads another org's key")
	}
	if got := w.must(victim, "GET "+theirs.Prefix+"secret"); got != "v" {
		t.Errorf("the secret is %v", got)
	}
}

// TestScripts: where they are allowed, they may do what their org may.
func TestScripts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Scripts = true })
	victim, theirs := w.start(newOrg(), 1)
	attacker, mine := w.start(newOrg(), 1)
	w.must(victim, "SET "+theirs.Prefix+"secret v")
	eval := func(script string, keys ...string) error {
		return attacker.Eval(t.Context(), script, keys).Err()
	}
	if err := eval("return redis.call('SET', KEYS[1], 'v')", mine.Prefix+"k"); err != nil {
		t.Error(err)
	}
	for _, script := range []string{
		"return redis.call('GET', '%s')", "return redis.call('SET', '%s', 'x')", "return redis.call('KEYS', '*')",
		"return redis.call('SCAN', '0')", "return redis.call('CONFIG', 'GET', '*')", "return redis.call('PUBLISH', '%s', 'x')",
		"return redis.call('ACL', 'LIST')", "return redis.call('FLUSHALL')",
	} {
		script = strings.ReplaceAll(script, "%s", theirs.Prefix+"secret")
		if err := eval(script); err == nil || !strings.Contains(err.Error(), "The user executing the script can't") &&
			!strings.Contains(err.Error(), "not allowed from script") {
			t.Errorf("%s: %v", script, err)
		}
	}
	if err := eval("return 1", theirs.Prefix+"secret"); err == nil {
		t.Error("a script declares another org's key")
	}
	for _, command := range []string{"SCRIPT LOAD x", "SCRIPT FLUSH", "SCRIPT KILL", "FUNCTION LIST", "FUNCTION FLUSH", "FCALL f 0"} {
		w.refused(attacker, command, noPermission)
	}
}

// TestOldPasswords: an earlier generation's, and a removed org's.
func TestOldPasswords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org := newOrg()
	first, a := w.start(org, 1)
	w.must(first, "PING")
	open := first.Conn()
	defer func() { _ = open.Close() }()
	if err := open.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	second, b := w.start(org, 2)
	if a.URL == b.URL {
		t.Fatal("two generations have one password")
	}
	if err := open.Ping(t.Context()).Err(); err == nil {
		t.Error("a connection of the first generation still works")
	}
	w.refused(w.client(a.URL), "PING", wrongPass)
	w.must(second, "SET "+b.Prefix+"k v")
	w.says(org, 2, "absent", "running")
	w.sweep()
	if err := second.Ping(t.Context()).Err(); err == nil {
		t.Error("a connection of a removed org goes on")
	}
	w.refused(w.client(b.URL), "PING", wrongPass)
	if left := w.has(); len(left) > 0 {
		t.Errorf("what is left of it: %v", left)
	}
}

// TestEveryCommandNamesItsKeys: what a user may run either names keys, which Redis judges, or is
// known to be of its connection alone.
func TestEveryCommandNamesItsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org := newOrg()
	w.start(org, 1)
	all, err := w.admin.Command(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	harmless := append(slices.Clone(connection), "+hello", "+xgroup", "+xinfo") // the latter's subcommands have keys
	checked := 0
	for name, info := range all {
		answer, err := w.admin.Do(t.Context(), append([]any{"ACL", "DRYRUN", names{installation}.user(org), name}, dummies(info)...)...).Text()
		if err != nil && !strings.Contains(err.Error(), "wrong number") {
			continue // a container of subcommands
		}
		if strings.Contains(answer, "no permissions to run") {
			continue
		}
		checked++
		movable := slices.Contains(info.Flags, "movablekeys")
		if info.FirstKeyPos == 0 && !movable && !slices.Contains(harmless, "+"+name) {
			t.Errorf("%s: may be run, and names no key: %s", name, answer)
		}
	}
	if checked < 100 {
		t.Errorf("only %d commands may be run", checked)
	}
}

func dummies(info *redis.CommandInfo) (all []any) {
	n := int(info.Arity)
	if n < 0 {
		n = -n + 4
	}
	for range n - 1 {
		all = append(all, "1")
	}
	return all
}

// TestRefusals: a Redis that instances must not use is not used.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ensure := func() error {
		_, _, err := w.users.Ensure(t.Context(), provision.Ref{OrgID: newOrg(), Generation: 1})
		return err
	}
	w.must(w.admin, "ACL SETUSER default on nopass")
	if err := ensure(); err == nil || !strings.Contains(err.Error(), "lets everybody in") {
		t.Error(err)
	}
	w.must(w.admin, "ACL SETUSER default resetpass >password")
	if err := ensure(); err != nil {
		t.Error(err)
	}
	info, err := w.admin.Info(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(info, "run_id:")
	w.other, _, _ = strings.Cut(after, "\r")
	if err := ensure(); err == nil || err.Error() != errSame.Error() {
		t.Error(err)
	}
	w.other = ""
	w.must(w.admin, "REPLICAOF 127.0.0.1 1")
	if err := ensure(); err == nil || !strings.Contains(err.Error(), "takes a single server") {
		t.Error(err)
	}
	if err := w.server.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := ensure(); err == nil || time.Since(began) > time.Minute {
		t.Error(fmt.Errorf("%w after %s", err, time.Since(began)))
	}
}
