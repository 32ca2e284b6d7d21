package identity

import (
	"context"
	"strconv"

	"github.com/pizzaface/pizzeria/registry"
)

// limitWords are what people call what an org is warned of.
var limitWords = map[registry.LimitName]string{
	registry.LimitMembers:  "members",
	registry.LimitRunners:  "runners",
	registry.LimitRequests: "requests",
}

// TellQuota mails an org's owners and admins that it has reached a level of a limit.
func (s *Service) TellQuota(ctx context.Context, w registry.QuotaWarning) {
	if !s.mails() {
		return
	}
	admins, err := s.store.Admins(ctx, registry.AsSystem("quotas"), w.OrgID)
	if err != nil {
		s.log.Warn("a mail is not queued", "kind", LetterQuota, "error", err)
		return
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for _, m := range admins {
		s.notify(ctx, m.Email, Letter{
			Kind: LetterQuota, Name: m.Name, Org: w.Name, Limit: limitWords[w.Limit],
			Used: number(w.Used), Most: number(w.Most), Full: w.Level == registry.QuotaHard,
			Refused: w.Limit == registry.LimitRequests, Link: s.site().Issuer + "/orgs/" + w.Slug,
		})
	}
}
