package identity

import (
	"crypto/subtle"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	// askedAt is a parameter of our own: when the request was first made, in Unix microseconds, with
	// a MAC over that and all other parameters. A sign-in comes back to the same request with it, so
	// that prompt=login and max_age are satisfied by one sign-in. Only we can write it.
	askedAt    = "asked_at"
	purposeAsk = "asked-at"
)

// askedAt is when a request was first made: now, unless we wrote into it that it was before.
func (s *Service) askedAt(q url.Values) time.Time {
	now := s.now()
	at, tag, _ := strings.Cut(q.Get(askedAt), ".")
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil || subtle.ConstantTimeCompare([]byte(tag), []byte(s.askedTag(q, at))) != 1 {
		return now
	}
	if t := time.UnixMicro(n); now.Sub(t) < AttemptLife {
		return t
	}
	return now
}

func (s *Service) askedTag(q url.Values, at string) string {
	rest := url.Values{}
	for k, v := range q {
		if k != askedAt {
			rest[k] = v
		}
	}
	return s.master.Tag(purposeAsk, at+"\n"+rest.Encode())
}

// authAfter is when the person must have signed in at the earliest, in Unix microseconds, by a
// request of a moment; 0 for any time.
func authAfter(q url.Values, asked time.Time) (int64, error) {
	after, prompt := int64(0), q.Get("prompt")
	if registry.HasWord(prompt, "login") || registry.HasWord(prompt, "select_account") {
		after = asked.UnixMicro()
	}
	if v := q.Get("max_age"); v != "" {
		age, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return 0, err
		}
		oldest := asked.Add(-time.Duration(age) * time.Second) //nolint:gosec // 31 bits
		after = max(after, oldest.UnixMicro())
	}
	return after, nil
}

// signInFor is the query of the same request after a sign-in.
func (s *Service) signInFor(q url.Values, asked time.Time) string {
	next := url.Values{}
	for k, v := range q {
		next[k] = v
	}
	at := strconv.FormatInt(asked.UnixMicro(), 10)
	next.Set(askedAt, at+"."+s.askedTag(q, at))
	return next.Encode()
}
