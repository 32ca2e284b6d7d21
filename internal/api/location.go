package api

import (
	"context"
	"net/url"
	"slices"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// Located is the header of an answer 201: where what was created is read (RFC 9110, section 10.2.2).
type Located struct {
	Location string `header:"Location" doc:"Path of what was created"`
}

// at is the path of something below /api/v1, as the caller reaches it.
func at(ctx context.Context, parts ...string) Located {
	path := web.Base(ctx) + prefix
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return Located{path}
}

// inside is at for something of an org, or with "" of the platform.
func inside(ctx context.Context, org registry.OrgID, parts ...string) Located {
	if org != "" {
		parts = append([]string{"orgs", string(org)}, parts...)
	}
	return at(ctx, parts...)
}

// pick finds one of a list that is short by its bounds. Error: CodeNotFound.
func pick[T any](what string, list []T, err error, is func(T) bool) (found T, _ error) {
	if err != nil {
		return found, err
	}
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return found, registry.Errorf(registry.CodeNotFound, "", "no such %s", what)
	}
	return list[i], nil
}
