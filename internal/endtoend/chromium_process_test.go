package endtoend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is the one Chromium of all tests. It trusts the tests' authorities, and nothing else.
var browser chromiumProcess

type chromiumProcess struct {
	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // chromedp's handle of the browser
	err     error
	printed lockedBuffer
	end     []func()
}

// errNoBrowser is that Chromium, or what it takes to make it trust the tests, is not installed.
var errNoBrowser = errors.New("chromium and certutil (Debian: chromium, libnss3-tools) are not installed")

// start returns the browser. The first test that needs it starts it, and so does
// the next one after the browser has died.
func (c *chromiumProcess) start(t *testing.T) context.Context {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("chromium:\n%s", tail(c.printed.String(), 3000))
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && (c.ctx == nil || c.ctx.Err() != nil) {
		c.err = c.launch()
	}
	if errors.Is(c.err, errNoBrowser) {
		lacking(t, "browser", c.err.Error())
	}
	if c.err != nil {
		t.Fatalf("chromium: %v", c.err)
	}
	return c.ctx
}

func (c *chromiumProcess) launch() error {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	certutil, err := exec.LookPath("certutil")
	if program == "" || err != nil {
		return errNoBrowser
	}
	home, err := os.MkdirTemp("", "pzhome")
	if err != nil {
		return err
	}
	c.end = append(c.end, func() { _ = os.RemoveAll(home) })
	if err := trust(certutil, filepath.Join(home, ".pki/nssdb"), ours.certFile, elsewhere.certFile); err != nil {
		return err
	}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(program),
		chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(home, "profile")), chromedp.Env("HOME="+home),
		chromedp.WindowSize(1280, 800), chromedp.Flag("disable-dev-shm-usage", true),
		// Windows of other tests lie above: a page goes on all the same.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.CombinedOutput(&c.printed), chromedp.WSURLReadTimeout(2*time.Minute))
	ctx, stop := chromedp.NewContext(alloc)
	c.end = append(c.end, cancel, stop)
	c.ctx = ctx
	return chromedp.Do(ctx)
}

// trust makes Chromium's certificate database with these authorities in it.
func trust(certutil, db string, files ...string) error {
	if err := os.MkdirAll(db, 0o700); err != nil {
		return err
	}
	commands := [][]string{{"-N", "--empty-password"}}
	for _, file := range files {
		commands = append(commands, []string{"-A", "-t", "C,,", "-n", file, "-i", file})
	}
	for _, args := range commands {
		out, err := exec.Command(certutil, append([]string{"-d", "sql:" + db}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("certutil: %w: %s", err, out)
		}
	}
	return nil
}

// close ends the browser.
func (c *chromiumProcess) close() {
	for i := len(c.end) - 1; i >= 0; i-- {
		c.end[i]()
	}
}
