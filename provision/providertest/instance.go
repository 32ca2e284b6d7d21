package providertest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pizzaface/pizzeria/registry"
)

// Variables that make the test instance misbehave.
const (
	FailAtOnce = "PROVIDERTEST_FAIL"     // it ends with exit code 3 before it listens
	Stubborn   = "PROVIDERTEST_STUBBORN" // it ignores SIGTERM
	Child      = "PROVIDERTEST_CHILD"    // it starts a child in its process group that ignores SIGTERM
)

// Instance is the test instance: whatever a provider runs in these tests must
// call it. It answers /healthz, says who it is at /boot, keeps a file at /file, and
// shows the keys of assertions at /keys.
func Instance() {
	if os.Getenv(FailAtOnce) != "" {
		_, _ = os.Stderr.WriteString("the test instance fails as it was told\n")
		os.Exit(3)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if os.Getenv(Stubborn) != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	child := 0
	if os.Getenv(Child) != "" {
		c := exec.Command("/bin/sh", "-c", `trap "" TERM; while :; do sleep 1; done`)
		if err := c.Start(); err != nil {
			os.Exit(4)
		}
		child = c.Process.Pid
	}
	network, address := "tcp", os.Getenv("PIZZERIA_LISTEN")
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	l, err := net.Listen(network, address)
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(5)
	}
	boot := Boot{ID: registry.NewID(), PID: os.Getpid(), Child: child, Env: os.Environ()}
	_, _ = os.Stdout.WriteString("booted " + boot.ID + "\n")
	keys := os.Getenv("PIZZERIA_JWKS_FILE")
	file := filepath.Join(os.Getenv("PIZZERIA_DATA_DIR"), "file")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /boot", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(boot) })
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, keys) })
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("POST /file", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /crash", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	srv := &http.Server{Handler: mux}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	_ = srv.Serve(l)
}

// Boot is what one run of the test instance says of itself.
type Boot struct {
	ID         string
	PID, Child int
	Env        []string
}
