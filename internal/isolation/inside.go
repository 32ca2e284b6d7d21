package isolation

import (
	"slices"

	"github.com/pizzaface/pizzeria/internal/intruder"
)

// Inside is what an intruder found in an org's instance: a result for each kind of try.
func Inside(found []intruder.Finding) (out []Result) {
	for _, f := range found {
		i := slices.IndexFunc(out, func(r Result) bool { return r.Threat == f.Attack })
		if i < 0 {
			i = len(out)
			out = append(out, Result{Rows: []int{25}, Threat: f.Attack, Outcome: Held})
		}
		r := &out[i]
		r.Tries++
		if !f.Held() && r.Outcome == Held {
			r.Outcome, r.Detail = Broken, f.Target+": "+f.Got
		}
	}
	return out
}
