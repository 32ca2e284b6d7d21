package registry

import (
	"cmp"
	"log/slog"
	"time"
)

// Actor is who does something. The zero Actor is nobody and is refused
// everywhere. Make one with AsUser, AsKey, AsOperator, AsVisitor or AsSystem.
type Actor struct {
	kind     ActorKind
	User     UserID
	Session  SessionID
	platform bool
	name     string
	address  string
	signIn   SignIn
	since    time.Time
	lent     bool // by an API token of the session
	review   bool // the account was recovered and not reviewed
	watches  bool
	live     bool // from a live session, which was read with epoch
	epoch    int64

	// Of an API key.
	key    APIKeyID
	scopes ScopeSet
	only   OrgID // the one org that it reaches
	role   Role  // in that org, of a service key
}

// ActorKind is the sort of an actor, for the audit log.
type ActorKind string

// The kinds of actors.
const (
	ActorUser     ActorKind = "user"     // signed in, or by a personal key
	ActorService  ActorKind = "service"  // a key of an org
	ActorOperator ActorKind = "operator" // at the admin socket
	ActorSystem   ActorKind = "system"   // a part of the product itself
	ActorVisitor  ActorKind = "visitor"  // not signed in
)

// AsUser is a signed-in user. A platform admin reaches every org's
// management, and no org's instance.
func AsUser(u User, sid SessionID, address string) Actor {
	return Actor{
		kind: ActorUser, User: u.ID, Session: sid, platform: u.PlatformAdmin, name: u.Email,
		address: address, review: !u.RecoveredAt.IsZero(),
	}
}

// AsSession is the user of a live session.
func AsSession(u User, s Session, address string) Actor {
	a := AsUser(u, s.ID, address)
	a.signIn, a.since, a.epoch = s.SignIn(), s.AuthTime, u.DeviceEpoch
	a.live = true
	return a
}

// Lent is a with an API token that its session made, for a program.
func (a Actor) Lent() Actor {
	a.lent = true
	return a
}

// AsOperator is whoever reaches the local admin socket.
func AsOperator() Actor { return Actor{kind: ActorOperator, platform: true, name: "operator"} }

// AsVisitor is somebody not signed in, who holds a secret of their own (a
// password, a one-time link); the store lets them do only what the secret is for.
func AsVisitor(address string) Actor {
	return Actor{kind: ActorVisitor, name: "visitor", address: address}
}

// AsSystem is a part of the product itself, named for the audit log. Never
// make one from a request.
func AsSystem(component string) Actor { return Actor{kind: ActorSystem, name: component} }

// Valid reports whether a is anybody at all.
func (a Actor) Valid() bool { return a.kind != "" }

// IsSystem reports whether a is a part of the product itself.
func (a Actor) IsSystem() bool { return a.kind == ActorSystem }

// IsUser reports whether a is a user, signed in or by a personal key.
func (a Actor) IsUser() bool { return a.kind == ActorUser }

// InPerson reports whether a is a signed-in user: for what no key may do.
func (a Actor) InPerson() bool { return a.kind == ActorUser && a.key == "" }

// MustReview reports whether a's account was recovered. Until the person has reviewed it, it does
// nothing else.
func (a Actor) MustReview() bool { return a.review }

// Epoch is the number that an account's live session was read with; it rises when its sessions end.
func (a Actor) Epoch() (n int64, ok bool) {
	return a.epoch, a.live
}

// Watching is a in what goes on by itself, such as a live page: that uses no session.
func (a Actor) Watching() Actor {
	a.watches = true
	return a
}

// Watches reports whether a is in what goes on by itself.
func (a Actor) Watches() bool { return a.watches }

// SignIn is how a signed-in user's session was made.
func (a Actor) SignIn() SignIn { return a.signIn }

// Since is when a signed-in user showed who they are; zero for anybody else.
func (a Actor) Since() time.Time { return a.since }

// Key is the API key that a came with, "" without one.
func (a Actor) Key() APIKeyID { return a.key }

// Has reports whether a's key, if it came with one, has a scope.
func (a Actor) Has(s Scope) bool { return a.key == "" || a.scopes.Has(s) || a.platform }

// Only is the one org that a's key reaches, "" for no such bound, and the role that the key itself has there.
func (a Actor) Only() (OrgID, Role) { return a.only, a.role }

// Platform reports whether a may do what platform admins may.
func (a Actor) Platform() bool { return a.platform }

// SeesAll reports whether a's reads are not limited to its own orgs.
func (a Actor) SeesAll() bool { return a.platform || a.kind == ActorSystem }

// Name is how the audit log calls a: an e-mail address, "operator", "visitor",
// or the component's name.
func (a Actor) Name() string { return a.name }

// Address is the client IP that a came from, when it came from one.
func (a Actor) Address() string { return a.address }

// Kind is the sort of actor, "" for nobody.
func (a Actor) Kind() ActorKind { return a.kind }

// LogValue implements slog.LogValuer.
func (a Actor) LogValue() slog.Value {
	return slog.StringValue(cmp.Or(string(a.kind), "nobody") + ":" + a.name)
}
