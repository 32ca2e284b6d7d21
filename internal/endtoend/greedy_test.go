package endtoend

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// greedy is an instance that says which run of it answers, until somebody asks it to attack: then it
// takes what it can of something, or answers health checks badly. It is this test's own binary.
func greedy() {
	ctx, stop, l := asInstance()
	defer stop()
	boot := registry.NewID()
	var health atomic.Pointer[http.HandlerFunc]
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if h := health.Load(); h != nil {
			(*h)(w, r)
		}
	})
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"org_slug":%q}`, os.Getenv("PIZZERIA_ORG_SLUG"))
	})
	mux.HandleFunc("GET /boot", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, boot) })
	mux.HandleFunc("GET /attack", func(_ http.ResponseWriter, r *http.Request) {
		what := r.URL.Query().Get("what")
		if h, ok := unhealthy[what]; ok {
			health.Store(&h)
			return
		}
		loops, _ := strconv.Atoi(r.URL.Query().Get("loops"))
		go func() { fmt.Println(what, "ended by:", attacks[what](loops)) }()
	})
	srv := &http.Server{Handler: mux} //nolint:gosec // a test's
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	_ = srv.Serve(l)
}

// errUnlimited ends an attack on a machine that does not hold it back.
var errUnlimited = errors.New("nothing")

// attacks take something until they are refused.
var attacks = map[string]func(size int) error{
	"processes": func(int) error {
		for range 5000 {
			if err := exec.Command("/bin/sleep", "1000").Start(); err != nil {
				return err
			}
		}
		return errUnlimited
	},
	"memory": func(int) error {
		var all [][]byte
		for range 4 << 10 {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
		runtime.KeepAlive(all)
		return errUnlimited
	},
	"files in memory": func(int) error {
		f, err := os.Create("/tmp/file")
		for n := 0; n < 4<<10 && err == nil; n++ {
			_, err = f.Write(make([]byte, 1<<20))
		}
		return cmp.Or(err, errUnlimited)
	},
	"descriptors": func(int) error {
		var all []*os.File
		for range 1 << 20 {
			f, err := os.Open("/dev/null")
			if err != nil {
				return err
			}
			all = append(all, f)
		}
		runtime.KeepAlive(all)
		return errUnlimited
	},
	"busy loops": func(loops int) error {
		for range loops {
			if err := exec.Command("/bin/sh", "-c", "while :; do :; done").Start(); err != nil {
				return err
			}
		}
		return nil
	},
}

// unhealthy are answers to health checks.
var unhealthy = map[string]http.HandlerFunc{
	"redirects": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	},
	"64 MiB of body": func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	},
	"64 MiB of header": func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for n := 0; n < 64 && err == nil; n++ {
			_, err = io.WriteString(c, strings.Repeat("A: "+strings.Repeat("a", 1021)+"\r\n", 1<<10))
		}
	},
	"drips": func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		for _, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nA: "); err == nil; _, err = io.WriteString(c, "a") {
			time.Sleep(100 * time.Millisecond) // that is what a drip is
		}
	},
}
