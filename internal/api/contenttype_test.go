package api_test

import (
	"mime"
	"strconv"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/controltest"
)

// declared are the media types of answers in the document, by operation and status.
type declared map[string]map[string]map[string]any

func declaredTypes(t *testing.T, s *controltest.Server) declared {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct{ Content map[string]any }
		}
	}
	s.Nobody().Want(t, 200, "GET", "/api/v1/openapi.json", "").Decode(t, &doc)
	out := declared{}
	for path, item := range doc.Paths {
		for method, op := range item {
			name := strings.ToUpper(method) + " " + path
			out[name] = map[string]map[string]any{}
			for status, r := range op.Responses {
				out[name][status] = r.Content
			}
		}
	}
	return out
}

// check compares an answer with what the document says of it.
func (d declared) check(t *testing.T, rt api.Route, a controltest.Answer) {
	t.Helper()
	name, status := rt.Method+" "+rt.Pattern, strconv.Itoa(a.Status)
	types, ok := d[name][status]
	if !ok {
		types, ok = d[name][status[:1]+"XX"]
	}
	sent := a.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(sent)
	switch {
	case !ok:
		t.Errorf("%s answers %d, which the document does not declare: %s", name, a.Status, a.Body)
	case len(types) == 0 && sent != "" || len(types) > 0 && (err != nil || types[media] == nil):
		t.Errorf("%s answers %d as %q, the document says %v", name, a.Status, sent, types)
	case (a.Body == "") != (len(types) == 0) && !strings.HasSuffix(rt.Pattern, "/export"):
		t.Errorf("%s answers %d with %q, the document says %v", name, a.Status, a.Body, types)
	}
}

// TestContentTypes: each operation answers with the media type that the document declares, when it
// reads, when it is refused, and when its input is wrong.
func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	close(s.Ended) // streams end at once
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	page, op := s.Page(s.SignIn(owner)), s.Operator()
	d := declaredTypes(t, s)
	read := 0
	for _, rt := range api.Routes() {
		for _, c := range []*controltest.Client{page, op, s.Nobody()} {
			a := ask(c, rt, string(acme.ID), true)
			if d.check(t, rt, a); a.Status == 200 {
				read++
			}
		}
	}
	if read < 40 {
		t.Errorf("only %d were read", read)
	}
	for name, want := range map[string]string{
		"GET /api/v1/events": "text/event-stream", "GET /api/v1/orgs/{org}/events": "text/event-stream",
		"GET /api/v1/audit/export": "application/jsonl", "GET /api/v1/orgs/{org}/audit/export": "application/jsonl",
		"GET /api/v1/orgs/{org}/instance/logs": "text/plain", "GET /api/v1/orgs": "application/json",
	} {
		if d[name]["200"][want] == nil {
			t.Errorf("%s: %v, want %s", name, d[name]["200"], want)
		}
	}
}
