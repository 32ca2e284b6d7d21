package endtoend

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// required reports whether PIZZERIA_TEST_REQUIRE says that a real part must be there.
func required(part string) bool {
	for p := range strings.SplitSeq(os.Getenv("PIZZERIA_TEST_REQUIRE"), ",") {
		if p == part {
			return true
		}
	}
	return false
}

// lacking skips a test for want of a real part, or fails it where the part is required.
func lacking(t *testing.T, part, why string) {
	t.Helper()
	if required(part) {
		t.Fatalf("PIZZERIA_TEST_REQUIRE names %s: %s", part, why)
	}
	t.Skipf("%s (this test needs: %s)", why, part)
}

// tab is a page in a real Chromium that trusts the server's CA, and nothing else.
type tab struct {
	s   *server
	ctx context.Context //nolint:containedctx // chromedp's handle of the tab
	mu  sync.Mutex
	bad []string // what the browser complained of
}

// chromium opens the browser of one person, with a window, cookies and a cache of its own.
func (s *server) chromium() *tab {
	s.t.Helper()
	b := &tab{s: s}
	return b.open(browser.start(s.t), chromedp.WithNewBrowserContext())
}

func (b *tab) open(parent context.Context, opts ...chromedp.ContextOption) *tab {
	n := &tab{s: b.s}
	ctx, cancel := chromedp.NewContext(parent, opts...)
	n.s.t.Cleanup(cancel)
	n.ctx = ctx
	if err := chromedp.Do(ctx); err != nil {
		n.s.t.Fatalf("chromium: %v", err)
	}
	go func() { // ends with the tab
		for m := range chromedp.Console(ctx) {
			if level := fmt.Sprint(m.Type); level == "error" || level == "warning" {
				n.mu.Lock()
				n.bad = append(n.bad, m.Text)
				n.mu.Unlock()
			}
		}
	}()
	return n
}

// other is another person's browser: nothing is shared but the process.
func (b *tab) other() *tab { b.s.t.Helper(); return b.s.chromium() }

// do runs steps, within a minute.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.s.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.s.t.Fatalf("at %s: %v\n%s", b.location(), err, tail(b.text(), 1000))
	}
}

func get[T any](b *tab, a chromedp.Action[T]) T {
	b.s.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.s.t.Fatalf("%v", err)
	}
	return v
}

func (b *tab) location() string {
	v, _ := chromedp.Run(b.ctx, chromedp.Location())
	return v
}

func (b *tab) text() string {
	v, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	return v
}

// script runs a promise in the page and returns what it gives, or "" when it fails.
func (b *tab) script(js string) string {
	b.s.t.Helper()
	return get(b, chromedp.Evaluate[string](`(async () => { try { return String(await (async () => {`+js+`})()) } catch (e) { return "failed: " + e } })()`, chromedp.EvalAwaitPromise))
}

func (b *tab) visit(target string) { b.s.t.Helper(); b.do(chromedp.Navigate(target)) }

func (b *tab) fill(fields map[string]string) {
	b.s.t.Helper()
	for id, v := range fields {
		b.do(chromedp.WaitVisible("#" + id))
		b.script(`document.getElementById("` + id + `").value = ""`)
		b.do(chromedp.SendKeys("#"+id, v))
	}
}

// press clicks what leads to another page, and waits until that page shows text.
func (b *tab) press(selector, then string) {
	b.s.t.Helper()
	b.do(chromedp.WaitVisible(selector))
	b.script(`window.left = true`)
	b.do(chromedp.Click(selector))
	b.s.eventually("the next page is there", func() bool {
		there, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!window.left && document.readyState == "complete"`))
		return err == nil && there
	})
	b.shows(then)
}

// leap goes back or forward to an address. Chromium may restore the page from memory, which loads
// nothing that chromedp's own actions could wait for.
func (b *tab) leap(way, to string) {
	b.s.t.Helper()
	b.script(`setTimeout(() => history.` + way + `())`)
	b.s.eventually(way+" leads to "+to, func() bool {
		there, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.readyState == "complete"`))
		return err == nil && there && b.location() == to
	})
}

