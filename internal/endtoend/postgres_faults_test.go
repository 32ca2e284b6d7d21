package endtoend

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// faults is one server over all that happens to its database.
type faults struct {
	*server
	ada, removed, signedOut *person
	primary                 *postgrestest.Server // that takes changes now

	written []string         // addresses whose invitations were acknowledged
	took    map[string]int64 // milliseconds until managing worked again
}

// TestPostgresFaults: the database crashes, stalls, is cut off, refuses, and fails over to a
// synchronous standby. Known orgs and valid sessions are served all the while without one failed
// request, nobody who was revoked is let in, and no acknowledged change is lost. Then it fails over
// to a standby that lost the last changes: the revocations among them stay in force, and everybody is
// told what was lost.
func TestPostgresFaults(t *testing.T) {
	t.Parallel()
	primary := postgrestest.Start(t, postgrestest.Options{})
	second, third := postgrestest.Place(t, postgrestest.Options{}), postgrestest.Place(t, postgrestest.Options{})
	network := postgrestest.NewProxy(t, primary)
	primary.Create(t, "pizzeria")
	url := fmt.Sprintf("postgres://postgres@/pizzeria?host=127.0.0.1,%s,%s&port=%d,5432,5432"+
		"&target_session_attrs=read-write&sslmode=disable&connect_timeout=5", second.Host(), third.Host(), network.Port())
	s := startWith(t, "store postgres {env.DATABASE_URL}\ndata_dir ./data", "org_gateway", "DATABASE_URL="+url)
	f := &faults{server: s, ada: s.admin(), primary: primary, took: map[string]int64{}}
	f.org(f.ada, "acme")
	f.org(f.ada, "globex")
	f.removed, f.signedOut = f.member("removed"), f.member("out")
	f.ada.call(t, "DELETE", f.url("")+"/api/v1/orgs/acme/members/removed@example.com", "", http.StatusOK, nil)
	f.ada.call(t, "DELETE", f.url("")+"/api/v1/users/out@example.com/sessions", "", http.StatusNoContent, nil)
	f.eventually("both are refused", func() bool { return !f.served(f.removed) && !f.served(f.signedOut) })
	must(t, second.Follow(primary))
	must(t, primary.Synchronous())

	l := f.startLoad(f.ada, false, "acme", "globex")
	stop := f.refuse(f.removed, f.signedOut)
	f.fault("crash", primary.Kill, 0, primary.Boot)
	f.fault("stall", primary.Stall, 10*time.Second, primary.Continue)
	f.fault("partition", none(network.Part), 12*time.Second, none(network.Forward))
	f.fault("delay", none(network.Stall), 3*time.Second, none(network.Forward))
	f.fault("refusal", none(network.Refuse), 0, none(network.Forward))
	f.fault("cut", none(network.Cut), 0, none(network.Forward))
	f.fault("synchronous failover", primary.Kill, 0, func() error { f.primary = second; return second.Promote() })
	scale.Keep(t, map[string]any{"load": l.stop(), "acknowledged": len(f.written), "managing_works_after_ms": f.took})
	revoked := f.losesHistory(third)
	stop()
	f.restarts(revoked)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func none(f func()) func() error { return func() error { f(); return nil } }

// member makes somebody a member of acme, and opens it as them.
func (f *faults) member(name string) *person {
	f.t.Helper()
	p := f.invite(f.ada, "acme", name+"@example.com", "member")
	if a := p.open(f.url("acme") + "/"); a.status != http.StatusOK {
		f.t.Fatalf("%s: %d %s", name, a.status, a.body)
	}
	return p
}

// served reports whether an org session is honoured.
func (f *faults) served(p *person) bool {
	return p.fetch("GET", f.url("acme")+"/whoami", "").status == http.StatusOK
}

// refuse asks as people whose access was revoked, until its result is called.
func (f *faults) refuse(people ...*person) (stop func()) {
	var wg sync.WaitGroup
	end := make(chan struct{})
	for _, p := range people {
		wg.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				if a := p.fetch("GET", f.url("acme")+"/whoami", ""); a.status < 400 {
					f.t.Errorf("who was revoked is let in: %d %s", a.status, a.body)
					return
				}
				select {
				case <-end:
					return
				case <-tick.C:
				}
			}
		})
	}
	return func() { close(end); wg.Wait() }
}

// write makes a change, and reports whether it was acknowledged.
func (f *faults) write() bool {
	f.t.Helper()
	email := fmt.Sprintf("w%d@example.com", len(f.written))
	a := f.ada.fetch("POST", f.url("")+"/api/v1/orgs/acme/invites", fmt.Sprintf(`{"email":%q,"role":"member"}`, email))
	switch a.status {
	case http.StatusCreated:
		f.written = append(f.written, email)
	case http.StatusServiceUnavailable:
	case http.StatusConflict: // an attempt that was not acknowledged took effect
		f.written = append(f.written, email)
		return false
	default:
		f.t.Errorf("a change while the database is in trouble: %d %s", a.status, a.body)
	}
	return a.status == http.StatusCreated
}

// fault lets something happen to the database, and puts it right after a while: as soon as the server
// has noticed, where that is 0.
func (f *faults) fault(name string, begin func() error, lasts time.Duration, end func() error) {
	f.t.Helper()
	bystander := f.member(strings.ReplaceAll(name, " ", "-"))
	if !f.write() {
		f.t.Fatalf("%s: nothing can be changed before", name)
	}
	must(f.t, begin())
	over := time.After(lasts)
	revoked := make(chan int, 1)
	go func() { // ends below
		revoked <- f.ada.fetch("DELETE", f.url("")+"/api/v1/orgs/acme/members/"+
			strings.ReplaceAll(name, " ", "-")+"@example.com", "").status
	}()
	if lasts > 0 {
		<-over
	} else if status := <-revoked; status != http.StatusServiceUnavailable && name != "cut" {
		f.t.Errorf("%s: a revocation meanwhile: %d", name, status)
	} else {
		revoked <- status
	}
	must(f.t, end())
	began := time.Now()
	f.eventually(name+" is over", f.write)
	f.took[name] = time.Since(began).Milliseconds()
	switch status := <-revoked; status {
	case http.StatusOK:
		f.eventually(name+": who was removed is refused", func() bool { return !f.served(bystander) })
	case http.StatusServiceUnavailable:
	default:
		f.t.Errorf("%s: a revocation meanwhile: %d", name, status)
	}
	f.holds(f.written)
}

// holds checks that the database has what was acknowledged.
func (f *faults) holds(written []string) {
	f.t.Helper()
	db, err := sql.Open("pgx", f.primary.URL("pizzeria"))
	must(f.t, err)
	defer func() { _ = db.Close() }()
	has := map[string]bool{}
	var email string
	postgrestest.Each(f.t, db, `SELECT email FROM links`, func() { has[email] = true }, &email)
	for _, w := range written {
		if !has[w] {
			f.t.Errorf("%s was acknowledged and is lost", w)
		}
	}
}
