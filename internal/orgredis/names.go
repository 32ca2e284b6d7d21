package orgredis

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// names are those of one installation. IDs have no character that patterns of Redis give a meaning.
type names struct{ installation registry.InstallationID }

// prefix of the keys and channels of an org.
func (n names) prefix(org registry.OrgID) string { return n.prefixes() + string(org) + ":" }

func (n names) prefixes() string { return fmt.Sprintf("pz:%s:", n.installation) }

// user has no character that URLs encode.
func (n names) user(org registry.OrgID) string { return n.users() + string(org) }

func (n names) users() string { return fmt.Sprintf("pz-%s-", n.installation) }

// orgs is the key of the set of those that have something in this Redis.
func (n names) orgs() string { return fmt.Sprintf("pizzeria:%s:orgs", n.installation) }

// full is the key of the set of those that use more than they may.
func (n names) full() string { return fmt.Sprintf("pizzeria:%s:full", n.installation) }

// ofUser is the org of a user.
func (n names) ofUser(name string) (registry.OrgID, bool) {
	id, ok := strings.CutPrefix(name, n.users())
	return registry.OrgID(id), ok && registry.ValidID(id)
}

// ofKey is the org of a key.
func (n names) ofKey(key string) (registry.OrgID, bool) {
	rest, ok := strings.CutPrefix(key, n.prefixes())
	id, _, found := strings.Cut(rest, ":")
	return registry.OrgID(id), ok && found && registry.ValidID(id)
}

// password of an instance's generation.
func password(key [32]byte, id registry.InstallationID, r provision.Ref) string {
	m := hmac.New(sha256.New, key[:])
	_, _ = fmt.Fprintf(m, "%q %q %d", id, r.OrgID, r.Generation)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func hashed(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// address is the URL that an instance gets.
func address(o *redis.Options, name, password string) string {
	u := url.URL{Scheme: "redis", User: url.UserPassword(name, password), Host: o.Addr, Path: "/0"}
	switch {
	case o.Network == "unix":
		u.Scheme, u.Host, u.Path = "unix", "", o.Addr
	case o.TLSConfig != nil:
		u.Scheme = "rediss"
	}
	return u.String()
}
