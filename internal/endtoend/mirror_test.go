package endtoend

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
)

// mirrored is what an instance received.
type mirrored struct {
	Method, URI, Host string
	Header            http.Header
	Env               []string
}

// mirror is an instance that answers with what it received, and sets the cookies of the query: this
// test's own binary.
func mirror() {
	ctx, stop, l := asInstance()
	defer stop()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // a test's
		w.Header().Set("Content-Type", "application/json")
		for _, cookie := range r.URL.Query()["set"] {
			w.Header().Add("Set-Cookie", cookie)
		}
		_ = json.NewEncoder(w).Encode(mirrored{r.Method, r.RequestURI, r.Host, r.Header, os.Environ()})
	})}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	_ = srv.Serve(l)
}

// mirrors makes the instances of an installation mirrors.
func mirrors(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "provider process {\n\t\t\tcommand " + self + " mirror\n\t\t}"
}
