package identity

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// messages bounds the messages to webhooks that people ask for themselves, tests and replays, so that
// nobody floods somebody else's server in our name: of one org, and to one host no matter who asks.
type messages struct{ org, host *Limit }

func newMessages() messages {
	used := allowance{50 * time.Millisecond, 1000}
	return messages{
		org:  newLimit("messages", "org", "", allowance{30 * time.Second, 20}, used),
		host: newLimit("messages", limitTarget, "", allowance{10 * time.Second, 60}, used),
	}
}

// TakeMessage counts one message that somebody of an org asks for, and returns how to give it back.
// Error: CodeTooManyRequests.
func (s *Service) TakeMessage(
	ctx context.Context, org registry.OrgID, host string,
) (back func(), err error) {
	refused, back := s.take(ctx, []Bucket{
		{s.messages.org, string(org)}, {s.messages.host, keyOf(host)},
	})
	if refused != nil {
		return nil, registry.Errorf(registry.CodeTooManyRequests, "",
			"too many messages were asked for: wait a minute and try again")
	}
	return back, nil
}