func (b *tab) shows(text string) {
	b.s.t.Helper()
	deadline := time.Now().Add(patience)
	for !strings.Contains(b.text(), text) {
		if time.Now().After(deadline) {
			b.s.t.Fatalf("%s never showed %q but\n%s", b.location(), text, tail(b.text(), 2000))
		}
		b.do(chromedp.Sleep(20 * time.Millisecond))
	}
}

// shot keeps the page's picture, in both themes, where CI collects them; and
// refuses a page that scrolls sideways, or has the current one of its links out of view.
func (b *tab) shot(name string) {
	b.s.t.Helper()
	for _, width := range []int64{380, 2560} {
		b.do(chromedp.EmulateViewport(width, 800))
		if over := get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); over > 0 {
			b.s.t.Errorf("%s: %d px too wide at %d px", name, over, width)
		}
		b.s.eventually(name+" shows where it is", func() bool {
			return get(b, chromedp.Evaluate[bool](`[...document.querySelectorAll("nav [aria-current]")].every(link => {
				const a = link.getBoundingClientRect(), b = link.parentNode.getBoundingClientRect();
				return a.left >= b.left - 1 && a.right <= b.right + 1;
			})`))
		})
	}
	b.do(chromedp.EmulateViewport(1280, 800))
	dir := os.Getenv("PIZZERIA_TEST_OUTPUT")
	if dir == "" {
		dir = b.s.t.TempDir()
	}
	for _, theme := range []string{"dark", "light"} {
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}); err != nil {
			b.s.t.Fatal(err)
		}
		b.accessible(name + " in " + theme)
		picture := get(b, chromedp.CaptureScreenshot())
		if err := os.WriteFile(filepath.Join(dir, name+"-"+theme+".png"), picture, 0o600); err != nil {
			b.s.t.Fatal(err)
		}
	}
}

// keepsWords refuses a page whose tables, on a phone, go on within a short word in another line.
func (b *tab) keepsWords(name string) {
	b.s.t.Helper()
	b.do(chromedp.EmulateViewport(380, 800))
	defer b.do(chromedp.EmulateViewport(1280, 800))
	broken := get(b, chromedp.Evaluate[string](`(() => {
		const broken = [], range = document.createRange();
		for (const cell of document.querySelectorAll("th, td")) {
			const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
			for (let text; text = texts.nextNode();) {
				if (text.parentNode.closest(".sr")) continue;
				for (const word of text.data.matchAll(/(?<!\S)[A-Za-z]{2,10}(?!\S)/g)) {
					range.setStart(text, word.index);
					range.setEnd(text, word.index + word[0].length);
					const lines = new Set([...range.getClientRects()].map(line => line.top));
					if (lines.size > 1) broken.push(word[0]);
				}
			}
		}
		return broken.join(" ");
	})()`))
	if broken != "" {
		b.s.t.Errorf("%s: broken words: %s", name, broken)
	}
}

// accessible runs axe-core on the page: no violation of WCAG 2.2 AA or of good practice.
func (b *tab) accessible(name string) {
	b.s.t.Helper()
	path := os.Getenv("PIZZERIA_AXE")
	if path == "" {
		if required("axe") {
			b.s.t.Fatal("PIZZERIA_AXE does not name axe.min.js, of npm's axe-core")
		}
		return
	}
	source, err := os.ReadFile(path)
	if err != nil {
		b.s.t.Fatal(err)
	}
	if !get(b, chromedp.Evaluate[bool](string(source)+"; true")) {
		b.s.t.Fatal("axe-core does not load")
	}
	if got := b.script(`
		const r = await axe.run(document, { resultTypes: ["violations"] });
		return r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ") + " " + n.failureSummary.replace(/\s+/g, " ")).join("; ")).join("\n")`); got != "" {
		b.s.t.Errorf("%s: axe says\n%s", name, got)
	}
}

// quiet fails the test for every complaint of the browser, such as a breach of the
// content security policy; expected answers with an error status are none.
func (b *tab) quiet() {
	b.s.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.bad {
		if !strings.Contains(m, "status of 4") && !strings.Contains(m, "status of 5") {
			b.s.t.Errorf("the browser says: %s", m)
		}
	}
	b.bad = nil
}
