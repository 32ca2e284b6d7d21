package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestSchemasGrow: answers may get new members, and clients that check them by this document go on;
// requests with unknown members are refused.
func TestSchemasGrow(t *testing.T) {
	a := &API{}
	a.declare(http.NewServeMux())
	doc := a.huma.OpenAPI()
	answers, requests := reachable(doc, responsesOf), reachable(doc, requestsOf)
	if len(answers) < 50 || len(requests) < 20 {
		t.Fatalf("only %d answers and %d requests", len(answers), len(requests))
	}
	for name, s := range doc.Components.Schemas.Map() {
		open := s.AdditionalProperties == nil
		switch {
		case answers[name] && requests[name]:
			t.Errorf("%s is in answers and in requests: use two types", name)
		case s.Type != "object":
		case answers[name] && !open:
			t.Errorf("%s cannot get new members", name)
		case requests[name] && s.AdditionalProperties != false:
			t.Errorf("%s takes unknown members: %v", name, s.AdditionalProperties)
		}
		if strings.HasSuffix(name, "Body") || strings.HasSuffix(name, "In") || strings.HasSuffix(name, "Out") {
			t.Errorf("%s is a name of the code: give it one in schemaNames", name)
		}
	}
	for _, name := range schemaNames {
		if doc.Components.Schemas.Map()[name] == nil {
			t.Errorf("%s is in schemaNames and nowhere else", name)
		}
	}
}

// TestEnums: the enums of the document are the values that there are.
func TestEnums(t *testing.T) {
	a := &API{}
	a.declare(http.NewServeMux())
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	for place, want := range map[[2]string][]string{
		{"InstanceStatus", "state"}:   texts(registry.InstanceStates()),
		{"InstanceStatus", "desired"}: {string(registry.DesiredRunning), string(registry.DesiredStopped), string(registry.DesiredAbsent)},
		{"Org", "status"}:             texts(registry.OrgStatuses()),
		{"Org", "role"}:               {"member", "admin", "owner"},
		{"Member", "role"}:            {"member", "admin", "owner"},
		{"Support", "state"}: {
			string(registry.SupportWaiting), string(registry.SupportApproved), string(registry.SupportDenied), string(registry.SupportEnded),
		},
	} {
		p := schemas[place[0]].Properties[place[1]]
		if p == nil {
			t.Errorf("there is no %v", place)
			continue
		}
		var have []string
		for _, v := range p.Enum {
			have = append(have, fmt.Sprint(v))
		}
		slices.Sort(have)
		if want := slices.Sorted(slices.Values(want)); !slices.Equal(have, want) {
			t.Errorf("%v: %q, want %q", place, have, want)
		}
	}
}

func texts[T ~string](list []T) (out []string) {
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}
