package pizzapi

import (
	"bufio"
	"bytes"
	_ "embed"
	"io"
	"mime"
	"net/http"
	"strings"
)

const (
	workerPath = "/sw.js" // PizzaPi's own worker is there, too: this one takes its place
	scriptPath = "/pizzeria-agent.js"
	// headWithin is how far into a page its <head> is looked for, in bytes.
	headWithin = 16 << 10
)

//go:embed web/worker.js
var worker string

//go:embed web/agent.js
var script string

// serveFile answers for the agent's own files.
func (a *App) serveFile(w http.ResponseWriter, r *http.Request, raw string) bool {
	var text string
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return false
	case raw == workerPath:
		text = worker
	case raw == scriptPath:
		text = strings.ReplaceAll(script, "{prefix}", a.prefix)
	default:
		return false
	}
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, text)
	return true
}

// addScript adds the agent's script to a page. PizzaPi's policy allows scripts of its own origin.
func addScript(res *http.Response) {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind != "text/html" || res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != "" {
		return
	}
	body := bufio.NewReaderSize(res.Body, headWithin)
	begin, _ := body.Peek(headWithin)
	at := afterHead(begin)
	if at < 0 {
		res.Body = page{body, res.Body}
		return
	}
	tag := []byte(`<script src="` + scriptPath + `"></script>`)
	first := append(append(make([]byte, 0, at+len(tag)), begin[:at]...), tag...)
	_, _ = body.Discard(at)
	res.Body = page{io.MultiReader(bytes.NewReader(first), body), res.Body}
	res.Header.Del("Content-Length")
	res.ContentLength = -1
	res.Header.Del("Etag")
	res.Header.Del("Last-Modified")
}

// afterHead returns where the content of <head> begins, or -1.
func afterHead(b []byte) int {
	at := bytes.Index(bytes.ToLower(b), []byte("<head"))
	if at < 0 {
		return -1
	}
	end := bytes.IndexByte(b[at:], '>')
	if end < 0 {
		return -1
	}
	return at + end + 1
}

type page struct {
	io.Reader
	io.Closer
}
