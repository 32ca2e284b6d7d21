package registry

import "slices"

// transitions are the legal changes of a status, by what it is. Each status has one row.
type transitions[S comparable] []struct {
	from S
	to   []S
}

// all lists every status.
func (t transitions[S]) all() []S {
	out := make([]S, 0, len(t))
	for _, row := range t {
		out = append(out, row.from)
	}
	return out
}

func (t transitions[S]) allows(from, to S) bool {
	for _, row := range t {
		if row.from == from {
			return slices.Contains(row.to, to)
		}
	}
	return false
}
