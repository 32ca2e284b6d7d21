package webhook

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/egress"
)

// TestSign holds the example of Standard Webhooks 1.0.
func TestSign(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0),
		`{"test": 2432232314}`)
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
}

// TestPlain: why an address was not reached tells nothing of resolvers and networks inside.
func TestPlain(t *testing.T) {
	inside := "10.1.2.3"
	for want, err := range map[string]error{
		egress.ErrPrivate.Error(): &url.Error{Op: "Post", URL: inside,
			Err: fmt.Errorf("%w: %s", egress.ErrPrivate, inside)},
		"its name is not found": &url.Error{Op: "Post", URL: inside,
			Err: &net.DNSError{Name: inside, Server: inside}},
		"it did not answer in time": &url.Error{Op: "Post", URL: inside,
			Err: context.DeadlineExceeded},
		"it could not be reached, or its certificate does not hold": &url.Error{Op: "Post",
			URL: inside, Err: syscall.ECONNREFUSED},
	} {
		if got := plain(err); got.Error() != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
