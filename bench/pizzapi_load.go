package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// pizzapiPause is how long a person, and a runner, wait before they do something again.
const pizzapiPause = 200 * time.Millisecond

// load keeps orgs busy. In each of them a person opens the page, lists runners and uploads a small
// file, and a runner tells what it does, which goes through Redis.
func (b *pizzapiBench) load() error {
	end := time.Now().Add(b.lasts)
	took, failed := make([][]time.Duration, b.busy), make([]error, b.busy)
	var wg sync.WaitGroup
	for i := range b.busy {
		wg.Go(func() { took[i], failed[i] = b.work(slugOf(i), end) })
	}
	wg.Wait()
	var all []time.Duration
	for _, t := range took {
		all = append(all, t...)
	}
	if len(all) > 0 {
		fmt.Printf("busy: %d orgs, %.0f requests/s in all, p50 %s, p95 %s\n",
			b.busy, float64(len(all))/b.lasts.Seconds(), part(all, 50), part(all, 95))
	}
	return errors.Join(failed...)
}

// work is what one org's person and runner do until the end. It returns how long the requests took.
func (b *pizzapiBench) work(slug string, end time.Time) (took []time.Duration, err error) {
	at := b.url(slug)
	if code, text, err := b.do(b.client, "GET", at+"/", "", navigation); err != nil || code != http.StatusOK {
		return nil, fmt.Errorf("open %s: %d %.300s %w", slug, code, text, err)
	}
	key, err := b.key(b.client, slug)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- b.run(ctx, slug, key) }()
	same := map[string]string{"Origin": at, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/octet-stream"}
	file := strings.Repeat("x", 64<<10)
	for i := 0; time.Now().Before(end); i++ {
		began, code, text := time.Now(), 0, ""
		switch i % 3 {
		case 0:
			code, text, err = b.do(b.client, "GET", at+"/", "", navigation)
		case 1:
			code, text, err = b.do(b.client, "GET", at+"/api/runners", "", same)
		default:
			code, text, err = b.do(b.client, "POST", at+"/api/attachments", file, same)
		}
		if err != nil || code != http.StatusOK {
			return took, fmt.Errorf("%s: %d %.300s %w", slug, code, text, err)
		}
		took = append(took, time.Since(began))
		time.Sleep(pizzapiPause)
	}
	return took, <-ran
}

// run is a runner, which says its name again and again.
func (b *pizzapiBench) run(ctx context.Context, slug, key string) error {
	ws, err := b.runner(ctx, slug, key)
	if err == nil {
		defer func() { _ = ws.CloseNow() }()
		go answerPings(ctx, ws)
	}
	for i := 0; err == nil; i++ {
		if err = ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `42/runner,["register","build-%d"]`, i%2)); err == nil {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pizzapiPause):
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// runner connects a runner, a Socket.IO client over a WebSocket, and returns when it is registered.
func (b *pizzapiBench) runner(ctx context.Context, slug, key string) (*websocket.Conn, error) {
	tr := b.newClient(nil).Transport.(*http.Transport)
	tr.ForceAttemptHTTP2 = false
	ws, res, err := websocket.Dial(ctx, b.url(slug)+"/socket.io/?EIO=4&transport=websocket", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		if res != nil && res.Body != nil {
			_ = res.Body.Close()
		}
		return nil, err
	}
	for _, step := range []struct{ say, hear string }{
		{fmt.Sprintf(`40/runner,{"apiKey":%q}`, key), "40/runner,"},
		{`42/runner,0["register","build-0"]`, "43/runner,0"},
	} {
		err = ws.Write(ctx, websocket.MessageText, []byte(step.say))
		for text := []byte{}; err == nil && !strings.HasPrefix(string(text), step.hear); {
			if _, text, err = ws.Read(ctx); strings.HasPrefix(string(text), "44") {
				err = fmt.Errorf("a runner at %s: %s", slug, text)
			}
		}
		if err != nil {
			_ = ws.CloseNow()
			return nil, err
		}
	}
	return ws, nil
}

// answerPings keeps a connection alive until it ends.
func answerPings(ctx context.Context, ws *websocket.Conn) {
	for {
		_, text, err := ws.Read(ctx)
		if err == nil && string(text) == "2" {
			err = ws.Write(ctx, websocket.MessageText, []byte("3"))
		}
		if err != nil {
			return
		}
	}
}
