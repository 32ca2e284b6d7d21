package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// TestOwnersAtTwoNodes: two owners who remove each other at the same moment, each at another node,
// leave one of them.
func TestOwnersAtTwoNodes(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	nodes := []*postgres.Store{
		openNode(t, url, "a", time.Now), openNode(t, url, "b", time.Now),
	}
	signedIn := func(u registry.User) registry.Actor {
		now := time.Now()
		s := registry.Session{ID: registry.SessionID(registry.NewID()), AuthTime: now, CreatedAt: now}
		return registry.AsSession(u, s, "127.0.0.1")
	}
	ada, err := nodes[0].CreateUser(t.Context(), operator, registry.NewUser{
		Email: "ada@example.com", Name: "Ada", PasswordHash: "hash",
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		org, err := nodes[0].CreateOrg(t.Context(), operator, registry.NewOrg{
			Slug: fmt.Sprint("race-", i), Owner: ada.ID,
		})
		if err != nil {
			t.Fatal(err)
		}
		link := registry.Hash(sha256.Sum256([]byte(org.ID)))
		if _, err := nodes[0].CreateInvite(t.Context(), signedIn(ada), org.ID,
			fmt.Sprintf("bob%d@example.com", i), registry.RoleOwner, link); err != nil {
			t.Fatal(err)
		}
		bob, _, err := nodes[1].AcceptInviteAsNew(
			t.Context(), registry.AsVisitor(""), link, "Bob", "hash")
		if err != nil {
			t.Fatal(err)
		}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for n, pair := range [][2]registry.User{{ada, bob}, {bob, ada}} {
			wg.Go(func() {
				<-start
				_, _ = nodes[n].RemoveMember(
					t.Context(), signedIn(pair[0]), org.ID, pair[1].ID, registry.MemberRemoval{})
			})
		}
		close(start)
		wg.Wait()
		left, err := nodes[i%2].Members(t.Context(), operator, org.ID, registry.List{})
		if err != nil || len(left.Items) != 1 || left.Items[0].Role != registry.RoleOwner {
			t.Fatalf("round %d: %+v %v", i, left.Items, err)
		}
	}
}
