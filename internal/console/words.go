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

// healthOf is what an app's health check answered, as its agent says.
func healthOf(h registry.Heartbeat) status {
	switch h.Health {
	case registry.HealthOK:
		return status{"Healthy", "●", "good"}
	case registry.HealthDegraded:
		return status{"Degraded", "◆", "wait"}
	case registry.HealthFailing:
		return status{"Failing", "▲", "bad"}
	}
	return status{"Unknown", "■", "off"}
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
var stepClasses = map[registry.StepName]struct{ shape, class string }{
	registry.StepFailed: {"▲", "bad"}, registry.StepCrashed: {"▲", "bad"},
	registry.StepUnresponsive: {"▲", "bad"}, registry.StepDegraded: {"◆", "wait"},
}

func stepsOf(v registry.OrgView) []step {
	out := make([]step, 0, len(v.Instance.Steps))
	for i, s := range v.Instance.Steps {
		took := s.At.UTC().Format("15:04:05 UTC")
		if i > 0 {
			took = "+" + s.At.Sub(v.Instance.Steps[0].At).Round(time.Millisecond).String()
		}
		c := stepClasses[s.Name]
		out = append(out, step{string(s.Name), took, c.shape, c.class, s.At})
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
	registry.ChangeOrgCreated: "Org created", registry.ChangeOrgUpdated: "Org changed", registry.ChangeOrgRenamed: "Address changed", registry.ChangeOrgActivated: "Org runs",
	registry.ChangeOrgSuspended: "Org suspended", registry.ChangeOrgResumed: "Org resumed", registry.ChangeOrgDeleting: "Org being deleted", registry.ChangeOrgKept: "Org kept", registry.ChangeOrgDeleted: "Org deleted",
	registry.ChangeInstanceChanged: "Server changed", registry.ChangeMemberAdded: "Member added", registry.ChangeMemberChanged: "Role changed", registry.ChangeMemberRemoved: "Member removed",
	registry.ChangeInstanceToken: "Token of the server shown",
	registry.ChangeInviteCreated: "Invited", registry.ChangeInviteRevoked: "Invitation taken back", registry.ChangeUserCreated: "Account created", registry.ChangeUserChanged: "Account changed", registry.ChangeUserRecovered: "Account recovered", registry.ChangeUserReviewed: "Account reviewed", registry.ChangeUserVerified: "Address verified", registry.ChangeUserDisabled: "Account disabled", registry.ChangeUserEnabled: "Account enabled", registry.ChangeUserDeleted: "Account deleted",
	registry.ChangeSessionCreated: "Signed in", registry.ChangeSessionRevoked: "Signed out", registry.ChangeKeyAdded: "Signing key added", registry.ChangeKeyRotated: "Signing key replaced", registry.ChangeKeyRevoked: "Signing key revoked", registry.ChangeSettingsChanged: "Settings changed",
	registry.ChangeAPIKeyCreated: "API key made", registry.ChangeAPIKeyRefused: "API key refused", registry.ChangeAPIKeyRevoked: "API key revoked", registry.ChangeWebhookCreated: "Webhook made", registry.ChangeWebhookChanged: "Webhook changed",
	registry.ChangeRunnerInvited: "Runner may enroll", registry.ChangeRunnerEnrolled: "Runner enrolled", registry.ChangeRunnerDisconnected: "Runner disconnected", registry.ChangeRunnerRevoked: "Runner revoked",
	registry.ChangeClientCreated: "App registered", registry.ChangeClientChanged: "App changed", registry.ChangeClientDeleted: "App deleted", registry.ChangeClientSignedIn: "Signed in to an app", registry.ChangeGrantRevoked: "App signed out",
	registry.ChangeOrgSignIn: "Sign-in rules changed", registry.ChangeConnectionCreated: "Sign-in provider connected", registry.ChangeConnectionChanged: "Sign-in provider changed", registry.ChangeConnectionDeleted: "Sign-in provider deleted",
	registry.ChangeDomainAdded: "Domain added", registry.ChangeDomainVerified: "Domain verified", registry.ChangeDomainRemoved: "Domain removed",
	registry.ChangeDomainRecordMissing: "Domain record missing", registry.ChangeDomainLapsed: "Domain no longer verified",
	registry.ChangeSignInLimited: "Too many sign-in attempts", registry.ChangeSecondStepFailed: "Many wrong codes at sign-in", registry.ChangeSecondStepLocked: "Second step locked",
	registry.ChangeAuditPruned: "Old log entries removed", registry.ChangeSupportRequested: "Support access asked for", registry.ChangeSupportApproved: "Support access given", registry.ChangeSupportDenied: "Support access refused", registry.ChangeSupportEntered: "Support came in", registry.ChangeSupportEnded: "Support access ended",
	registry.ChangeAuditKeyed: "Audit log authenticated", registry.ChangeAuditErased: "Personal data erased from the audit log",
	registry.ChangeHistoryLost: "Database lost changes",
	registry.ChangeAuditBroken: "Audit log changed from outside", registry.ChangeAuditHead: "Newest audit log entry",
	registry.ChangeApprovalRequested: "Approval asked for", registry.ChangeApprovalApproved: "Approved by an owner", registry.ChangeApprovalRefused: "Refused by the org", registry.ChangeApprovalEnded: "Request ended", registry.ChangeApprovalEffective: "In effect without an owner",
	registry.ChangeMemberHeld: "Member locked out until confirmed", registry.ChangeMemberReturned: "Member has access again", registry.ChangeMemberRoleKept: "Role kept: groups not delivered", registry.ChangeMemberPasswordLink: "Password link made for a member",
	registry.ChangeIdentityLinked: "Account linked", registry.ChangeIdentityRemoved: "Account unlinked",
	registry.ChangePlanCreated: "Plan created", registry.ChangePlanUpdated: "Plan changed", registry.ChangePlanDeleted: "Plan deleted",
	registry.ChangeOrgPlanChanged: "Plan of the organization changed", registry.ChangeOrgLimitsChanged: "Limits of the organization changed", registry.ChangeOrgProviderChanged: "Provider of the organization changed", registry.ChangeOrgQuotaWarning: "Limit nearly or fully used",
	registry.ChangeWebhookDeleted: "Webhook deleted", registry.ChangeWebhookTest: "Test",
}
