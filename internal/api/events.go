package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	eventsType    = "text/event-stream"
	eventsContent = "One event for each change"
)

const eventsText = "Server-sent events: `id` names the change, `event` is its kind, `data` the change as JSON. " +
	"Begins with what comes next, or behind the Last-Event-ID, and with an ID alone to resume from; the event `reset` says that changes since then are no longer kept: read anew."

type EventsIn struct {
	LastEventID string `header:"Last-Event-ID" doc:"resume after this event"`
	After       string `query:"after" doc:"like Last-Event-ID, for clients that cannot set headers"`
}

// cursor is the ID that somebody wants to go on behind, "" for none.
func (in EventsIn) cursor() string { return cmp.Or(in.LastEventID, in.After) }

var eventID = regexp.MustCompile(`^([0-9]{1,18}|[A-Za-z0-9_-]{22})$`)

// from says behind which change a stream begins. known is false for an ID that is of another org,
// another secret key or nobody. Error: CodeInvalid.
func (a *API) from(org registry.OrgID, id string) (seq int64, known bool, err error) {
	if !eventID.MatchString(id) {
		return 0, false, registry.Errorf(registry.CodeInvalid, "Last-Event-ID", "Last-Event-ID is the ID of an event")
	}
	if org != "" && id != "0" { // the oldest that is kept
		seq, known = a.Identity.ShowNumber(identity.NumberEvent, org, id)
		return seq, known, nil
	}
	seq, err = strconv.ParseInt(id, 10, 64)
	return seq, err == nil, nil
}

// shown returns a change and its ID as those who watch an org see them, or with "" everything: the
// numbers of an org's changes would tell how much others do.
func (a *API) shown(org registry.OrgID, e registry.Change) (string, registry.Change) {
	if org == "" {
		return strconv.FormatInt(e.Seq, 10), e
	}
	id := a.Identity.HideNumber(identity.NumberEvent, org, e.Seq)
	e.Seq = 0
	return id, e
}

func (a *API) events() {
	type orgIn struct {
		OrgPath
		EventsIn
	}
	inOrg(a, operation{ID: "watchOrg", Method: "GET", Path: "/orgs/{org}/events", Summary: "Watch an org change", Action: registry.ActionOrgRead, Description: eventsText, Sends: eventsType, SendsText: eventsContent},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *orgIn) (*huma.StreamResponse, error) {
			return a.watch(ctx, c, id, in.EventsIn)
		})
	declared(a, operation{ID: "watch", Method: "GET", Path: "/events", Summary: "Watch everything change", Action: registry.ActionPlatformAudit, Description: eventsText, Sends: eventsType, SendsText: eventsContent},
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
	seq, reset := head, false
	if id := in.cursor(); id != "" {
		from, known, err := a.from(org, id)
		if err != nil {
			return nil, err
		}
		if reset = !known || from < oldest-1 || from > head; !reset {
			seq = from
		}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", eventsType)
		w.Header().Set("X-Accel-Buffering", "no")
		w.WriteHeader(http.StatusOK)
		s := stream{w: w, flush: http.NewResponseController(w).Flush}
		if id, _ := a.shown(org, registry.Change{Seq: seq}); reset {
			s.event(id, "reset", struct{}{})
		} else {
			s.position(id)
		}
		tick := time.NewTicker(streamEvery)
		defer tick.Stop()
		for s.err == nil {
			changed := a.Store.Changed()
			now, err := web.StillWho(a.Identity, r)
			if err != nil || now.Actor != c.Actor.Watching() {
				return
			}
			list, err := a.Store.Events(r.Context(), now.Actor, org, seq, 200)
			if err != nil {
				return
			}
			for _, e := range list {
				seq = e.Seq
				id, e := a.shown(org, e)
				s.event(id, string(e.Kind), e)
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

func (s *stream) event(id, kind string, data any) {
	b, err := json.Marshal(data)
	if err == nil && s.err == nil {
		_, err = fmt.Fprintf(s.w, "id: %s\nevent: %s\ndata: %s\n\n", id, kind, b)
	}
	s.end(err)
}

// position tells a client where the stream is, without an event: it resumes there when the
// connection is lost before the first one.
func (s *stream) position(id string) {
	if s.err == nil {
		_, err := fmt.Fprintf(s.w, "id: %s\n\n", id)
		s.end(err)
	}
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
