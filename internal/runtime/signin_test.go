package runtime_test

import (
	"net/http"
	"testing"

	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestOneSignInForAllOrgs: a person signs in once, and gets into each of their orgs without noticing;
// each org's instance learns who they are there and nothing else. Who signs out is out everywhere.
func TestOneSignInForAllOrgs(t *testing.T) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			oneSignIn(t, start(t, nil))
		})
	}
}

// starts are the ways to run an installation: in one Runtime, and with a gateway in its own.
var starts = map[string]func(testing.TB, func(*runtime.Tunables)) *servertest.Installation{
	"together": servertest.Start, "apart": servertest.StartApart,
}

func oneSignIn(t *testing.T, i *servertest.Installation) {
	ada := i.Admin()
	orgs := map[string]string{"acme": i.Org(ada, "acme"), "globex": i.Org(ada, "globex")}
	bob := i.Invite(ada, "acme", "bob@example.com", "member")
	for slug, id := range orgs {
		var me struct{ OrgID, Email, Role string }
		a := ada.Open(i.URL(slug) + "/whoami")
		if a.Decode(t, &me); a.Status != http.StatusOK || me.Email != "ada@example.com" || me.Role != "owner" {
			t.Errorf("%s: %d %+v, of %s", slug, a.Status, me, id)
		}
	}
	if a := bob.Open(i.URL("acme") + "/whoami"); a.Status != http.StatusOK {
		t.Errorf("a member: %d %s", a.Status, a.Body)
	}
	if a := bob.Open(i.URL("globex") + "/whoami"); a.Status != http.StatusForbidden {
		t.Errorf("a stranger: %d", a.Status)
	}
	if a := i.Person().Open(i.URL("acme") + "/whoami"); a.URL.Host != "d.example" || a.URL.Path != "/sign-in" {
		t.Errorf("nobody is at %s", a.URL)
	}
	ada.Submit(i.URL("")+"/sign-out", nil)
	i.Eventually("the sign-out is everywhere", func() bool {
		return ada.Fetched(i.URL("acme")+"/whoami") == http.StatusUnauthorized &&
			ada.Fetched(i.URL("globex")+"/whoami") == http.StatusUnauthorized
	})
}

// TestRestart: who is signed in stays so, and instances go on, when the server starts again.
func TestRestart(t *testing.T) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restart(t, start(t, nil))
		})
	}
}

func restart(t *testing.T, i *servertest.Installation) {
	ada := i.Admin()
	i.Org(ada, "acme")
	if a := ada.Open(i.URL("acme") + "/whoami"); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if err := i.Stop(); err != nil {
		t.Fatal(err)
	}
	i.Run()
	i.Active("acme")
	if a := ada.Fetched(i.URL("acme") + "/whoami"); a != http.StatusOK {
		t.Errorf("after the restart: %d", a)
	}
}
