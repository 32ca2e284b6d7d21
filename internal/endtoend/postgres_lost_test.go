package endtoend

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// losesHistory fails over to a standby that has not received the last changes.
// It returns people whose access was revoked in those changes.
func (f *faults) losesHistory(next *postgrestest.Server) (revoked []*person) {
	t := f.t
	t.Helper()
	removed, out := f.member("late-removed"), f.member("late-out")
	must(t, next.Follow(f.primary))
	kept := len(f.written)
	must(t, f.primary.Await(`SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_flush_lsn()`))
	must(t, next.Detach())

	f.ada.call(t, "DELETE", f.url("")+"/api/v1/orgs/acme/members/late-removed@example.com", "", http.StatusOK, nil)
	f.ada.call(t, "DELETE", f.url("")+"/api/v1/users/late-out@example.com/sessions", "", http.StatusNoContent, nil)
	for range 3 {
		if !f.write() {
			t.Fatal("nothing can be changed before")
		}
	}
	f.eventually("both are refused", func() bool { return !f.served(removed) && !f.served(out) })
	heads := f.must("audit", "export")
	l := f.startRequests(f.ada, false, "globex")
	stop := f.refuse(removed, out)

	must(t, f.primary.Kill())
	f.primary = next
	must(t, next.Promote())
	f.eventually("managing works again", f.write)
	f.holds(f.written[:kept])
	var log struct {
		Items []struct{ Action, Detail string }
	}
	f.eventually("the loss is noted", func() bool {
		must(t, f.operator("/audit?action=store.history_lost", &log))
		return len(log.Items) > 0
	})
	if d := log.Items[0].Detail; !strings.Contains(d, "invite.created 3") || !strings.Contains(d, "; repeated: member.removed 1, session.revoked") {
		t.Errorf("the audit log says %s", d)
	}
	if out := f.out.String(); !strings.Contains(out, "change feed lost changes, starting over") {
		t.Error("the log says nothing of what was lost")
	}
	f.ada.call(t, "GET", f.url("")+"/api/v1/orgs/acme/members/late-removed@example.com", "", http.StatusNotFound, nil)
	f.must("audit", "verify")
	file := filepath.Join(f.dir, "before.jsonl")
	must(t, os.WriteFile(file, []byte(heads), 0o600))
	if out, err := f.cli("", "audit", "verify", "--against", file); err == nil {
		t.Errorf("the log is compared with what was lost: %s", out)
	} else {
		t.Logf("%s", out)
	}
	t.Logf("requests: %v", l.stop())
	stop()
	return []*person{removed, out}
}

// restarts starts the server again, which then knows only what the database has.
func (f *faults) restarts(revoked []*person) {
	f.t.Helper()
	f.stop()
	f.run()
	stop := f.refuse(revoked...)
	f.eventually("an org is served again", func() bool { return f.ada.status(f.url("acme")+"/") == http.StatusOK })
	stop()
}
