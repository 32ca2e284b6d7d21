package servertest

import (
	"log/slog"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// runGateway runs a gateway alone. It verifies sessions by public keys. Its assertions are the
// installation's, since instances know no others: the test reads that ring from the database.
func (i *Installation) runGateway() *runtime.Runtime {
	i.Helper()
	key, err := identity.LoadMasterKey(i.secretKey())
	if err != nil {
		i.Fatal(err)
	}
	store, err := sqlite.Open(i.Context(), i.database(), key, time.Now)
	if err != nil {
		i.Fatal(err)
	}
	i.Cleanup(func() { _ = store.Close() })
	assertions := token.NewRing(token.RingAssertion, store, key, time.Now, nil)
	site := func() token.Site { return i.tunables.Site }
	admitted, dismiss := i.runtime.Admit()
	i.Cleanup(dismiss)
	g := runtime.New(runtime.Config{
		DataDir: i.Dir + "-gateway", Routes: 1000, Log: slog.New(slog.NewTextHandler(i.Log, nil)),
		Elsewhere: &runtime.Elsewhere{
			Origin: admitted, Tokens: token.NewNode(admitted, assertions, site, time.Now),
			Seal: key.Sealer("a gateway apart"),
		},
	})
	if err := g.Attach(i.Context(), i, i.tunables); err != nil {
		i.Fatal(err)
	}
	return g
}
