package console

import (
	"context"
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// limitWords are the limits as people call them.
var limitWords = map[registry.LimitName]string{
	registry.LimitRequests:    "Requests/s",
	registry.LimitConcurrency: "Requests at once",
	registry.LimitWebSockets:  "WebSockets",
	registry.LimitBody:        "Request size",
	registry.LimitMembers:     "Members",
	registry.LimitRunners:     "Runners",
	registry.LimitCPU:         "CPU cores",
	registry.LimitMemory:      "Memory",
	registry.LimitPIDs:        "Processes",
	registry.LimitDisk:        "Disk",
}

// unitWords are what people can write for a limit.
var unitWords = map[registry.LimitUnit]string{
	registry.UnitCount:    "a whole number up to 1,000,000",
	registry.UnitBytes:    "a size such as 10MB",
	registry.UnitFraction: "a number such as 0.5",
}

// noLimit is how pages show that there is none.
const noLimit = "no limit"

func limitText(n registry.LimitName, l registry.Limits) string {
	if v, ok := l[n]; ok {
		return registry.FormatLimit(n, v)
	}
	return noLimit
}

// limitField is an input for a limit.
type limitField struct {
	Name        registry.LimitName
	Label, Note string
	Value       string // "" = none
	Bytes       bool
}

// limitInputs are the inputs of a page, and which one is wrong.
type limitInputs struct {
	Invalid string
	Fields  []limitField
}

func inputsOf(v view, fields []limitField) limitInputs { return limitInputs{v.Field, fields} }

// limitList lists limits for people.
func limitList(l registry.Limits) string {
	var out []string
	for _, n := range registry.LimitNames() {
		if v, ok := l[n]; ok {
			out = append(out, limitWords[n]+": "+registry.FormatLimit(n, v))
		}
	}
	return strings.Join(out, ", ")
}

// limitFields are the inputs for the limits of an org, or of none. The note of each says what note
// returns, if anything.
func (c *Console) limitFields(
	ctx context.Context, org registry.OrgID, now registry.Limits,
	note func(registry.LimitName) string,
) (out []limitField) {
	enforces, err := c.Quotas.Enforces(ctx, org)
	for _, n := range registry.LimitNames() {
		f := limitField{Name: n, Label: limitWords[n], Bytes: n.Unit() == registry.UnitBytes}
		if v, ok := now[n]; ok {
			f.Value = registry.FormatLimit(n, v)
		}
		var notes []string
		if note != nil {
			notes = append(notes, note(n))
		}
		if n.OfInstance() && (err != nil || !enforces(n)) {
			notes = append(notes, "not enforced by this provider")
		}
		f.Note = strings.Join(notes, "; ")
		out = append(out, f)
	}
	return out
}

// limitsIn reads the inputs of a form: an empty one removes the limit. Error: CodeInvalid.
func limitsIn(form url.Values) (registry.LimitChanges, error) {
	out := registry.LimitChanges{}
	for _, n := range registry.LimitNames() {
		if !form.Has(string(n)) {
			continue
		}
		text := strings.TrimSpace(form.Get(string(n)))
		if text == "" {
			out[n] = nil
			continue
		}
		v, err := registry.ParseLimit(n, text)
		if err != nil {
			return nil, registry.Errorf(registry.CodeInvalid, string(n),
				"%s: use %s, or leave it empty.", limitWords[n], unitWords[n.Unit()])
		}
		out[n] = v
	}
	return out, nil
}
