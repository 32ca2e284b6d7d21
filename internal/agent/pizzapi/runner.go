package pizzapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"sync"
	"time"
)

// runnersFile says which key is which runner's.
const runnersFile = "pizzapi-runners.json"

// What better-auth allows a key to live, and to be called.
const (
	keyLifeMin = 24 * time.Hour
	keyLifeMax = 365 * 24 * time.Hour
	keyNameMax = 32
)

// Runner is a machine that is to work for a person.
type Runner struct {
	ID, Name string
	Owner    Person
	Expires  time.Time
}

type runnerKey struct {
	Owner string `json:"owner"`
	Key   string `json:"key_id"`
}

// runners are those that were enrolled here.
type runners struct {
	path string
	mu   *sync.Mutex
	keys map[string]runnerKey
}

func openRunners(path string) (runners, error) {
	r := runners{path: path, mu: new(sync.Mutex), keys: map[string]runnerKey{}}
	b, err := os.ReadFile(path) //nolint:gosec // the instance's own
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r.keys)
	}
	return r, err
}

// change changes what is known, in memory only once it is on disk.
func (r *runners) change(do func(map[string]runnerKey)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := maps.Clone(r.keys)
	do(next)
	if maps.Equal(next, r.keys) {
		return nil
	}
	if err := writeJSON(r.path, next); err != nil {
		return err
	}
	r.keys = next
	return nil
}

func (r *runners) get(id string) (runnerKey, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[id]
	return k, ok
}

// Knows reports whether a runner was enrolled here, and its key not deleted.
func (a *App) Knows(id string) bool {
	_, known := a.runners.get(id)
	return known
}

func (r *runners) forgetOf(owner string) error {
	return r.change(func(keys map[string]runnerKey) {
		maps.DeleteFunc(keys, func(_ string, k runnerKey) bool { return k.Owner == owner })
	})
}

// Enroll makes an API key for a runner, and returns the environment of PizzaPi's published runner.
func (a *App) Enroll(ctx context.Context, r Runner) (map[string]string, error) {
	if r.ID == "" || r.Owner.Subject == "" {
		return nil, errors.New("a runner of PizzaPi belongs to a person")
	}
	life := min(r.Expires.Sub(a.c.Now()).Round(time.Hour), keyLifeMax)
	if life < keyLifeMin {
		return nil, errors.New("PizzaPi's keys live for a day at least: let the runner live as long")
	}
	cookie, _, err := a.session(ctx, r.Owner, true)
	if err != nil {
		return nil, err
	}
	name := []rune(r.Name)
	res, err := a.call(ctx, r.Owner.Subject, cookie, http.MethodPost, createPath, map[string]any{
		"name": string(name[:min(len(name), keyNameMax)]), "expiresIn": int(life / time.Second),
	})
	if err != nil {
		return nil, err
	}
	var made struct{ ID, Key string }
	if res.status != http.StatusOK {
		return nil, res.unexpected()
	}
	if err := res.decode(&made); err != nil {
		return nil, err
	}
	err = a.runners.change(func(keys map[string]runnerKey) { keys[r.ID] = runnerKey{r.Owner.Subject, made.ID} })
	if err != nil {
		_, undo := a.deleteKey(ctx, r.Owner.Subject, cookie, made.ID)
		return nil, errors.Join(err, undo)
	}
	relay := "ws" // for http
	if a.base.Scheme == "https" {
		relay = "wss"
	}
	return map[string]string{
		"PIZZAPI_RELAY_URL": relay + "://" + a.base.Host, "PIZZAPI_RUNNER_API_KEY": made.Key,
	}, nil
}

func (a *App) revokeRunner(ctx context.Context, id string) error {
	k, ok := a.runners.get(id)
	if !ok {
		return nil
	}
	x := a.account(k.Owner)
	if err := x.take(ctx); err != nil {
		return err
	}
	defer x.release()
	err := a.as(ctx, k.Owner, x, func(cookie string) (answer, error) { return a.deleteKey(ctx, k.Owner, cookie, k.Key) })
	if err != nil {
		return fmt.Errorf("delete its key: %w", err)
	}
	return a.runners.change(func(keys map[string]runnerKey) { delete(keys, id) })
}
