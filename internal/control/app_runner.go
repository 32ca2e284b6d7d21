package control

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const enrollTimeout = 15 * time.Second

// What an agent may say is a variable: people put it into files and shells.
var (
	variableName  = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9_.:/@+=-]+$`)
)

const (
	maxVariables = 16
	maxVariable  = 1024 // bytes of a value
)

// enrollAtApp gives a runner of an app's own a key there, and returns its environment. Errors:
// CodeConflict when the org's instance has no such runners, CodeOverloaded when it does not answer.
func (c *Control) enrollAtApp(ctx context.Context, r registry.Runner) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, enrollTimeout)
	defer cancel()
	as := registry.AsSystem("enroll")
	w, err := c.store.WorkOn(ctx, as, r.OrgID)
	if err != nil {
		return nil, err
	}
	owner, err := c.store.User(ctx, as, r.EnrolledBy)
	if err != nil {
		return nil, err
	}
	env, err := c.agents.Enroll(ctx, provision.Ref{OrgID: r.OrgID, Generation: w.Instance.Generation}, provision.Enrolment{
		ID: r.ID, Name: r.Name, Expires: r.ExpiresAt,
		Owner: provision.Owner{ID: owner.ID, Name: owner.Name, Email: owner.Email},
	})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil, registry.Errorf(registry.CodeConflict, "app",
			"this org's instance has no runners of %s: its provider needs `profile %s`", r.App, r.App)
	case err == nil && !plausible(env):
		err = errors.New("its variables are none")
		fallthrough
	case err != nil:
		c.Log.Warn("enroll runner at app failed", "org", r.OrgID, "runner", r.ID, "error", err)
		return nil, registry.Errorf(registry.CodeOverloaded, "app",
			"the org's instance does not answer: try again with a new enrollment token")
	}
	return env, nil
}

func plausible(env map[string]string) bool {
	for name, value := range env {
		if !variableName.MatchString(name) || !variableValue.MatchString(value) || len(value) > maxVariable {
			return false
		}
	}
	return len(env) > 0 && len(env) <= maxVariables
}
