//go:build linux || darwin

package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// The test binary is its own app and sidecar.
func TestMain(m *testing.M) {
	switch os.Getenv("AGENT_TEST") {
	case "app":
		testApp()
	case "command":
		_ = os.Setenv("AGENT_TEST", "app") // what it starts
		os.Exit(Main("pizzeria-agent", os.Args[1:], os.Stdout, os.Stderr))
	case "":
		os.Exit(m.Run())
	}
}

// seen is what the app got.
type seen struct {
	Header http.Header
	Host   string
	URI    string
	Body   int64
}

// testApp is an app that does as many do: it listens at PORT, and knows nothing of Pizzeria.
func testApp() {
	for _, word := range os.Args[1:] {
		switch word {
		case "sidecar":
			testSidecar()
			return
		case "escape":
			c := exec.Command("setsid", "sh", "-c", `trap "" TERM HUP; while :; do sleep 1; done`)
			if err := c.Start(); err != nil {
				os.Exit(4)
			}
			fmt.Printf("child=%d\n", c.Process.Pid)
		case "print":
			fmt.Println("the password is " + os.Getenv("PASSWORD"))
			fmt.Fprintln(os.Stderr, "to stderr")
			fmt.Print("no newline")
		case "signals":
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGUSR1)
			go func() {
				for s := range c {
					fmt.Println("got", s)
				}
			}()
		case "fail":
			os.Exit(7)
		}
	}
	var sockets atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Trailer", "X-After")
		_ = json.NewEncoder(w).Encode(seen{r.Header, r.Host, r.RequestURI, n})
		w.Header().Set("X-After", "end")
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"degraded","version":"9","busy":true,"sessions":3}`)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "app_things 5")
	})
	mux.HandleFunc("GET /environment", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(os.Environ())
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /flood", func(w http.ResponseWriter, _ *http.Request) {
		for { // until nobody takes any more
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				fmt.Println("full")
				return
			}
		}
	})
	mux.HandleFunc("GET /hang", func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("hanging")
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		sockets.Add(1)
		defer sockets.Add(-1)
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, b) != nil {
				return
			}
		}
	})
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() { // as many do, it waits for its sockets
		<-end
		for sockets.Load() > 0 {
			time.Sleep(time.Millisecond) // a signal and a request come in no order
		}
		os.Exit(0)
	}()
	network, address := "tcp", os.Getenv("HOST")+":"+os.Getenv("PORT")
	if path, direct := strings.CutPrefix(os.Getenv("PIZZERIA_LISTEN"), "unix:"); direct {
		network, address = "unix", path
	}
	l, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	fmt.Println("listening")
	if err := http.Serve(l, mux); !errors.Is(err, http.ErrServerClosed) {
		os.Exit(5)
	}
}

// testSidecar says what happens to it.
func testSidecar() {
	fmt.Printf("sidecar=%d port=%s\n", os.Getpid(), os.Getenv("PORT"))
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
	// The app ends first.
	if c, err := net.Dial("tcp", "127.0.0.1:"+os.Getenv("PORT")); err == nil {
		_ = c.Close()
		fmt.Println("sidecar ends before the app")
		return
	}
	fmt.Println("sidecar ends")
}
