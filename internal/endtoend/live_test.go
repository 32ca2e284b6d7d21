package endtoend

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// stays marks the page that is loaded; check fails once another one is in its place.
func (b *tab) stays() (check func()) {
	b.s.t.Helper()
	b.script(`window.stays = true`)
	return func() {
		b.s.t.Helper()
		if b.script(`return window.stays`) != "true" {
			b.s.t.Error("the page was loaded again")
		}
	}
}

// until waits for a script to return "true".
func (b *tab) until(what, js string) {
	b.s.t.Helper()
	b.s.eventually(what, func() bool { return b.script(js) == "true" })
}

const (
	healed      = `return document.getElementById("connection").textContent == ""`
	unpaid      = `{"reason":"Unpaid since May"}`
	stateSays   = `return document.getElementById("state").innerText.includes(`
	actionsSays = `return document.getElementById("actions").innerText.includes(`
)

// TestBrowserLive watches live pages while others change what they show.
func TestBrowserLive(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	id := s.org(admin, "acme")
	s.org(admin, "globex")
	s.invite(admin, "acme", "mia@example.com", "member")
	console := s.url("")
	suspend := func() {
		t.Helper()
		admin.call(t, "POST", console+"/api/v1/orgs/acme/suspend", unpaid, 200, nil)
	}
	resume := func() {
		t.Helper()
		admin.call(t, "POST", console+"/api/v1/orgs/acme/resume", "", 200, nil)
		s.active("acme")
	}
	ada := s.chromium()
	ada.signIn("ada@example.com")
	acme := func() {
		t.Helper()
		ada.visit(console + "/orgs/acme")
		ada.until("acme is active", stateSays+`"Active")`)
	}

	t.Run("Update", func(t *testing.T) {
		acme()
		ada.weigh("acme")
		check := ada.stays()
		suspend()
		ada.until("the state changes", stateSays+`"Unpaid since May")`)
		ada.until("the actions change", actionsSays+`"Resume org")`)
		resume()
		ada.until("the state changes back", stateSays+`"Active")`)
		ada.until("the actions change back", actionsSays+`"Suspend org")`)
		check()
	})

	t.Run("Overview", func(t *testing.T) {
		ada.visit(console + "/platform")
		check := ada.stays()
		suspended := `const number = document.querySelector('#totals [href$="suspended"] .number');
			return number.textContent == `
		ada.until("nothing is suspended", suspended+"0")
		suspend()
		ada.until("one org is suspended", suspended+"1")
		check()
		resume()
	})

	// What somebody is using waits, and only that.
	t.Run("OpenForm", func(t *testing.T) {
		acme()
		check := ada.stays()
		ada.do(chromedp.Click(".act summary"))
		ada.fill(map[string]string{"reason": "Moved away"})
		suspend()
		ada.until("the state changes", stateSays+`"Unpaid since May")`)
		form := `const i = document.getElementById("reason"); return [i.value, i.closest("details").open]`
		if got := ada.script(form); got != "Moved away,true" {
			t.Errorf("the form holds %s", got)
		}
		if got := ada.script(`return document.activeElement.id`); got != "reason" {
			t.Errorf("the focus is on %q", got)
		}
		ada.script(`document.activeElement.blur()`)
		resume() // a second update also leaves the open form alone
		ada.until("the state changes back", stateSays+`"Active")`)
		suspend()
		ada.until("the state changes again", stateSays+`"Unpaid since May")`)
		if got := ada.script(form); got != "Moved away,true" {
			t.Errorf("the form holds %s", got)
		}
		// The pointer moves away too: a button under it also holds the actions.
		ada.do(chromedp.Click(".act summary"), chromedp.MouseEvent("mouseMoved", 5, 5))
		ada.until("the actions catch up", actionsSays+`"Resume org")`)
		check()
		resume()
	})

	t.Run("Field", func(t *testing.T) {
		acme()
		check := ada.stays()
		// No page has a field in the open yet; one that comes must not lose what is typed.
		ada.script(`
			const field = document.createElement("input");
			field.id = "field";
			document.getElementById("state").append(field)`)
		ada.do(chromedp.SendKeys("#field", "half a wo"))
		suspend()
		ada.until("the actions change", actionsSays+`"Resume org")`)
		ada.do(chromedp.SendKeys("#field", "rd"))
		if got := ada.script(`return document.activeElement.value`); got != "half a word" {
			t.Errorf("the field holds %q", got)
		}
		ada.script(`document.activeElement.blur()`)
		ada.until("the state catches up", stateSays+`"Unpaid since May")`)
		check()
		resume()
	})

	t.Run("Selection", func(t *testing.T) {
		acme()
		check := ada.stays()
		ada.script(`getSelection().selectAllChildren(document.querySelector("#state code"))`)
		suspend()
		ada.until("the actions change", actionsSays+`"Resume org")`)
		if got := ada.script(`return getSelection().toString()`); got != id {
			t.Errorf("the selection is %q", got)
		}
		if ada.script(stateSays+`"Active")`) != "true" {
			t.Error("the state does not wait")
		}
		ada.script(`getSelection().removeAllRanges()`)
		ada.until("the state catches up", stateSays+`"Unpaid since May")`)
		check()
		resume()
	})

	t.Run("Pointer", func(t *testing.T) {
		acme()
		check := ada.stays()
		at := strings.Split(ada.script(`
			const r = document.querySelector('form[action$="/restart"] button').getBoundingClientRect();
			return [r.left + r.width / 2, r.top + r.height / 2].map(Math.round)`), ",")
		x, _ := strconv.ParseFloat(at[0], 64)
		y, err := strconv.ParseFloat(at[1], 64)
		if err != nil {
			t.Fatal(at)
		}
		ada.do(chromedp.MouseEvent("mouseMoved", x, y))
		suspend()
		ada.until("the state changes", stateSays+`"Unpaid since May")`)
		under := ada.script(`return document.elementFromPoint(` + at[0] + `, ` + at[1] + `).textContent`)
		if under != "Restart server" {
			t.Errorf("under the pointer is now %q", under)
		}
		ada.do(chromedp.MouseEvent("mouseMoved", 5, 5))
		ada.until("the actions catch up", actionsSays+`"Resume org")`)
		check()
		resume()
	})

	t.Run("Focus", func(t *testing.T) {
		acme()
		check := ada.stays()
		ada.do(chromedp.EmulateViewport(1280, 400))
		// A line above the link comes and goes: the link stays in focus, and in its place.
		where := ada.script(`
			window.a = document.querySelector("#state dd a");
			scrollTo(0, 150);
			a.focus({ preventScroll: true });
			return a.getBoundingClientRect().top`)
		same := func(when string) {
			t.Helper()
			got := ada.script(`
				await new Promise(ok => requestAnimationFrame(() => requestAnimationFrame(ok)));
				return [a.isConnected && document.activeElement === a, a.getBoundingClientRect().top]`)
			if got != "true,"+where {
				t.Errorf("%s the link is (in focus, at) %s, and was at %s", when, got, where)
			}
		}
		suspend()
		ada.until("the state changes", stateSays+`"Unpaid since May")`)
		same("suspended,")
		resume()
		ada.until("the state changes back", stateSays+`"Active")`)
		same("active again,")
		// What was in focus is gone: the keyboard goes on from the same part of the page.
		ada.do(chromedp.Focus("#open"))
		suspend()
		ada.until("the state changes", stateSays+`"Unpaid since May")`)
		if got := ada.script(`return document.activeElement.id`); got != "state" {
			t.Errorf("the focus is on %q", got)
		}
		ada.do(chromedp.EmulateViewport(1280, 800))
		check()
		resume()
	})

	t.Run("Log", func(t *testing.T) {
		ada.visit(console + "/orgs/acme/instance")
		ada.shows("Running")
		check := ada.stays()
		suspend()
		badge := `return document.querySelector("#server .badge").innerText.includes(`
		ada.until("the badge changes", badge+`"Stopped")`)
		resume()
		ada.until("the badge changes back", badge+`"Running")`)
		ada.until("the log shows both starts", `
			const log = document.querySelector("[data-follow]");
			return log.textContent.split("listening on").length > 2`)
		check()
	})

	t.Run("Hidden", func(t *testing.T) {
		acme()
		check := ada.stays()
		other := ada.open(ada.ctx)
		other.visit(console + "/orgs/acme")
		other.until("acme is active", stateSays+`"Active")`)
		// Without a screen, every tab counts as visible: the page is told otherwise.
		hide := func(hidden string) {
			ada.script(`
				Object.defineProperty(document, "hidden", { configurable: true, value: ` + hidden + ` });
				document.dispatchEvent(new Event("visibilitychange"))`)
		}
		hide("true")
		suspend()
		other.until("the tab that is seen changes", stateSays+`"Unpaid since May")`)
		if ada.script(stateSays+`"Active")`) != "true" {
			t.Error("the hidden tab holds a connection")
		}
		hide("false")
		ada.until("the state catches up", stateSays+`"Unpaid since May")`)
		resume()
		ada.until("it stays current", stateSays+`"Active")`)
		check()
		other.quiet()
	})

	t.Run("Back", func(t *testing.T) {
		acme()
		ada.visit(console + "/account")
		suspend()
		// chromedp.NavigateBack waits for a load, which a page from the browser's cache may not have.
		ada.script(`setTimeout(() => history.back()); return ""`)
		ada.shows("Unpaid since May")
		ada.until("the state is current", stateSays+`"Unpaid since May")`)
		resume()
		ada.until("it stays current", stateSays+`"Active")`)
	})

	t.Run("Lost", func(t *testing.T) {
		acme()
		check := ada.stays()
		s.stop()
		ada.shows("Connection lost. Reconnecting…")
		s.run()
		ada.until("the page heals", healed)
		suspend()
		ada.until("the state changes", stateSays+`"Unpaid since May")`)
		check()
		resume()
		ada.mu.Lock()
		ada.bad = nil // it complains of the connection, as it should
		ada.mu.Unlock()
	})

	t.Run("Stalled", func(t *testing.T) {
		acme()
		check := ada.stays()
		if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }() // also when the test fails
		ada.shows("Connection lost. Reconnecting…")
		if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		ada.until("the page heals", healed)
		check()
	})

	t.Run("SignedOut", func(t *testing.T) {
		mia := ada.other()
		mia.signIn("mia@example.com")
		for _, path := range []string{"/orgs/acme", "/orgs/acme/instance"} {
			mia.visit(console + path)
			mia.shows("eneration") // with a capital on one of the two pages
			second := mia.open(mia.ctx)
			second.visit(console + "/account")
			second.do(chromedp.Click("#account summary"))
			second.press(`form[action="/sign-out"] button`, "You are signed out")
			s.eventually("the page leads to the sign-in", func() bool {
				return strings.HasPrefix(mia.location(), console+"/sign-in?return=")
			})
			mia.fill(map[string]string{"email": "mia@example.com", "password": password})
			mia.press("form.card button", "acme")
			if got := mia.location(); got != console+path {
				t.Errorf("after sign-in: %s", got)
			}
		}
		admin.call(t, "DELETE", console+"/api/v1/orgs/acme/members/mia@example.com", "", 200, nil)
		mia.shows("not a member of it")
	})
	ada.quiet()
}

// TestBrowserWithoutScript changes an org in a browser that runs no script.
func TestBrowserWithoutScript(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.org(s.admin(), "acme")
	ada := s.chromium()
	ada.signIn("ada@example.com")
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	if _, err := chromedp.Call(ada.ctx, emulation.SetScriptExecutionDisabled, off); err != nil {
		t.Fatal(err)
	}
	ada.visit(s.url("") + "/orgs/acme")
	ada.shows("Active")
	copies := `return getComputedStyle(document.querySelector("[data-copy]")).display`
	if got := ada.script(copies); got != "none" {
		t.Errorf("a button that does nothing is there: display %s", got)
	}
	ada.do(chromedp.Click(".act summary"))
	ada.fill(map[string]string{"reason": "Unpaid since May"})
	ada.press("details.act button", "Suspended")
	ada.press(`form[action$="/resume"] button`, "Restart server")
	ada.visit(s.url("") + "/platform")
	ada.shows("Capacity")
	ada.visit(s.url("") + "/orgs/acme/instance")
	ada.shows("newest 200 lines")
	ada.quiet()
}
