package registry

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEveryAuditFieldIsClassified: an action's target and detail, and a field of an entry, are said
// to be personal or not before they are used. Add a new action to auditPersonal, a new field here.
func TestEveryAuditFieldIsClassified(t *testing.T) {
	actions := AuditActions()
	for _, a := range actions {
		if _, ok := auditPersonal[a]; !ok {
			t.Errorf("%s: say in auditPersonal whether its target and detail are personal", a)
		}
	}
	for a := range maps.Keys(auditPersonal) {
		if !slices.Contains(actions, a) {
			t.Errorf("%s is no action of the audit log", a)
		}
	}
	public := []string{
		"seq", "at", "actor_kind", "actor_id", "action", "org_id", "subject_id", "format", "salts",
		"erased", "prev", "hash",
	}
	var e AuditEntry
	for i := range reflect.TypeFor[AuditEntry]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[AuditEntry]().Field(i).Tag.Get("json"), ",")
		personal := false
		for _, f := range e.personal() {
			personal = personal || f.Name == name
		}
		if personal == slices.Contains(public, name) {
			t.Errorf("the field %s of an entry: say whether it is personal", name)
		}
	}
	if p := AuditPersonalOf("new.kind"); !p.Target || !p.Detail {
		t.Errorf("what nobody classified is %+v", p)
	}
}

func auditEntry() AuditEntry {
	return AuditEntry{
		Seq: 7, At: time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC), ActorKind: "user",
		Actor: "ada@example.com", ActorID: "u1", Address: "192.0.2.1", Action: ChangeMemberAdded, OrgID: "o1",
		SubjectID: "u2", Target: "bob@example.com", Format: AuditCommitted,
		Salts: map[string]string{
			"actor": "AAAAAAAAAAAAAAAAAAAAAA", "address": "AQEBAQEBAQEBAQEBAQEBAQ",
			"target": "AgICAgICAgICAgICAgICAg",
		},
	}
}

// TestAuditHashIsStable: others compute it as the reference says. It never changes.
func TestAuditHashIsStable(t *testing.T) {
	e, prev := auditEntry(), strings.Repeat("0", 64)
	const committed = "78bceae62c5667b44bc9159599213fb8d712acd7a77f53801be28ab4226a4d91"
	if h, known, err := AuditHash(prev, e); h != committed || !known || err != nil {
		t.Error(h, known, err)
	}
	for _, name := range []string{"actor", "target", "actor", "detail"} { // again, and nothing
		if _, err := e.Erase(name); err != nil {
			t.Fatal(err)
		}
	}
	if h, _, err := AuditHash(prev, e); h != committed || err != nil {
		t.Errorf("erased: %s %v", h, err)
	}
	if e.Shown("actor") != "(erased)" || e.Shown("address") != "192.0.2.1" ||
		e.Shown("detail") != "" ||
		len(e.Erased) != 2 ||
		len(e.Salts) != 1 {
		t.Errorf("%+v", e)
	}
	old := auditEntry()
	old.Format = AuditPlain
	const plain = "7752ebf481c67624891a9401088305505ef4279b0998e51f3c8e36777731dcc4"
	if h, known, err := AuditHash(prev, old); h != plain || !known || err != nil {
		t.Error(h, known, err)
	}
	if _, err := old.Erase("actor"); err != nil {
		t.Fatal(err)
	}
	if h, known, err := AuditHash(prev, old); h != "" || known || err != nil {
		t.Error("the hash of an erased entry of the old format: ", h, known, err)
	}
}

// TestAuditHashIsUnambiguous: no two entries have the same lines, and no field of one passes for
// something else.
func TestAuditHashIsUnambiguous(t *testing.T) {
	base, _, err := AuditHash("", auditEntry())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*AuditEntry){
		"seq": func(e *AuditEntry) { e.Seq++ }, "at": func(e *AuditEntry) { e.At = e.At.Add(time.Microsecond) },
		"actor_kind": func(e *AuditEntry) { e.ActorKind = "system" },
		"actor":      func(e *AuditEntry) { e.Actor = "eve@example.com" },
		"actor_id":   func(e *AuditEntry) { e.ActorID = "" }, "address": func(e *AuditEntry) { e.Address = "::1" },
		"action": func(e *AuditEntry) { e.Action = ChangeMemberRemoved }, "org_id": func(e *AuditEntry) { e.OrgID = "" },
		"subject_id": func(e *AuditEntry) { e.SubjectID = "" }, "target": func(e *AuditEntry) { e.Target = "x" },
		"salt":      func(e *AuditEntry) { e.Salts["target"] = e.Salts["actor"] },
		"two lines": func(e *AuditEntry) { e.ActorKind, e.ActorID = "user\nu1", "" },
		"no salt":   func(e *AuditEntry) { delete(e.Salts, "actor") },
		"no value":  func(e *AuditEntry) { e.Actor = "" },
		"short salt": func(e *AuditEntry) {
			e.Salts["actor"] = "AAAA"
		},
		"there and erased": func(e *AuditEntry) { e.Erased = map[string]string{"actor": "x"} },
		"detail":           func(e *AuditEntry) { e.Detail, e.Salts["detail"] = "x", e.Salts["actor"] },
		"newer format":     func(e *AuditEntry) { e.Format = 3 },
	} {
		e := auditEntry()
		change(&e)
		if h, _, err := AuditHash("", e); h == base && err == nil {
			t.Errorf("%s changes nothing", name)
		}
	}
}

func TestParseAuditHead(t *testing.T) {
	hash := strings.Repeat("0123456789abcdef", 4)
	h, ok := ParseAuditHead("120:" + hash)
	if !ok || h.Seq != 120 || h.Hash != hash || h.String() != "120:"+hash {
		t.Errorf("%+v", h)
	}
	for _, text := range []string{
		"", "120", ":" + hash, "0:" + hash, "-1:" + hash, "120:" + hash[1:], "120:" + hash + "0",
		"120:" + strings.ToUpper(hash), " 120:" + hash, "99999999999999999999:" + hash,
	} {
		if h, ok := ParseAuditHead(text); ok {
			t.Errorf("%q is %+v", text, h)
		}
	}
}
