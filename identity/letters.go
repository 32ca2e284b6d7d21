package identity

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// letters bounds how many letters people may have us send, so that nobody is flooded in our name:
// of one org, of one org to one address, and to one address whoever asks. The last limit is nobody's
// business: it delays letters, then withholds them, and answers as if they were sent.
type letters struct{ org, pair, total *Limit }

const (
	lettersAtOnce  = 10 // to one address
	lettersDelayed = 24 // more of them wait, for up to twelve hours
	lettersEvery   = 30 * time.Minute
)

func newLetters() letters {
	limit := func(reason string, every time.Duration, burst int, used allowance) *Limit {
		return newLimit("letters", reason, "", allowance{every, burst}, used)
	}
	all := allowance{100 * time.Millisecond, 1000}
	some := allowance{time.Second, 1000}
	return letters{
		org:   limit("org", 2*time.Minute, 300, all),
		pair:  limit("org_address", 2*time.Hour, 5, some),
		total: limit(limitTarget, lettersEvery, lettersAtOnce+lettersDelayed, some),
	}
}

// takeLetter counts one letter to a clean address in the name of an org. Error:
// CodeTooManyRequests.
func (s *Service) takeLetter(ctx context.Context, org registry.OrgID, address string) error {
	l := s.letters
	refused, _ := s.take(ctx, []Bucket{
		{l.org, string(org)}, {l.pair, keyOf(string(org) + " " + address)},
	})
	switch refused {
	case nil:
		return nil
	case l.org:
		return registry.Errorf(registry.CodeTooManyRequests, "email",
			"this org has invited very many people: try again in an hour")
	}
	return registry.Errorf(registry.CodeTooManyRequests, "email",
		"%s got several invitations already: try again in two hours", address)
}

// pace counts one letter to a clean address, whoever has it sent. It returns when the letter may go,
// zero for now, or that it has to be withheld.
func (s *Service) pace(ctx context.Context, address string) (after time.Time, withheld bool) {
	to := Bucket{s.letters.total, keyOf(address)}
	if refused, _ := s.take(ctx, []Bucket{to}); refused != nil {
		return time.Time{}, true
	}
	if late := lettersDelayed - s.left(ctx, to); late > 0 {
		return s.now().Add(time.Duration(late * float64(lettersEvery))), false
	}
	return time.Time{}, false
}

// paced is a letter to an address that somebody typed, as it may be sent.
func (s *Service) paced(ctx context.Context, to string, l Letter) Letter {
	l.After, l.Withheld = s.pace(ctx, to)
	if l.Withheld {
		s.log.Info("mail withheld, its address gets too many", "kind", l.Kind)
		if s.Limited != nil {
			s.Limited(limitsMail, limitTarget)
		}
	}
	return l
}
