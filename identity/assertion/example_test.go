package assertion_test

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/pizzaface/pizzeria/identity/assertion"
)

// An app that greets the person who makes the request.
func Example() {
	verifier, err := assertion.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {}) // open: the host asks it
	mux.Handle("/", verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := assertion.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "Hello %s, %s of %s\n", c.Name, c.Role, c.OrgSlug)
	})))
	network, address := "tcp", os.Getenv("PIZZERIA_LISTEN")
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	l, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(l, mux)) //nolint:gosec // an example; set timeouts
}
