package endtoend

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// signsIn fills in the form of a page to sign in.
func (b *tab) signsIn(email, then string) {
	b.s.t.Helper()
	b.fill(map[string]string{"email": email, "password": password})
	b.press("form.card button", then)
}

// at fails the test unless the tab comes to an address.
func (b *tab) at(want string) {
	b.s.t.Helper()
	b.s.eventually("the tab is at "+want, func() bool { return b.location() == want })
}

// TestFragmentInBrowser: what follows the # of a link is still there after every way to sign in.
func TestFragmentInBrowser(t *testing.T) {
	t.Parallel()
	s, ada := shared(t)
	link := s.url("acme") + "/notes?x=1#/list//2?sort=a%20b&c#d"
	b := s.chromium()
	b.visit(link)
	got := b.script(`return [...document.querySelectorAll("input[name=return]")]
		.filter(i => !i.value.endsWith(location.hash)).length`)
	if got != "0" || !strings.HasSuffix(b.location(), "#/list//2?sort=a%20b&c#d") {
		t.Errorf("at %s, %s forms lose the fragment", b.location(), got)
	}
	b.fill(map[string]string{"email": "ada@example.com", "password": "wrong password"})
	b.press("form.card button", "wrong")
	b.fill(map[string]string{"password": password})
	b.press("form.card button", "")
	b.at(link)

	b = b.other()
	b.visit(link)
	b.press(`a[href^="/sign-in/company"]`, "Sign in with your company")
	b.press(`a[href^="/sign-in?"]`, "Sign in to The acme org")
	b.signsIn("ada@example.com", "")
	b.at(link)

	eve := s.invite(ada, "acme", "eve-fragment@example.com", "member")
	code := eve.addApp("Phone")
	b = b.other()
	b.visit(link)
	b.signsIn("eve-fragment@example.com", "Code of your authenticator app")
	// The code of this half minute is used.
	b.fill(map[string]string{"code": code(time.Now().Add(30 * time.Second))})
	b.press("form.card button", "")
	b.at(link)
	b.quiet()
}

// TestTabsInBrowser: nine tabs wait for a sign-in, and all arrive; the way back leads forward.
func TestTabsInBrowser(t *testing.T) {
	t.Parallel()
	s, _ := shared(t)
	b := s.chromium()
	tabs := []*tab{b}
	for range 8 {
		tabs = append(tabs, b.open(b.ctx))
	}
	link := func(n int) string {
		return s.url("acme") + "/notes?tab=" + string(rune('1'+n)) + "#" + string(rune('a'+n))
	}
	for n, tab := range tabs {
		tab.visit(link(n))
		tab.shows("Sign in to The acme org")
	}
	for n, tab := range tabs {
		tab.signsIn("ada@example.com", "")
		tab.at(link(n))
	}
	b.script(`window.left = true`)
	b.do(chromedp.NavigateBack()) // to the page to sign in
	b.s.eventually("another page is there", func() bool {
		there, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!window.left`))
		return err == nil && there
	})
	b.at(link(0))
	b.quiet()
}

// TestLongDeepLink: a path of 8 KiB arrives, and of a longer address its path without the query.
func TestLongDeepLink(t *testing.T) {
	t.Parallel()
	s, _ := shared(t)
	long := s.url("acme") + "/notes?x=" + strings.Repeat("y", 8<<10-len("/notes?x="))
	for link, want := range map[string]string{
		long: long, long + strings.Repeat("z", 1<<10): s.url("acme") + "/notes",
	} {
		b := s.chromium()
		b.visit(link)
		b.signsIn("ada@example.com", "")
		b.at(want)
		b.quiet()
	}
}
