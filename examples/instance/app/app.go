// Package app is the sample instance: a notebook that an org's members share.
//
// It shows what an app behind Pizzeria does: listen where it is told, answer
// the health path, check the assertion of every request by itself, keep its
// files in its own directory, and stop on SIGTERM.
package app

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
	_ "modernc.org/sqlite" // driver

	"github.com/pizzaface/pizzeria/identity/assertion"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// Main runs the app until SIGTERM.
func Main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "instance:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	check, err := assertion.FromEnv()
	if err != nil {
		return err
	}
	a, err := New(ctx, check, os.Getenv)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	network, address := "tcp", os.Getenv("PIZZERIA_LISTEN")
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(end)
	}()
	fmt.Printf("listening on %s\n", os.Getenv("PIZZERIA_LISTEN"))
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// App serves one org.
type App struct {
	http.Handler
	db    *sql.DB
	ctx   context.Context //nolint:containedctx // the process's life, ends streams on shutdown
	check *assertion.Verifier

	slug, url, console, prefix string
}

// New makes an App that lives until ctx is done, with the environment of an instance.
func New(ctx context.Context, check *assertion.Verifier, env func(string) string) (*App, error) {
	file := filepath.Join(env("PIZZERIA_DATA_DIR"), "notes.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL)`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	a := &App{
		db: db, ctx: ctx, slug: env("PIZZERIA_ORG_SLUG"), url: env("PIZZERIA_PUBLIC_URL"),
		console: env("PIZZERIA_ISSUER"), prefix: env("PIZZERIA_PREFIX"), check: check,
	}
	a.Handler = a.routes()
	return a, nil
}

// Close closes the database.
func (a *App) Close() error { return a.db.Close() }

func (a *App) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /{$}", a.signedIn(a.home))
	mux.HandleFunc("GET /whoami", a.signedIn(a.whoami))
	mux.HandleFunc("GET /notes", a.signedIn(a.list))
	mux.HandleFunc("POST /notes", a.signedIn(a.add))
	mux.HandleFunc("GET /echo", a.signedIn(a.echo))
	mux.HandleFunc("GET /ticks", a.signedIn(a.ticks))
	mux.HandleFunc("POST /size", a.signedIn(a.size))
	return mux
}

// signedIn lets a request through only with a good assertion of this org.
func (a *App) signedIn(h func(http.ResponseWriter, *http.Request, assertion.Claims)) http.HandlerFunc {
	return a.check.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := assertion.FromContext(r.Context())
		h(w, r, c)
	})).ServeHTTP
}

type note struct {
	ID     int64  `json:"id"`
	Author string `json:"author"`
	Text   string `json:"text"`
	At     string `json:"at"`
}

func (a *App) notes(ctx context.Context) ([]note, error) {
	rows, err := a.db.QueryContext(ctx, `SELECT id, author, text, at FROM notes ORDER BY id DESC LIMIT 100`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := []note{}
	for rows.Next() {
		var n note
		if err := rows.Scan(&n.ID, &n.Author, &n.Text, &n.At); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

func (a *App) home(w http.ResponseWriter, r *http.Request, c assertion.Claims) {
	notes, err := a.notes(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; form-action 'self'")
	_ = page.Execute(w, map[string]any{"Claims": c, "Slug": a.slug, "Notes": notes, "Console": a.console, "Prefix": a.prefix})
}

func (a *App) whoami(w http.ResponseWriter, r *http.Request, c assertion.Claims) {
	reply(w, map[string]any{"org_id": c.OrgID, "org_slug": a.slug, "email": c.Email, "name": c.Name, "role": c.Role, "sub": c.Subject, "headers": r.Header, "host": r.Host})
}

func (a *App) list(w http.ResponseWriter, r *http.Request, _ assertion.Claims) {
	notes, err := a.notes(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, notes)
}

func (a *App) add(w http.ResponseWriter, r *http.Request, c assertion.Claims) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	text := strings.TrimSpace(r.FormValue("text"))
	if text == "" || len(text) > 4000 {
		http.Error(w, "write a note of 1 to 4000 characters", http.StatusBadRequest)
		return
	}
	if _, err := a.db.ExecContext(r.Context(), `INSERT INTO notes (author, text, at) VALUES (?, ?, ?)`, c.Name, text, time.Now().UTC().Format(time.RFC3339)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// echo sends every WebSocket message back.
func (a *App) echo(w http.ResponseWriter, r *http.Request, _ assertion.Claims) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{strings.TrimPrefix(a.url, "https://")}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), kind, b); err != nil {
			return
		}
	}
}

// ticks streams the time, four times a second, as server-sent events.
func (a *App) ticks(w http.ResponseWriter, r *http.Request, _ assertion.Claims) {
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := fmt.Fprintf(w, "data: %s\n\n", time.Now().UTC().Format(time.RFC3339Nano)); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-a.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// size reads an upload and says how long it was.
func (a *App) size(w http.ResponseWriter, r *http.Request, _ assertion.Claims) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, map[string]any{"bytes": n, "trailer": r.Trailer})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v)
}
