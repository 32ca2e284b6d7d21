package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const eventsText = "Server-sent events: `id` is the change's number, `event` its kind, `data` the change as JSON. " +
	"Begins with what comes next, or behind the Last-Event-ID; the event `reset` says that changes since then are no longer kept: read anew."

type EventsIn struct {
	LastEventID string `header:"Last-Event-ID" doc:"go on behind this event"`
	After       string `query:"after" doc:"the same, for clients that set no headers"`
}

func (in EventsIn) from() (seq int64, given bool, err error) {
	v := in.LastEventID
	if v == "" {
		v = in.After
	}
	if v == "" {
		return 0, false, nil
	}
	seq, err = strconv.ParseInt(v, 10, 64)
	if err != nil || seq < 0 {
		return 0, false, registry.Errorf(registry.Invalid, "Last-Event-ID", "Last-Event-ID is the number of an event")
	}
	return seq, true, nil
}

func (a *API) events() {
	type orgIn struct {
		OrgPath
		EventsIn
	}
	inOrg(a, operation{ID: "watchOrg", Method: "GET", Path: "/orgs/{org}/events", Summary: "Watch an org change", Action: registry.OrgRead, Description: eventsText},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgIn) (*huma.StreamResponse, error) {
			return a.watch(ctx, c, id, in.EventsIn)
		})
	declared(a, operation{ID: "watch", Method: "GET", Path: "/events", Summary: "Watch everything change", Action: registry.PlatformAudit, Description: eventsText},
		func(ctx context.Context, c web.Caller, in *EventsIn) (*huma.StreamResponse, error) {
			return a.watch(ctx, c, "", *in)
		})
}

// watch streams the changes of an org, or all. Who asks is found out again at
// each change: who is signed out or removed gets nothing more.
func (a *API) watch(ctx context.Context, c web.Caller, org registry.OrgID, in EventsIn) (*huma.StreamResponse, error) {
	oldest, head, err := a.Store.EventBounds(ctx, c.Actor, org)
	if err != nil {
		return nil, err
	}
	seq, given, err := in.from()
	if err != nil {
		return nil, err
	}
	reset := given && (seq < oldest-1 || seq > head)
	if !given || reset {
		seq = head
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no")
		w.WriteHeader(http.StatusOK)
		s := stream{w: w, flush: http.NewResponseController(w).Flush}
		if reset {
			s.event(seq, "reset", struct{}{})
		}
		s.comment()
		tick := time.NewTicker(streamEvery)
		defer tick.Stop()
		for s.err == nil {
			changed := a.Store.Changed()
			now, err := web.Who(a.Identity, r)
			if err != nil || now.Actor != c.Actor {
				return
			}
			list, err := a.Store.Events(r.Context(), now.Actor, org, seq, 200)
			if err != nil {
				return
			}
			for _, e := range list {
				s.event(e.Seq, string(e.Kind), e)
				seq = e.Seq
			}
			if len(list) > 0 {
				continue
			}
			select {
			case <-r.Context().Done():
				return
			case <-a.Ended():
				return
			case <-changed:
			case <-tick.C:
				s.comment()
			}
		}
	}}, nil
}

// stream writes server-sent events until the first error.
type stream struct {
	w     http.ResponseWriter
	flush func() error
	err   error
}

func (s *stream) event(id int64, kind string, data any) {
	b, err := json.Marshal(data)
	if err == nil && s.err == nil {
		_, err = fmt.Fprintf(s.w, "id: %d\nevent: %s\ndata: %s\n\n", id, kind, b)
	}
	s.end(err)
}

func (s *stream) comment() {
	if s.err == nil {
		_, err := fmt.Fprint(s.w, ": \n\n")
		s.end(err)
	}
}

func (s *stream) end(err error) {
	if s.err == nil {
		s.err = err
	}
	if s.err == nil {
		s.err = s.flush()
	}
}
