package api

import (
	"strconv"

	"github.com/pizzaface/pizzeria/registry"
)

// Precondition is of a change that happens to what its caller has seen, or not at all (RFC 9110,
// section 13.1.1).
type Precondition struct {
	IfMatch string `header:"If-Match" doc:"the ETag that must still be current"`
}

// version is what must still be current, "" when there is no precondition. Error: CodeVersionConflict.
func (p Precondition) version() (string, error) {
	if p.IfMatch == "" || p.IfMatch == "*" {
		return "", nil
	}
	s, err := strconv.Unquote(p.IfMatch)
	if err != nil || s == "" || p.IfMatch[0] != '"' {
		return "", registry.Errorf(registry.CodeVersionConflict, "", "If-Match is not an ETag of this resource")
	}
	return s, nil
}
