package registry

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plan is what the operator grants to the orgs that have it. Orgs refer to it by its name.
type Plan struct {
	Name        string    `json:"name" doc:"identifies it; it cannot change"`
	Title       string    `json:"title,omitempty" doc:"what people see"`
	Description string    `json:"description,omitempty" doc:"what it is for"`
	Provider    string    `json:"provider,omitempty" doc:"what makes the instances of its orgs; absent: the default provider"`
	Limits      Limits    `json:"limits" doc:"requests_per_second, concurrency, websockets, body (bytes), members, runners, cpu (cores), memory (bytes), pids, disk (bytes); what is absent has no limit, and 0 is 0"`
	Sessions    Lifetimes `json:"sessions" doc:"how long sessions last for its orgs; orgs may ask for shorter ones"`

	Configured bool      `json:"configured" doc:"defined in the Caddyfile: it changes there alone"`
	Orgs       int       `json:"orgs" doc:"how many orgs have it"`
	CreatedAt  time.Time `json:"created_at" doc:"when it was defined"`
	UpdatedAt  time.Time `json:"updated_at" doc:"when it last changed"`
}

// PlansOf says whose configuration plans are from.
type PlansOf struct {
	Node string // one of several; "": the only control plane
	// Started: it begins with them. A node that began with the same ones before changes nothing, since
	// others may have newer ones.
	Started bool
}

// DefaultPlan is the plan of orgs that name none. It need not be defined.
const DefaultPlan = "standard"

// PlanChange is what changes of a plan; nil leaves it.
type PlanChange struct {
	Title       *string         `json:"title,omitempty" doc:"what people see; up to 80 characters"`
	Description *string         `json:"description,omitempty" doc:"what it is for; up to 500 characters"`
	Provider    *string         `json:"provider,omitempty" doc:"what makes the instances of its orgs, from their next start on; empty: the default provider"`
	Sessions    LifetimeChanges `json:"sessions,omitzero" doc:"how long sessions last for its orgs; what is not named stays"`
	Limits      LimitChanges    `json:"limits,omitempty" doc:"name: number; null removes the limit, and what is not named stays"`
}

// LimitName names something that an org may use only so much of.
type LimitName string

// The limits.
const (
	LimitRequests    LimitName = "requests_per_second"
	LimitConcurrency LimitName = "concurrency" // requests at once, open WebSockets among them
	LimitWebSockets  LimitName = "websockets"
	LimitBody        LimitName = "body" // bytes of a request
	LimitMembers     LimitName = "members"
	LimitRunners     LimitName = "runners"
	LimitCPU         LimitName = "cpu"    // cores of the instance
	LimitMemory      LimitName = "memory" // bytes
	LimitPIDs        LimitName = "pids"
	LimitDisk        LimitName = "disk" // bytes
)

// LimitUnit says what the number of a limit counts.
type LimitUnit int

// The units.
const (
	UnitCount    LimitUnit = iota // whole things
	UnitBytes                     // whole bytes
	UnitFraction                  // requests a second, cores
)

// limitUnits has every limit; Limits lists them in the order in which people read them.
var limitUnits = map[LimitName]LimitUnit{
	LimitRequests: UnitFraction, LimitConcurrency: UnitCount, LimitWebSockets: UnitCount,
	LimitBody: UnitBytes, LimitMembers: UnitCount, LimitRunners: UnitCount, LimitCPU: UnitFraction,
	LimitMemory: UnitBytes, LimitPIDs: UnitCount, LimitDisk: UnitBytes,
}

// LimitNames lists every limit.
func LimitNames() []LimitName {
	return []LimitName{
		LimitRequests, LimitConcurrency, LimitWebSockets, LimitBody, LimitMembers, LimitRunners,
		LimitCPU, LimitMemory, LimitPIDs, LimitDisk,
	}
}

// Unit is what the limit counts.
func (n LimitName) Unit() LimitUnit { return limitUnits[n] }

// OfInstance reports whether only a provider can hold an org to the limit.
func (n LimitName) OfInstance() bool {
	return n == LimitCPU || n == LimitMemory || n == LimitPIDs || n == LimitDisk
}

// Bounds of limits: what is above them is no limit.
const (
	limitMax      = 1_000_000
	limitBytesMax = 1 << 50
	// limitFractionMin is the least that is not 0: less is longer than any clock runs.
	limitFractionMin = 0.001
)

// Limits are the most that an org may use, by name. What is absent has no limit.
type Limits map[LimitName]float64

// LimitChanges changes limits; nil removes one.
type LimitChanges map[LimitName]*float64

// With returns l where what over has takes the place of its own.
func (l Limits) With(over Limits) Limits {
	out := Limits{}
	maps.Copy(out, l)
	maps.Copy(out, over)
	return out
}

// Changed returns l after changes. Error: CodeInvalid, with the limit's name as field.
func (l Limits) Changed(changes LimitChanges) (Limits, error) {
	out := l.With(nil)
	for n, v := range changes {
		if v == nil {
			delete(out, n)
			if _, ok := limitUnits[n]; ok {
				continue
			}
			return nil, errNoLimit(n)
		}
		out[n] = *v
	}
	return out, out.Check()
}

