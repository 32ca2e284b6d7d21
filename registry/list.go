package registry

import "time"

// List says which part of a list is asked for. The zero List is its first page in the usual order.
type List struct {
	Limit  int    // items of a page, 1 to MaxPage; 0 = DefaultPage
	Cursor string // Page.Next of the page before; "" = from the start
	Sort   string // what to sort by, "-" in front for descending; "" = the list's usual order
	Search string // only what has this in its name or address, ASCII letters without case
}

// Bounds of a page.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// Page is a part of a list. A page that is read with a cursor starts after the
// last item of the page before, whatever was added or removed meanwhile.
type Page[T any] struct {
	Items []T    `json:"items" doc:"items of this page, in order"`
	Next  string `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
}

// OrgList asks for orgs. Sorts: name (usual), slug, created_at.
type OrgList struct {
	List
	Status OrgStatus     // "" = any
	State  InstanceState // "" = any
	Plan   string        // "" = any
	Mine   bool          // only those that the actor is a member of
	Among  []OrgID       // nil = any
}

// UserList asks for accounts. Sorts: email (usual), name, created_at.
type UserList struct {
	List
	PlatformAdmins bool  // only those
	Disabled       *bool // only those, or none of them; nil = all
	DormantDays    int   // only those that nobody signed in to for so long; 0 = all
}

// AuditList asks for audit entries, newest first.
type AuditList struct {
	List
	Actor  string     // e-mail address of who did it; "" = anybody
	Action ChangeKind // "" = any
	Since  time.Time  // only entries from then on; zero = all
	Until  time.Time  // only entries before then; zero = all
}

// Ranged reports whether only entries of a time range are asked for.
func (l AuditList) Ranged() bool { return !l.Since.IsZero() || !l.Until.IsZero() }

// CheckAuditList returns a CodeInvalid error when l's times are the wrong way round.
func CheckAuditList(l AuditList) error {
	if !l.Since.IsZero() && !l.Until.IsZero() && l.Since.After(l.Until) {
		return Errorf(CodeInvalid, "since", "since is later than until: exchange them")
	}
	return nil
}

// CheckList returns a CodeInvalid error when l's limit is out of bounds or its search too long.
func CheckList(l List) error {
	if l.Limit < 0 || l.Limit > MaxPage {
		return Errorf(CodeInvalid, "limit", "use a limit of 1 to %d", MaxPage)
	}
	if len(l.Search) > 100 {
		return Errorf(CodeInvalid, "search", "search for at most 100 characters")
	}
	return nil
}
