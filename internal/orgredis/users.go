package orgredis

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/internal/shared"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Store says which instances there should be.
type Store interface {
	Work(ctx context.Context, a registry.Actor) ([]registry.Work, error)
	WorkOn(ctx context.Context, a registry.Actor, org registry.OrgID) (registry.Work, error)
}

// Options of Users.
type Options struct {
	Config       func() *Config // returns nil where there is none
	Store        Store
	Installation func() registry.InstallationID
	Key          registry.SecretKey
	// Uses reports whether an org's instance gets a user.
	Uses func(registry.Work) bool
	// Other is the run ID of the Redis that nodes share, "" where it is not known.
	Other   func(context.Context) string
	Metrics *Metrics
	Log     *slog.Logger
}

// Users are the users of orgs. Make them with New, and Run them in one process at a time.
type Users struct {
	o    Options
	key  [32]byte
	wake chan struct{}

	mu      sync.Mutex // held while users change
	of      Config
	client  *redis.Client // nil: none is open
	options *redis.Options
	run     string                    // ID of the process that set is of
	set     map[registry.OrgID]string // the rules that were given last
}

// New returns Users that have not connected.
func New(o Options) *Users {
	return &Users{
		o: o, key: o.Key.Derive("users of instances at redis"), wake: make(chan struct{}, 1),
		set: map[registry.OrgID]string{},
	}
}

// Access is how an instance reaches Redis.
type Access struct {
	URL    string // with user and password
	Prefix string // of the names of keys and channels
	Socket string // the path of the Unix socket in URL, if that is where Redis is
}

var self = registry.AsSystem("instance redis")

// Ensure makes the user of an instance that is about to start. Connections of earlier generations
// end, and their password is void. ok is false where no Redis is configured.
func (u *Users) Ensure(ctx context.Context, r provision.Ref) (a Access, ok bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.follow(); err != nil || u.client == nil {
		return a, false, err
	}
	s, err := u.look(ctx)
	if err != nil {
		return a, false, err
	}
	if u.options.Network == "unix" {
		if a.Socket, err = socketAlone(u.options.Addr); err != nil {
			return a, false, err
		}
	}
	secret := password(u.key, s.installation, r)
	if err := u.give(ctx, s, r.OrgID, hashed(secret)); err != nil {
		return a, false, err
	}
	a.URL, a.Prefix = address(u.options, s.user(r.OrgID), secret), s.prefix(r.OrgID)
	return a, true, nil
}

// KeyID tells one secret key from another.
func (u *Users) KeyID() string {
	sum := sha256.Sum256(u.key[:])
	return base64.RawURLEncoding.EncodeToString(sum[:8])
}

// follow makes a client of the configuration that counts now.
func (u *Users) follow() error {
	c := u.o.Config()
	if c != nil && u.client != nil && u.of == *c {
		return nil
	}
	u.close()
	if c == nil {
		return nil
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	u.of, u.options, u.client = *c, o, redis.NewClient(o)
	return nil
}

func (u *Users) close() {
	if u.client != nil {
		_ = u.client.Close()
	}
	u.client, u.run = nil, ""
}

// server is what Redis is and has.
type server struct {
	names
	newer []string // commands that it knows
	users map[string]user
	full  map[registry.OrgID]bool
}

const leastVersion = 7 // since then scripts and selectors of keys are judged for each command

// look asks Redis what it is. An error says why instances must not use it.
func (u *Users) look(ctx context.Context) (s server, err error) {
	s.names = names{u.o.Installation()}
	if s.installation == "" {
		return s, errors.New("the store has not answered yet")
	}
	info, err := u.client.Info(ctx).Result()
	if err != nil {
		return s, fmt.Errorf("the Redis of instances: %w", err)
	}
	major, _, _ := strings.Cut(shared.Field(info, "redis_version"), ".")
	run := shared.Field(info, "run_id")
	if n, err := strconv.Atoi(major); err != nil || n < leastVersion {
		return s, fmt.Errorf("the Redis of instances is of version %q: it takes %d or newer", major, leastVersion)
	}
	if shared.Field(info, "redis_mode") != "standalone" || shared.Field(info, "role") != "master" {
		return s, errors.New("the Redis of instances is part of a cluster, or a replica: it takes a single server")
	}
	if run == "" || run == u.o.Other(ctx) {
		return s, errSame
	}
	lines, err := u.client.Do(ctx, "ACL", "LIST").StringSlice()
	if err != nil {
		return s, fmt.Errorf("the Redis of instances: %w", err)
	}
	s.users = users(lines)
	if d := s.users["default"]; d.on && d.open {
		return s, errors.New("the Redis of instances lets everybody in: give its user default a password, or switch it off")
	}
	if run != u.run {
		u.run = run
		clear(u.set)
	}
	return s, errors.Join(u.fullOnes(ctx, &s), u.newerOnes(ctx, &s))
}

func (u *Users) fullOnes(ctx context.Context, s *server) error {
	full, err := u.client.SMembers(ctx, s.names.full()).Result()
	s.full = map[registry.OrgID]bool{}
	for _, org := range full {
		s.full[registry.OrgID(org)] = true
	}
	return err
}

func (u *Users) newerOnes(ctx context.Context, s *server) error {
	for _, name := range newer {
		known, err := u.client.Do(ctx, "COMMAND", "INFO", name).Slice()
		if err != nil {
			return err
		}
		if len(known) == 1 && known[0] != nil {
			s.newer = append(s.newer, name)
		}
	}
	return nil
}

// give makes an org's user be there with a password. The set has the org before it has a user.
func (u *Users) give(ctx context.Context, s server, org registry.OrgID, hash string) error {
	words := rules(s.prefix(org), hash, s, u.of.Scripts, s.full[org])
	now, text := s.users[s.user(org)], strings.Join(words, " ")
	if now.on && now.hash == hash && u.set[org] == text {
		return nil
	}
	if err := u.client.SAdd(ctx, s.orgs(), string(org)).Err(); err != nil {
		return err
	}
	if err := u.client.Do(ctx, setUser(s.user(org), words...)...).Err(); err != nil {
		return err
	}
	if now.hash != hash {
		if err := u.client.Do(ctx, "CLIENT", "KILL", "USER", s.user(org)).Err(); err != nil {
			return err
		}
	}
	u.set[org] = text
	return nil
}

// takeAway takes everything from an org's user, and ends its connections.
func (u *Users) takeAway(ctx context.Context, s server, org registry.OrgID) error {
	delete(u.set, org)
	now, there := s.users[s.user(org)]
	if !there || !now.on {
		return nil
	}
	if err := u.client.Do(ctx, setUser(s.user(org), "reset", "off", "resetchannels")...).Err(); err != nil {
		return err
	}
	return u.client.Do(ctx, "CLIENT", "KILL", "USER", s.user(org)).Err()
}

// socketAlone returns the path of a socket whose directory instances may see: a restart makes the
// socket anew, so it is the directory that they are shown.
func socketAlone(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("the Redis of instances: %w", err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) && (e.Type() != 0 || filepath.Ext(e.Name()) != ".pid") {
			return "", fmt.Errorf("the Redis of instances: instances are shown the directory %s, and %s is in it: "+
				"give the socket a directory of its own", filepath.Dir(path), e.Name())
		}
		if e.Name() == filepath.Base(path) && e.Type() != fs.ModeSocket {
			return "", fmt.Errorf("the Redis of instances: %s is not a socket", path)
		}
	}
	return path, nil
}
