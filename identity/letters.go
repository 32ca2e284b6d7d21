package identity

import (
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// letters bounds how many letters people may have us send, so that nobody is flooded in our name:
// of one org, of one org to one address, and to one address whoever asks. The last limit is nobody's
// business: it delays letters, then withholds them, and answers as if they were sent.
type letters struct {
	mu    sync.Mutex
	org   *buckets[registry.OrgID]
	pair  *buckets[letterKey]
	total *buckets[accountKey]
}

type letterKey struct {
	org registry.OrgID
	to  accountKey
}

const (
	lettersAtOnce  = 10 // to one address
	lettersDelayed = 24 // more of them wait, for up to twelve hours
	lettersEvery   = 30 * time.Minute
)

func newLetters() *letters {
	most := allowance{100 * time.Millisecond, 1000} // of letters in all
	return &letters{
		org:   newBuckets[registry.OrgID](allowance{2 * time.Minute, 300}, most),
		pair:  newBuckets[letterKey](allowance{2 * time.Hour, 5}, allowance{time.Second, 1000}),
		total: newBuckets[accountKey](allowance{lettersEvery, lettersAtOnce + lettersDelayed}, allowance{time.Second, 1000}),
	}
}

// take counts one letter to a clean address in the name of an org. Error: CodeTooManyRequests.
func (l *letters) take(now time.Time, org registry.OrgID, address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	pair := letterKey{org, keyOf(address)}
	if !l.org.has(now, org) {
		return registry.Errorf(registry.CodeTooManyRequests, "email", "this org has invited very many people: try again in an hour")
	}
	if !l.pair.has(now, pair) {
		return registry.Errorf(registry.CodeTooManyRequests, "email", "%s got several invitations already: try again in two hours", address)
	}
	l.org.take(now, org)
	l.pair.take(now, pair)
	return nil
}

// pace counts one letter to a clean address, whoever has it sent. It returns when the letter may go,
// zero for now, or that it has to be withheld.
func (l *letters) pace(now time.Time, address string) (after time.Time, withheld bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := keyOf(address)
	left := l.total.left(now, to)
	if left < 1 {
		return time.Time{}, true
	}
	l.total.take(now, to)
	if late := lettersDelayed + 1 - left; late > 0 {
		return now.Add(time.Duration(late * float64(lettersEvery))), false
	}
	return time.Time{}, false
}

// paced is a letter to an address that somebody typed, as it may be sent.
func (s *Service) paced(to string, l Letter) Letter {
	l.After, l.Withheld = s.letters.pace(s.now(), to)
	if l.Withheld {
		s.log.Info("mail withheld, its address gets too many", "kind", l.Kind)
		if s.Limited != nil {
			s.Limited(limitsMail, limitTarget)
		}
	}
	return l
}
