package assertion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
)

const (
	maxSet = 1 << 20 // bytes of a JWK set

	// A key is published a day before it signs, so reading once an hour misses none.
	refreshAfter = time.Hour
	// retryAfter keeps unknown key IDs and failures from causing a fetch each.
	retryAfter = 10 * time.Second
	fetchLimit = 5 * time.Second
)

// Keys are the public keys that assertions are signed with: [File] or [URL].
type Keys interface {
	// find returns a key by its ID. An error means that no keys are known at all.
	find(ctx context.Context, kid string, now time.Time) (jose.PublicKey, bool, error)
}

type set map[string]jose.PublicKey

func parse(b []byte) (set, error) {
	keys, err := jose.ParseSet(b)
	if err != nil {
		return nil, err
	}
	s := set{}
	for _, k := range keys {
		s[k.ID] = k
	}
	return s, nil
}

// File returns the keys of a JWK set in a file that the host keeps fresh: PIZZERIA_JWKS_FILE. It is
// read again when it has changed. While it cannot be read, the last keys count.
func File(path string) Keys { return &file{path: path} }

type file struct {
	path string
	mu   sync.Mutex
	keys set
	read os.FileInfo
}

func (f *file) find(_ context.Context, kid string, _ time.Time) (jose.PublicKey, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refresh(); f.keys == nil {
		return jose.PublicKey{}, false, err
	}
	k, ok := f.keys[kid]
	return k, ok, nil
}

func (f *file) refresh() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	// A file that is replaced by another of the same time is another file.
	if f.read != nil && os.SameFile(info, f.read) && info.ModTime().Equal(f.read.ModTime()) && info.Size() == f.read.Size() {
		return nil
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	keys, err := parse(b)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.keys, f.read = keys, info
	return nil
}

// URL returns the keys of a JWK set at an address: PIZZERIA_JWKS_URI. They are fetched when they are
// first needed, once an hour, and when an assertion names an unknown key, but at most every 10
// seconds. While the address does not answer, the last keys count. A nil client is
// http.DefaultClient; give one that trusts PIZZERIA_CA_FILE where that is set.
func URL(address string, client *http.Client) Keys {
	if client == nil {
		client = http.DefaultClient
	}
	return &remote{address: address, client: client}
}

type remote struct {
	address string
	client  *http.Client

	mu       sync.Mutex
	keys     set
	err      error     // of the last fetch
	read     time.Time // last success
	tried    time.Time
	fetching chan struct{} // closed when the fetch under way has ended
}

// find waits for a fetch only when it does not know the key.
func (u *remote) find(ctx context.Context, kid string, now time.Time) (jose.PublicKey, bool, error) {
	u.mu.Lock()
	k, ok := u.keys[kid]
	if u.due(ok, now) {
		u.tried, u.fetching = now, make(chan struct{})
		// The request that causes a fetch may be cancelled; others still need the keys.
		go u.refresh(context.WithoutCancel(ctx), now)
	}
	fetching := u.fetching
	u.mu.Unlock()
	if !ok && fetching != nil {
		select {
		case <-fetching:
		case <-ctx.Done():
			return k, false, ctx.Err()
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys == nil {
		return k, false, u.err
	}
	k, ok = u.keys[kid]
	return k, ok, nil
}

// due reports whether to fetch now.
func (u *remote) due(known bool, now time.Time) bool {
	old := now.Sub(u.read) >= refreshAfter || now.Before(u.read) // clocks may be set back
	wait := now.Sub(u.tried)
	return u.fetching == nil && (!known || old) && (wait >= retryAfter || wait < 0)
}

func (u *remote) refresh(ctx context.Context, now time.Time) {
	keys, err := u.fetch(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err = err; err == nil {
		u.keys, u.read = keys, now
	}
	close(u.fetching)
	u.fetching = nil
}

func (u *remote) fetch(ctx context.Context) (set, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", u.address, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxSet+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxSet {
		return nil, errors.New(u.address + " answers with more than 1 MiB")
	}
	keys, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.address, err)
	}
	return keys, nil
}
