package orgredis

import (
	"strings"
)

// The commands of a user. All others are refused, also those of later versions of Redis. Commands of
// types name their keys, which Redis compares with the user's pattern; the other lists name commands.
var (
	typed = []string{
		"+@string", "+@bitmap", "+@hash", "+@list", "+@set", "+@sortedset", "+@hyperloglog", "+@geo",
		"+@stream",
		"-@admin", "-@dangerous", // SORT reads keys by pattern
		"-lcs", // takes the product of two lengths, while all others wait
	}
	keyed = []string{
		"+del", "+unlink", "+exists", "+type", "+touch", "+rename", "+renamenx", "+copy", "+dump",
		"+expire", "+pexpire", "+expireat", "+pexpireat", "+expiretime", "+pexpiretime", "+persist",
		"+ttl", "+pttl", "+object|encoding", "+object|freq", "+object|idletime", "+object|refcount",
	}
	// connection are of the connection alone. Clients send some of them when they connect.
	connection = []string{
		"+auth", "+hello", "+ping", "+echo", "+quit", "+reset", "+command", "+time", "+acl|whoami",
		"+client|id", "+client|getname", "+client|setname",
		"+multi", "+exec", "+discard", "+watch", "+unwatch",
		"+publish", "+subscribe", "+unsubscribe", "+psubscribe", "+punsubscribe",
		"+spublish", "+ssubscribe", "+sunsubscribe",
	}
	newer   = []string{"client|setinfo"} // that older versions do not know
	scripts = []string{"+eval", "+eval_ro", "+evalsha", "+evalsha_ro"}
	// full takes the writing commands from an org that uses more than it may, but for those that
	// only remove.
	full = []string{
		"-@write", "+del", "+unlink", "+expire", "+pexpire", "+expireat", "+pexpireat", "+getdel", "+hdel",
		"+lpop", "+rpop", "+ltrim", "+lrem", "+srem", "+spop", "+zrem", "+zpopmin", "+zpopmax",
		"+zremrangebyrank", "+zremrangebyscore", "+zremrangebylex", "+xdel", "+xtrim", "+xack",
	}
)

// rules are the words of ACL SETUSER that make a user one of an org. A user that exists is changed at
// once, and keeps its connections.
func rules(prefix, hash string, server server, scripted, over bool) []string {
	words := []string{
		"reset", "on", "#" + hash, "~" + prefix + "*", "resetchannels", "&" + prefix + "*", "-@all",
	}
	words = append(append(append(words, typed...), keyed...), connection...)
	for _, name := range server.newer {
		words = append(words, "+"+name)
	}
	if scripted {
		words = append(words, scripts...)
	}
	if over {
		words = append(words, full...)
	}
	return words
}

func setUser(name string, words ...string) []any {
	command := []any{"ACL", "SETUSER", name}
	for _, w := range words {
		command = append(command, w)
	}
	return command
}

// user is what ACL LIST says of one.
type user struct {
	on, open bool // open: without a password
	hash     string
}

// users reads what ACL LIST answers.
func users(lines []string) map[string]user {
	all := make(map[string]user, len(lines))
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		var u user
		for _, w := range words[2:] {
			switch {
			case w == "on":
				u.on = true
			case w == "nopass":
				u.open = true
			case strings.HasPrefix(w, "#"):
				u.hash = w[1:]
			}
		}
		all[words[1]] = u
	}
	return all
}
