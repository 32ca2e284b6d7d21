package runtime_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestLostHistory: when the database is as it was some changes ago, the loss is counted and noted,
// who was removed is removed again, and the plans of the config come back.
func TestLostHistory(t *testing.T) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lostHistory(t, start(t, func(now *runtime.Tunables) {
				now.Plans = []registry.Plan{{Name: "team"}}
			}))
		})
	}
}

func lostHistory(t *testing.T, i *servertest.Installation) {
	ada := i.Admin()
	i.Org(ada, "acme")
	bob := i.Invite(ada, "acme", "bob@example.com", "member")
	if a := bob.Open(i.URL("acme") + "/whoami"); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	servertest.SQL(t, i.Dir, `CREATE TABLE kept AS SELECT * FROM memberships`)
	i.Must("DELETE", "/orgs/acme/members/bob@example.com", "")
	i.Eventually("bob is refused", func() bool {
		return bob.Fetched(i.URL("acme")+"/whoami") != http.StatusOK
	})
	i.Org(ada, "later") // is active: the control plane knows of the removal, too
	servertest.SQL(t, i.Dir, `BEGIN IMMEDIATE;
		DELETE FROM feed WHERE seq >= (SELECT seq FROM feed WHERE kind = 'member.removed');
		UPDATE feed_head SET seq = (SELECT max(seq) FROM feed);
		INSERT INTO memberships SELECT * FROM kept WHERE true ON CONFLICT DO NOTHING;
		DELETE FROM member_versions;
		DELETE FROM plans;
		DROP TABLE kept;
		COMMIT`)

	var log struct{ Items []struct{ Detail string } }
	i.Eventually("the loss is noted", func() bool {
		if a := bob.Fetched(i.URL("acme") + "/whoami"); a == http.StatusOK {
			t.Fatal("who was removed is let in")
		}
		a := i.Must("GET", "/audit?action=store.history_lost", "")
		return json.Unmarshal([]byte(a.Body), &log) == nil && len(log.Items) == 1
	})
	if d := log.Items[0].Detail; !strings.HasSuffix(d, "; repeated: member.removed 1") {
		t.Errorf("the audit log says %s", d)
	}
	if a := i.Operator("GET", "/orgs/acme/members/bob@example.com", ""); a.Status != http.StatusNotFound {
		t.Errorf("who was removed is a member: %d %s", a.Status, a.Body)
	}
	if lost, _ := i.Metric("pizzeria_lost_changes_total", nil); lost < 1 {
		t.Errorf("%v changes were lost", lost)
	}
	i.Eventually("the plan is back", func() bool {
		return i.Operator("GET", "/plans/team", "").Status == http.StatusOK
	})
	if !strings.Contains(i.Log.String(), "change feed lost changes, starting over") {
		t.Error("the log says nothing of it")
	}
}
