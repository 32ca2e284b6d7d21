package control

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const enrollTimeout = time.Minute

// What an agent may say is a variable: people put it into files and shells, where others than the
// app's own, such as LD_PRELOAD, lead to more.
var (
	variableName  = regexp.MustCompile(`^PIZZAPI_[A-Z0-9_]{1,56}$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9_.:/@+=-]+$`)
)

const (
	maxVariables = 16
	maxVariable  = 1024 // bytes of a value
)

// appEnroller lets runners of an app's own in.
type appEnroller struct {
	store  registry.Store
	agents interface {
		provision.Enroller
		Revoke(context.Context, provision.Ref, provision.Revocation) error
	}
	log *slog.Logger
}

// enroll gives a runner a key at the app, and returns its environment. Errors: CodeConflict when the
// org's instance has no such runners, CodeOverloaded when it does not answer, CodeGone when the
// runner or its owner may no longer.
func (e appEnroller) enroll(ctx context.Context, r registry.Runner) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, enrollTimeout)
	defer cancel()
	as := registry.AsSystem("enroll")
	w, err := e.store.WorkOn(ctx, as, r.OrgID)
	if err != nil {
		return nil, err
	}
	owner, err := e.store.User(ctx, as, r.EnrolledBy)
	if err != nil {
		return nil, err
	}
	ref := provision.Ref{OrgID: r.OrgID, Generation: w.Instance.Generation}
	env, err := e.agents.Enroll(ctx, ref, provision.Enrolment{
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
		e.log.Warn("enroll runner at app failed", "org", r.OrgID, "runner", r.ID, "error", err)
		return nil, registry.Errorf(registry.CodeOverloaded, "app",
			"the org's instance does not answer: try again with a new enrollment token")
	}
	if err := e.confirm(ctx, ref, r); err != nil {
		return nil, err
	}
	return env, nil
}

// confirm takes a new key back unless its runner and owner still may: the agent may have been told
// that they may not before the key was there.
func (e appEnroller) confirm(ctx context.Context, ref provision.Ref, r registry.Runner) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enrollTimeout)
	defer cancel()
	may, err := e.mayStill(ctx, r)
	if may {
		return nil
	}
	revoked := e.agents.Revoke(ctx, ref, provision.Revocation{
		Runners: []registry.RunnerID{r.ID}, GoneRunners: []registry.RunnerID{r.ID},
	})
	if revoked != nil {
		e.log.Warn("revoke new runner at app failed", "org", r.OrgID, "runner", r.ID, "error", revoked)
	}
	if err != nil {
		return err
	}
	return registry.Errorf(registry.CodeGone, "", "this runner was revoked, or its owner is no longer a member")
}

func (e appEnroller) mayStill(ctx context.Context, r registry.Runner) (bool, error) {
	as := registry.AsSystem("enroll")
	if _, err := e.store.Runner(ctx, as, r.OrgID, r.ID); err != nil {
		return false, unlessNotFound(err)
	}
	owner, err := e.store.User(ctx, as, r.EnrolledBy)
	if err != nil || owner.Disabled() {
		return false, unlessNotFound(err)
	}
	orgs, err := e.store.UserOrgs(ctx, as, r.EnrolledBy) // without memberships that are held
	return slices.ContainsFunc(orgs, func(v registry.OrgView) bool { return v.ID == r.OrgID }), unlessNotFound(err)
}

func unlessNotFound(err error) error {
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return nil
	}
	return err
}

func plausible(env map[string]string) bool {
	for name, value := range env {
		if !variableName.MatchString(name) || !variableValue.MatchString(value) || len(value) > maxVariable {
			return false
		}
	}
	return len(env) > 0 && len(env) <= maxVariables
}
