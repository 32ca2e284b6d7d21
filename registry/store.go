package registry

import (
	"context"
	"crypto/cipher"
	"time"
)

// Store is the registry of one installation: everything that a backend implements, and that
// registry/storetest checks. Each part is declared beside its types. What uses the registry asks
// for the parts that it needs.
//
// Each method takes the actor that it acts for, and answers CodeNotFound for what the actor may not
// see. It is safe for concurrent use.
type Store interface {
	Database
	Management
	QuotaReader
	AccountStore
	RoleSetter
	RunnerEnroller
	SignInStore
	GrantStore
	KeyStore
	SetupStore
	InviteIssuer
	LinkStore
	DeviceStore
	ClientIssuer
	APIKeyIssuer
	FactorReader
	FactorStore
	LockoutStore
	RecoveryReader
	RecoveryStore
	ConnectionStore
	DomainVerifier
	SupportRequester
	ReturnReader
	ApprovalDecider
	SettingStore
	UsageStore
	DeliveryStore
	MailStore
	AuditStore
	EventReader
	RouteLister
	DraftStore
	InstallationStore
	InstanceStore
	InstanceTokenStore
	HeartbeatStore
	NodeStore
	RevocationStore
	Maintainer
	Leaser
	HistoryStore
	FeedSource
	FanOut
	RevocationSource
	RouteSource
}

// Management is what every surface for people offers: the API and the console.
type Management interface {
	Authorizer
	OrgReader
	OrgStore
	PlanStore
	MemberReader
	MemberRemover
	UserReader
	UserStore
	SessionStore
	InviteStore
	RunnerStore
	APIKeyStore
	ConnectionReader
	ConnectionRemover
	IdentityStore
	DomainReader
	DomainRemover
	SignInPolicyStore
	SupportStore
	ApprovalStore
	ClientReader
	ClientStore
	SettingReader
	UsageReader
	WebhookReader
	WebhookStore
	AuditReader
	IdempotencyStore
	Notifier
}

// Location is where a Store is kept.
type Location interface {
	// String names it for people, without a password, and tells it from others.
	String() string
	// Dir is the directory that one process alone may use for it, "" for none.
	Dir() string
	// Exists reports whether there is a database.
	Exists() (bool, error)
	// Open returns a Store that is away until its Connect: every method returns an error. It touches
	// nothing. now is the clock of the rules.
	Open(key SecretKey, now func() time.Time) (Store, error)
}

// SecretKey is the installation's secret key, which is not in the database.
type SecretKey interface {
	// Derive returns a key for one purpose.
	Derive(purpose string) [32]byte
	// Sealer encrypts and authenticates for one purpose.
	Sealer(purpose string) cipher.AEAD
}

// Clock is the time that all nodes of an installation agree on. A Store whose nodes may be on several
// machines is one; for others it is the machine's.
type Clock interface {
	Now() time.Time
	// Ahead is by how much it is ahead of the machine's clock.
	Ahead() time.Duration
}

// Notifier tells that something changed.
type Notifier interface {
	// Changed returns a channel that is closed at the next commit of this process, and of others where
	// the database tells. It only makes followers faster; they poll as well.
	Changed() <-chan struct{}
	// WokenBy returns what closed such a channel last.
	WokenBy() WakeSource
}

// WakeSource is why a follower reads the feed.
type WakeSource string

// The sources, each of which alone is enough.
const (
	WakeCommit WakeSource = "commit" // this process committed
	WakeNotify WakeSource = "notify" // the database told of a commit of another process
	WakeRedis  WakeSource = "redis"  // the other process told by Redis
	WakePoll   WakeSource = "poll"   // nothing did: it was time
)

// WakeSources returns all of them.
func WakeSources() []WakeSource {
	return []WakeSource{WakeCommit, WakeNotify, WakeRedis, WakePoll}
}

// FanOut lets processes tell each other of commits, beside what the database tells.
type FanOut interface {
	// Committed returns the number of the newest change that this process committed; 0: none.
	Committed() int64
	// Wake closes what Changed returned: another process has committed.
	Wake(by WakeSource)
}

// Database is what a Store is kept in.
type Database interface {
	// Connect opens or creates the database, for this process alone or as one of several nodes, and
	// migrates it. It may be called again after an error. ErrSchema: the database is of a newer version
	// of the program. ErrSealed: it was made with another secret key. ErrInUse: another process has it.
	Connect(ctx context.Context) error
	Ping(ctx context.Context) error
	Backup(ctx context.Context, a Actor, path string) (head AuditHead, err error)
	Close() error
	Reseal(ctx context.Context, a Actor, next SecretKey) (n int, err error)
}
