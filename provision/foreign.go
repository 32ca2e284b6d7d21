package provision

import "log/slog"

// foreign are the instances of other installations, each of which is logged once.
type foreign struct {
	log  *slog.Logger
	said map[Found]bool
}

// leave returns what is this installation's among all that was seen.
func (f *foreign) leave(found []Found) (own []Found) {
	now := map[Found]bool{}
	for _, s := range found {
		if s.Foreign == "" {
			own = append(own, s)
			continue
		}
		now[s] = true
		if !f.said[s] {
			f.log.Error("instance of another installation left alone", "provider", s.Provider,
				"org", s.OrgID, "generation", s.Generation, "installation", s.Foreign,
				"address", s.Address)
		}
	}
	f.said = now
	return own
}
