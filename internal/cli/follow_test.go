package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/tmaxmax/go-sse"
)

// TestFollow: a stream whose connection is lost continues after its last event, and ends when the
// server refuses.
func TestFollow(t *testing.T) {
	const stream = "text/event-stream"
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", stream)
			_, _ = fmt.Fprint(w, "retry: 1\n"+text)
		}
	}
	refuse := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"detail":"status %d"}`, status)
		}
	}
	cut := func(w http.ResponseWriter, r *http.Request) {
		say("data: half")(w, r)
		panic(http.ErrAbortHandler)
	}
	for name, row := range map[string]struct {
		answers   []http.HandlerFunc // one after the other
		seen      []string
		positions []string // Last-Event-ID of each attempt
		err       string
	}{
		"lost": {
			[]http.HandlerFunc{
				say("id: 1\n\nid: 2\ndata: a\n\nid: 3\ndata: b\n\n"), refuse(503), cut, refuse(429), say("id: 4\ndata: c\n\n"), refuse(403),
			},
			[]string{"a", "b", "c"},
			[]string{"", "3", "3", "3", "3", "4"}, "status 403",
		},
		"lost before the first event": {
			[]http.HandlerFunc{say("id: 7\n\n"), say("id: 8\ndata: a\n\n"), refuse(401)},
			[]string{"a"},
			[]string{"", "7", "8"}, "status 401",
		},
		"never there": {[]http.HandlerFunc{refuse(503)}, nil, []string{""}, "status 503"},
		"refused":     {[]http.HandlerFunc{refuse(404)}, nil, []string{""}, "status 404"},
		"its reader ends": {
			[]http.HandlerFunc{say("data: end\n\n")},
			[]string{"end"},
			[]string{""}, "the reader ended",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var positions, seen []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				positions = append(positions, r.Header.Get("Last-Event-ID"))
				n := len(positions)
				mu.Unlock()
				if r.URL.Path != "/pizzeria/api/v1/events" || n > len(row.answers) {
					t.Errorf("attempt %d at %s", n, r.URL)
					refuse(403)(w, r)
					return
				}
				row.answers[n-1](w, r)
			}))
			defer s.Close()
			c := &client{admin: strings.TrimPrefix(s.URL, "http://"), cmd: &cobra.Command{}}
			c.cmd.SetContext(t.Context())
			lost := 0
			err := c.follow("/events", func(e sse.Event) error {
				if seen = append(seen, e.Data); e.Data == "end" {
					return errors.New("the reader ended")
				}
				return nil
			}, func(error, time.Duration) { lost++ })
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%v, want %s", err, row.err)
			}
			if !slices.Equal(seen, row.seen) || !slices.Equal(positions, row.positions) || lost != len(row.answers)-1 {
				t.Errorf("saw %q from %q, lost %d times", seen, positions, lost)
			}
		})
	}
}
