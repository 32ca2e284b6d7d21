package console

import (
	"fmt"
	"html/template"
	"net/url"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// status is how an org does, in one word, a shape and a colour.
type status struct{ Word, Shape, Class string }

func statusOf(v registry.OrgView) status {
	switch v.Status {
	case registry.OrgSuspended:
		return status{"Suspended", "■", "off"}
	case registry.OrgDeleting:
		return status{"Deleting", "■", "off"}
	}
	switch registry.RouteStatusOf(v.Status, v.Instance.State) {
	case registry.RouteServing:
		if v.Instance.State == registry.InstanceDegraded {
			return status{"Degraded", "◆", "wait"}
		}
		return status{"Active", "●", "good"}
	case registry.RouteFailed:
		return status{"Failed", "▲", "bad"}
	}
	return status{"Starting", "◐", "wait"}
}

// stateOf is how an instance does.
func stateOf(i registry.Instance) status {
	switch i.State {
	case registry.InstanceRunning:
		return status{"Running", "●", "good"}
	case registry.InstanceDegraded:
		return status{"Degraded", "◆", "wait"}
	case registry.InstanceFailed:
		return status{"Failed", "▲", "bad"}
	case registry.InstanceStopped:
		return status{"Stopped", "■", "off"}
	case registry.InstanceAbsent:
		return status{"Removed", "■", "off"}
	}
	return status{"Starting", "◐", "wait"}
}

// nextPage is the address of a list's next page, with the filters of this one.
func nextPage(v view, cursor string) string {
	if cursor == "" {
		return ""
	}
	q := url.Values{}
	for k, val := range v.Query {
		if k != "done" {
			q[k] = val
		}
	}
	q.Set("cursor", cursor)
	return "?" + q.Encode()
}

// sortLink is a column's head that sorts by it, and the other way round when it does already.
func sortLink(v view, by, label string) template.HTML {
	q := url.Values{}
	for k, val := range v.Query {
		if k != "cursor" && k != "sort" {
			q[k] = val
		}
	}
	arrow, next := "", by
	switch v.Query.Get("sort") {
	case by:
		arrow, next = " ↑", "-"+by
	case "-" + by:
		arrow = " ↓"
	}
	q.Set("sort", next)
	return template.HTML(`<a href="?` + template.HTMLEscapeString(q.Encode()) + `">` + template.HTMLEscapeString(label+arrow) + `</a>`) //nolint:gosec // escaped
}

// retryOf is when a failed server is started again; zero when it does not wait.
func retryOf(i registry.Instance, now time.Time) time.Time {
	if !i.Waits(now) {
		return time.Time{}
	}
	return i.RetryAt()
}

// step is a step of a server's start, and how long after the first one it came.
type step struct {
	Name, Took string
	Shape      string // of what went wrong
	Class      string
	At         time.Time
}

// stepClasses are the steps that are no progress.
var stepClasses = map[string]struct{ shape, class string }{
	"failed": {"▲", "bad"}, "crashed": {"▲", "bad"}, "unresponsive": {"▲", "bad"},
	"degraded": {"◆", "wait"},
}

func stepsOf(v registry.OrgView) []step {
	out := make([]step, 0, len(v.Instance.Steps))
	for i, s := range v.Instance.Steps {
		took := s.At.UTC().Format("15:04:05 UTC")
		if i > 0 {
			took = "+" + s.At.Sub(v.Instance.Steps[0].At).Round(time.Millisecond).String()
		}
		c := stepClasses[s.Name]
		out = append(out, step{s.Name, took, c.shape, c.class, s.At})
	}
	return out
}

// ago says a duration as people do.
func ago(d time.Duration) string {
	unit := func(n int, one string) string {
		if n == 1 {
			return "1 " + one + " ago"
		}
		return fmt.Sprintf("%d %ss ago", n, one)
	}
	switch {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return unit(int(d.Seconds()), "second")
	case d < time.Hour:
		return unit(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return unit(int(d.Hours()), "hour")
	}
	return unit(int(d.Hours()/24), "day")
}

// happened says a change as people do.
func happened(k registry.ChangeKind) string {
	if s, ok := happenings[k]; ok {
		return s
	}
	return string(k)
}

var happenings = map[registry.ChangeKind]string{
	registry.OrgCreated: "Org created", registry.OrgUpdated: "Org changed", registry.OrgRenamed: "Address changed", registry.OrgActivated: "Org runs",
	registry.OrgSuspendedNow: "Org suspended", registry.OrgResumed: "Org resumed", registry.OrgDeletion: "Org being deleted", registry.OrgKept: "Org kept", registry.OrgGone: "Org deleted",
	registry.InstanceChanged: "Server changed", registry.MemberAdded: "Member added", registry.MemberChanged: "Role changed", registry.MemberRemoved: "Member removed",
	registry.InviteCreated: "Invited", registry.InviteRevoked: "Invitation taken back", registry.UserCreated: "Account created", registry.UserChanged: "Account changed", registry.UserRecovered: "Account recovered", registry.UserReviewed: "Account reviewed", registry.UserVerified: "Address verified", registry.UserDisabled: "Account disabled", registry.UserEnabled: "Account enabled", registry.UserDeleted: "Account deleted",
	registry.SessionCreated: "Signed in", registry.SessionRevoked: "Signed out", registry.KeyAdded: "Signing key added", registry.KeyRotated: "Signing key replaced", registry.KeyRevoked: "Signing key revoked", registry.SettingsChanged: "Settings changed",
	registry.APIKeyCreated: "API key made", registry.APIKeyRefused: "API key refused", registry.APIKeyRevoked: "API key revoked", registry.WebhookCreated: "Webhook made", registry.WebhookChanged: "Webhook changed",
	registry.RunnerInvited: "Runner may enroll", registry.RunnerEnrolled: "Runner enrolled", registry.RunnerCut: "Runner disconnected", registry.RunnerRevoked: "Runner revoked",
	registry.ClientCreated: "App registered", registry.ClientChanged: "App changed", registry.ClientDeleted: "App deleted", registry.ClientSignedIn: "Signed in to an app", registry.GrantRevoked: "App signed out",
	registry.OrgSignIn: "Sign-in rules changed", registry.ConnectionMade: "Sign-in provider connected", registry.ConnectionNew: "Sign-in provider changed", registry.ConnectionGone: "Sign-in provider deleted",
	registry.DomainAdded: "Domain added", registry.DomainVerified: "Domain verified", registry.DomainRemoved: "Domain removed",
	registry.DomainMissed: "Domain record missing", registry.DomainLapsed: "Domain no longer verified",
	registry.SignInLimited: "Too many sign-in attempts", registry.SecondStepFailed: "Many wrong codes at sign-in", registry.SecondStepLocked: "Second step locked",
	registry.AuditPruned: "Old log entries removed", registry.SupportAsked: "Support access asked for", registry.SupportGiven: "Support access given", registry.SupportRefused: "Support access refused", registry.SupportUsed: "Support came in", registry.SupportDone: "Support access ended",
	registry.AuditKeyed: "Audit log authenticated", registry.AuditErased: "Personal data erased from the audit log",
	registry.AuditBroken: "Audit log changed from outside", registry.AuditHeadNoted: "Newest audit log entry",
	registry.ApprovalAsked: "Approval asked for", registry.ApprovalGiven: "Approved by an owner", registry.ApprovalDenied: "Refused by the org", registry.ApprovalOver: "Request ended", registry.ApprovalInEffect: "In effect without an owner",
	registry.MemberHeld: "Member locked out until confirmed", registry.MemberReturned: "Member has access again", registry.MemberRoleKept: "Role kept: groups not delivered", registry.PasswordLinkMade: "Password link made for a member",
	registry.IdentityLinked: "Account linked", registry.IdentityGone: "Account unlinked",
	registry.PlanCreated: "Plan created", registry.PlanUpdated: "Plan changed", registry.PlanDeleted: "Plan deleted",
	registry.OrgPlanChanged: "Plan of the organization changed", registry.OrgLimitsChanged: "Limits of the organization changed", registry.OrgQuotaWarned: "Limit nearly or fully used",
	registry.WebhookDeleted: "Webhook deleted", registry.WebhookTest: "Test",
}
