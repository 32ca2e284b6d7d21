package registry

import (
	"context"
	"fmt"
	"math"
)

// Quota is what an org uses of what it may.
type Quota struct {
	Plan    string `json:"plan" doc:"name of the org's plan"`
	Defined bool   `json:"plan_defined" doc:"false: nobody defines a plan of this name, so it limits nothing"`

	Items []QuotaItem `json:"items" doc:"every limit, in the same order"`
}

// QuotaItem is one limit of an org, and what is used of it.
type QuotaItem struct {
	Name    LimitName `json:"name" enum:"requests_per_second,concurrency,websockets,body,members,runners,cpu,memory,pids,disk" doc:"what is limited"`
	Limit   *float64  `json:"limit,omitempty" doc:"absent: none"`
	Used    *float64  `json:"used,omitempty" doc:"absent: nobody counts it"`
	Percent *float64  `json:"percent,omitempty" doc:"of the limit; absent where it is none or 0"`
	Over    bool      `json:"over" doc:"more is used than the limit; nothing is taken away, and nothing added"`
	Own     bool      `json:"own,omitempty" doc:"the org's own limit, in place of its plan's"`

	Enforced bool `json:"enforced" doc:"false: there is no limit, or the provider of its instance does not hold it to this one"`
}

// QuotaLevel is how far an org's people are warned of a limit.
type QuotaLevel int

// The levels, in percent of the limit.
const (
	QuotaNone QuotaLevel = 0
	QuotaSoft QuotaLevel = 80
	QuotaHard QuotaLevel = 100
)

// QuotaSlack is how far the use must fall below a level, in percent of the limit, before reaching
// it again is worth another warning.
const QuotaSlack = 10

// Next is the level that follows on l at a use.
func (l QuotaLevel) Next(used, most float64) QuotaLevel {
	percent := 0.0
	switch {
	case most > 0:
		percent = 100 * used / most
	case used > 0:
		percent = 100
	}
	for _, level := range []QuotaLevel{QuotaHard, QuotaSoft} {
		reach := float64(level)
		if l >= level {
			reach -= QuotaSlack
		}
		if percent >= reach {
			return level
		}
	}
	return QuotaNone
}

// Refused says how an org's requests fare at the limits of the gateway.
type Refused int

// What there is to say of them.
const (
	RefusedSome Refused = iota // some are, or nobody knows
	RefusedLong                // some have been for a while
	RefusedNone                // none has been for a while
)

// RefusedRequests says it of every org. nil knows nothing.
type RefusedRequests func(OrgID) Refused

// Of is what there is to say of an org.
func (f RefusedRequests) Of(org OrgID) Refused {
	if f == nil {
		return RefusedSome
	}
	return f(org)
}

// QuotaWarning is that an org has reached a level of a limit.
type QuotaWarning struct {
	OrgID OrgID
	Slug  string
	Name  string // of the org
	Limit LimitName
	Level QuotaLevel
	Used  float64 // 0 of LimitRequests, of which refusals tell
	Most  float64
}

// Detail says it for the audit log.
func (w QuotaWarning) Detail() string {
	if w.Limit == LimitRequests {
		return "requests are refused"
	}
	return fmt.Sprintf("%.0f of %.0f", w.Used, w.Most)
}

// Use notes how much of the limit is used.
func (i *QuotaItem) Use(n float64) {
	i.Used, i.Percent, i.Over = &n, nil, false
	if i.Limit == nil {
		return
	}
	i.Over = n > *i.Limit
	if *i.Limit > 0 {
		percent := math.Round(100 * n / *i.Limit)
		i.Percent = &percent
	}
}

// Notes says what people should know of the limit.
func (i QuotaItem) Notes() (out []string) {
	if i.Own {
		out = append(out, "the org's own")
	}
	if i.Over {
		out = append(out, "over the limit")
	}
	if i.Limit != nil && !i.Enforced {
		out = append(out, "not enforced by this provider")
	}
	return out
}

// QuotaReader counts what an org uses of its limits.
type QuotaReader interface {
	Quota(ctx context.Context, a Actor, org OrgID) (Quota, error)
}