// Check returns a CodeInvalid error, with the limit's name as field, for what cannot be a limit.
func (l Limits) Check() error {
	for _, n := range LimitNames() {
		v, ok := l[n]
		if !ok {
			continue
		}
		most := float64(limitMax)
		if n.Unit() == UnitBytes {
			most = limitBytesMax
		}
		switch {
		case math.IsNaN(v) || v < 0 || v > most:
			return Errorf(CodeInvalid, string(n), "%s is from 0 to %.0f", n, most)
		case n.Unit() != UnitFraction && v != math.Trunc(v):
			return Errorf(CodeInvalid, string(n), "%s is a whole number", n)
		case n.Unit() == UnitFraction && v > 0 && v < limitFractionMin:
			return Errorf(CodeInvalid, string(n), "%s is 0, or at least %v", n, limitFractionMin)
		}
	}
	for n := range l {
		if _, ok := limitUnits[n]; !ok {
			return errNoLimit(n)
		}
	}
	return nil
}

func errNoLimit(n LimitName) error {
	var names []string
	for _, n := range LimitNames() {
		names = append(names, string(n))
	}
	return Errorf(
		CodeInvalid, "limits", "%q is not a limit: use %s", string(n), strings.Join(names, ", "),
	)
}

// Routed are the limits that the gateway holds an org to, nil when there are none.
func (l Limits) Routed() *RouteLimits {
	whole := func(n LimitName) *int64 {
		v, ok := l[n]
		if !ok {
			return nil
		}
		i := int64(v)
		return &i
	}
	r := RouteLimits{
		Concurrency: whole(LimitConcurrency),
		WebSockets:  whole(LimitWebSockets),
		Body:        whole(LimitBody),
	}
	if v, ok := l[LimitRequests]; ok {
		r.Rate = &v
	}
	if r == (RouteLimits{}) {
		return nil
	}
	return &r
}

// RouteLimits are what an org may use of the gateway; nil = any number.
type RouteLimits struct {
	Concurrency *int64   `json:",omitempty"` // requests at once, open WebSockets among them
	WebSockets  *int64   `json:",omitempty"`
	Body        *int64   `json:",omitempty"` // bytes of a request
	Rate        *float64 `json:",omitempty"` // requests a second, in the mean
}

// Check returns p as it is kept. Errors: CodeInvalid.
func (p Plan) Check() (Plan, error) {
	var err error
	if !ValidSlug(p.Name) {
		return p, Errorf(
			CodeInvalid, "name", "%q is not a plan: use lower-case letters, digits and hyphens", p.Name,
		)
	}
	if p.Title != "" {
		if p.Title, err = CleanName(p.Title); err != nil {
			return p, Errorf(CodeInvalid, "title", "use at most %d printable characters", nameRunes)
		}
	}
	if p.Description, err = CleanReason(p.Description); err != nil {
		return p, Errorf(CodeInvalid, "description", "use at most %d printable characters", reasonRunes)
	}
	if p.Limits == nil {
		p.Limits = Limits{}
	}
	most := Seconds(SessionMost / time.Second)
	if err = p.Sessions.Within(Lifetimes{most, most}); err != nil {
		return p, err
	}
	return p, p.Limits.Check()
}

// SameAs reports whether two plans grant and say the same.
func (p Plan) SameAs(q Plan) bool {
	return p.Title == q.Title && p.Description == q.Description && p.Provider == q.Provider &&
		p.Configured == q.Configured && p.Sessions == q.Sessions && p.Limits.String() == q.Limits.String()
}

// Detail says what the plan grants, for the audit log.
func (p Plan) Detail() string {
	if p.Sessions == (Lifetimes{}) {
		return p.Limits.String()
	}
	return strings.TrimPrefix(p.Limits.String()+"; sessions last "+p.Sessions.Text(), "; ")
}

// String lists the limits for people, in their order.
func (l Limits) String() string {
	var out []string
	for _, n := range LimitNames() {
		if v, ok := l[n]; ok {
			out = append(out, string(n)+" "+strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	return strings.Join(out, ", ")
}

// CheckProvider refuses a provider that is not configured. "" is the default.
func CheckProvider(name string, configured []string) error {
	if name == "" || slices.Contains(configured, name) {
		return nil
	}
	return Errorf(
		CodeInvalid, "provider", "there is no provider %q: use %s, or configure it", name,
		strings.Join(configured, " or "),
	)
}

// PlanStore keeps plans, and what orgs have of them.
type PlanStore interface {
	Plans(ctx context.Context, a Actor) ([]Plan, error)
	Plan(ctx context.Context, a Actor, name string) (Plan, error)
	CreatePlan(ctx context.Context, a Actor, p Plan) (Plan, error)
	UpdatePlan(ctx context.Context, a Actor, name, version string, c PlanChange) (Plan, error)
	DeletePlan(ctx context.Context, a Actor, name string) error
	SetOrgPlan(ctx context.Context, a Actor, id OrgID, version int64, plan string) error
	SetOrgLimits(ctx context.Context, a Actor, id OrgID, version int64, c LimitChanges) error
	SetOrgProvider(ctx context.Context, a Actor, id OrgID, version int64, provider string) error
}
