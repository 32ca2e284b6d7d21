package registry

import (
	"context"
	"time"
)

// NodeReport is what one of several nodes tells the others. What is in it is theirs alone.
type NodeReport struct {
	Node   string
	At     time.Time // by the store's clock
	Counts []byte    // since its last report; kept for NodeReportLife
	State  []byte    // how it is; the next report replaces it
}

// NodeReportLife is how long reports are kept: as long as nodes remember what was counted.
const NodeReportLife = time.Hour

// NodeStore passes what nodes tell each other. That is no change of the registry: no feed entry.
type NodeStore interface {
	// ReportNode adds a report of a node, and gives it its time.
	ReportNode(ctx context.Context, a Actor, r NodeReport) error
	// NodeReports returns the reports of the other nodes after a time, oldest first.
	NodeReports(ctx context.Context, a Actor, node string, after time.Time) ([]NodeReport, error)
	// SessionUses returns what this process noted after a time of sessions in orgs that end them when
	// they are idle. UsedSession takes it in elsewhere.
	SessionUses(ctx context.Context, a Actor, after time.Time) ([]SessionUse, error)
}

// SessionUse says when a session was last used for an org.
type SessionUse struct {
	Session SessionID `json:"s"`
	Org     OrgID     `json:"o"`
	At      time.Time `json:"t"`
}

// Open is what gateways have open at a moment.
type Open struct {
	Orgs    map[OrgID]OpenOfOrg `json:"orgs,omitempty"`
	Streams map[SessionID]int   `json:"streams,omitempty"` // WebSockets and streams by session
}

// OpenOfOrg is what one org has open.
type OpenOfOrg struct {
	Requests   int `json:"r,omitempty"`
	WebSockets int `json:"w,omitempty"`
}
