package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// operation says what an operation is; its types say the rest.
type operation struct {
	ID, Method, Path string // Path is below /api/v1
	Summary          string
	Description      string
	Action           registry.Action
	Public           bool // see Route
	Status           int  // of success; 0 = 200, or 204 without a body
	Or               int  // another status of success, with the same body; 204 = without
	Platform         bool // of the platform itself: no role in an org suffices

	Sends     string // media type of a stream or download; "" = JSON
	SendsText string // what it holds
}

// declared adds an operation whose handler is told who asks.
func declared[I, O any](a *API, o operation, f func(ctx context.Context, c web.Caller, in *I) (*O, error)) {
	op := describe(a, o, reflect.TypeFor[I]())
	once := shownOnce(reflect.TypeFor[O]())
	a.routes[len(a.routes)-1].Once = once
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		c := caller(ctx)
		out, err := f(ctx, c, in)
		if err != nil {
			if registry.ErrorCode(err) == "" {
				a.Log.Error("api", "operation", o.ID, "request_id", wire.RequestID(ctx), "error", err)
			}
			return nil, wire.ProblemOf(ctx, err).On(a.issuer())
		}
		if rec, ok := ctx.Value(recorderKey{}).(*recorder); ok {
			rec.once = once
		}
		return out, nil
	})
	if o.Or != 0 && o.Or != http.StatusNoContent {
		op.Responses[strconv.Itoa(o.Or)].Content = op.Responses[strconv.Itoa(o.Status)].Content
	}
}

func describe(a *API, o operation, in reflect.Type) huma.Operation {
	tag, _, _ := strings.Cut(strings.TrimPrefix(o.Path, "/"), "/")
	for _, t := range []string{"members", "invites", "instance", "audit", "sessions", "events", "keys", "usage", "settings", "webhooks", "runners", "connections", "domains", "support", "approvals"} {
		if strings.Contains(o.Path, "/"+t) {
			tag = t
		}
	}
	who := "Anybody who is signed in, for themselves."
	switch {
	case o.Platform:
		who = registry.WhoMay(registry.ActionPlatformRead)
	case o.Action != "":
		who = registry.WhoMay(o.Action)
	case o.Public:
		who = "Whoever has the secret."
	}
	if registry.NeedsFresh(o.Action) {
		who += fmt.Sprintf(" A person must have signed in within %d minutes.", int(registry.FreshFor.Minutes()))
	}
	if o.Action != "" && registry.InPersonOnly(o.Action) {
		who += " No key may."
	}
	op := huma.Operation{
		OperationID: o.ID, Method: o.Method, Path: prefix + o.Path, Summary: o.Summary, Tags: []string{tag},
		Description: strings.TrimSpace(o.Description + "\n\nWho may: " + who), DefaultStatus: o.Status, MaxBodyBytes: maxBody + 1,
		Responses: map[string]*huma.Response{"4XX": a.problemResponse(), "5XX": a.problemResponse()},
	}
	if o.Or != 0 {
		op.Responses[strconv.Itoa(o.Or)] = &huma.Response{Description: http.StatusText(o.Or)}
	}
	if o.Sends != "" {
		op.Responses["200"] = &huma.Response{Description: o.SendsText, Content: map[string]*huma.MediaType{
			o.Sends: {Schema: &huma.Schema{Type: "string", Description: o.SendsText}},
		}}
	}
	if o.Public {
		op.Security = []map[string][]string{}
	} else if o.Method == http.MethodPost {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Description: "1 to 100 characters of your choice: the same key gets the same answer for 24 hours.",
			Schema: &huma.Schema{Type: "string"},
		})
	}
	a.routes = append(a.routes, Route{Method: o.Method, Pattern: prefix + o.Path, Action: o.Action, Public: o.Public, Streams: strings.HasSuffix(o.Path, "/events"), Body: example(in)})
	return op
}

// example makes a body from the example tags of an input type.
func example(in reflect.Type) map[string]any {
	f, ok := in.FieldByName("Body")
	if !ok {
		return nil
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	body := map[string]any{}
	for i := range t.NumField() {
		if t.Field(i).Type.Kind() == reflect.Pointer {
			continue
		}
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		tag := t.Field(i).Tag
		if v, ok := tag.Lookup("example"); ok && t.Field(i).Type.Kind() == reflect.String {
			body[name] = v
		} else if ok {
			body[name] = json.RawMessage(v)
		}
		if v, ok := tag.Lookup("enum"); ok && t.Field(i).Type.Kind() == reflect.Slice {
			first, _, _ := strings.Cut(v, ",")
			body[name] = []string{first}
		}
	}
	return body
}

// problems makes the library's own errors look like all others; what was sent is not echoed.
func (a *API) problems(ctx huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := wire.ProblemOfStatus(ctx.Context(), e.Status, e.Detail).On(a.issuer())
	for _, d := range e.Errors {
		message, where := d.Message, strings.TrimPrefix(d.Location, "body.")
		if strings.HasPrefix(message, "invalid date/time for format ") { // a layout of Go follows
			message = "expected a time as in RFC 3339, such as 2026-01-31T12:00:00Z"
		}
		if d.Location == "body" {
			where = ""
		}
		_, name, found := strings.Cut(where, ".")
		if !found {
			name = where
		}
		if name == "" { // the library names a missing property in its message only
			_, _ = fmt.Sscanf(message, "expected required property %s to be present", &name)
		}
		if p.Field == "" && len(p.Errors) == 0 {
			p.Field, p.Detail = name, message
			if where != "" {
				p.Detail = where + ": " + message
			}
		}
		p.Errors = append(p.Errors, wire.ProblemError{Location: d.Location, Message: message})
	}
	return p, nil
}
