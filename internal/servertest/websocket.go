package servertest

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// Dial opens the echo of an org with what the person has: cookies, or a token. An origin of "" is
// that of no page.
func (p *Person) Dial(org, origin string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	ws, res, err := websocket.Dial(ctx, org+"/echo", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: p.Client.Transport, Jar: p.Client.Jar},
		HTTPHeader: header,
	})
	if err != nil && res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	return ws, err
}

// Echo sends a message to an org's echo and waits for it to come back.
func Echo(ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
		return err
	}
	_, _, err := ws.Read(ctx)
	return err
}

// Ending is the code with which the other side closes a WebSocket; 0 when it does not, or says
// nothing.
func Ending(ws *websocket.Conn) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _, err := ws.Read(ctx)
	return max(0, int(websocket.CloseStatus(err)))
}
