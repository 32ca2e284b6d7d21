package mail

import (
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestLostClaim: who was so slow to send a letter that another process has it now does not decide
// what becomes of it.
func TestLostClaim(t *testing.T) {
	sink := mailtest.New(t, false)
	f := newFixture(t, Config{
		Server: sink.Address, From: "no-reply@d.example", CAFile: sink.CAFile,
		Username: mailtest.Username, Password: mailtest.Password,
	})
	f.invite("a@example.com")
	claim := func() registry.Mail {
		t.Helper()
		list, err := f.store.ClaimMails(ctx, registry.AsSystem("test"), 10)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v %v", list, err)
		}
		return list[0]
	}
	slow := claim()
	f.clock.Add(registry.ClaimLife)
	other := claim()
	if err := f.s.deliver(ctx, &f.c, slow); err != nil || len(sink.Got()) != 1 {
		t.Errorf("%v, %d arrived", err, len(sink.Got()))
	}
	if !strings.Contains(f.log.String(), "mail result dropped") {
		t.Errorf("the log: %s", f.log)
	}
	if err := f.store.ReportMail(ctx, registry.AsSystem("test"), other, time.Time{}); err != nil {
		t.Errorf("the other one: %v", err)
	}
}
