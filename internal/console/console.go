// Package console serves the pages of the control plane: plain forms that work
// without script, made live by htmx and server-sent events.
//
// Every page that changes something is a POST from the console's own origin.
// The registry decides who may; a page only leaves out what would be refused.
package console

import (
	"context"
	"embed"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/settings"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/webhook"
	"github.com/pizzaface/pizzeria/registry"
)

//go:embed templates static
var files embed.FS

// Store is what the console needs of the registry.
type Store interface {
	MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	Orgs(ctx context.Context, a registry.Actor, l registry.OrgList) (registry.Page[registry.OrgView], error)
	Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error)
	OrgBySlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error)
	CreateOrg(ctx context.Context, a registry.Actor, n registry.NewOrg) (registry.Org, error)
	SuspendOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, reason string) error
	ResumeOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	RestartInstance(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	DeleteOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, confirm string, now bool) error
	KeepOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	Members(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.List) (registry.Page[registry.Member], error)
	SetRole(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, role registry.Role) error
	Member(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID) (registry.Member, error)
	RemoveMember(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, revoke bool) ([]registry.Runner, error)
	Runners(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.RunnerList) (registry.Page[registry.Runner], error)
	DisconnectRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error
	RevokeRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error
	Invites(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Link, error)
	RevokeInvite(ctx context.Context, a registry.Actor, org registry.OrgID, id string) error
	Audit(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.AuditList) (registry.Page[registry.AuditEntry], error)
	User(ctx context.Context, a registry.Actor, id registry.UserID) (registry.User, error)
	Users(ctx context.Context, a registry.Actor, l registry.UserList) (registry.Page[registry.User], error)
	UserOrgs(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.OrgView, error)
	UpdateUser(ctx context.Context, a registry.Actor, id registry.UserID, name *string, platformAdmin *bool) error
	UpdateOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, name string) error
	RenameOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, slug string) error
	Sessions(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Session, error)
	RevokeSession(ctx context.Context, a registry.Actor, id registry.SessionID) error
	RevokeSessions(ctx context.Context, a registry.Actor, id registry.UserID, but registry.SessionID) error
	APIKeys(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.APIKey, error)
	RevokeAPIKey(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.APIKeyID) error
	Factors(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Factor, error)
	RemoveFactors(ctx context.Context, a registry.Actor, id registry.UserID, factor registry.FactorID) error
	Supports(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Support, error)
	DecideSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID, approve bool) (registry.Support, error)
	EndSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID) error
	TransferOrg(ctx context.Context, a registry.Actor, org registry.OrgID, to registry.UserID) error
	Clients(ctx context.Context, a registry.Actor) ([]registry.Client, error)
	Connections(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Connection, error)
	DeleteConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID) error
	RequireSecondStep(ctx context.Context, a registry.Actor, org registry.OrgID, required bool) error
	Domains(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Domain, error)
	RemoveDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain string) error
	Identities(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Identity, error)
	RemoveIdentity(ctx context.Context, a registry.Actor, id registry.UserID, connection registry.ConnectionID) error
	DeleteClient(ctx context.Context, a registry.Actor, id registry.ClientID) error
	Settings(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Setting, error)
	PlatformAudit(ctx context.Context, a registry.Actor, l registry.AuditList) (registry.Page[registry.AuditEntry], error)
	Webhooks(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Webhook, error)
	UpdateWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, address *string, events *[]registry.ChangeKind, active *bool) error
	DeleteWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error
	TestWebhook(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID) error
	Deliveries(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, l registry.List) (registry.Page[registry.Delivery], error)
	ReplayDelivery(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.WebhookID, delivery string) error
	usage.HistoryStore
	Changed() <-chan struct{}
}

// Console serves the pages.
type Console struct {
	Store     Store
	Identity  *identity.Service
	Log       *slog.Logger
	Now       func() time.Time
	Isolation func() string          // what separates instances, said on every org page
	Ended     func() <-chan struct{} // closed when live pages should end
	Settings  *settings.Service
	Webhooks  *webhook.Sender
	Usage     *usage.Recorder
	Capacity  func() usage.Capacity
	Operator  func() Operator
	// Connections is how many WebSockets and streams a session has open.
	Connections func(registry.SessionID) int
	// Logs reads what an org's instance prints: its newest lines, and with follow what comes.
	Logs func(ctx context.Context, org registry.OrgID, lines int, follow bool) (io.ReadCloser, error)

	pages map[string]*template.Template
}

// Register parses the pages and adds the routes to a mux.
func (c *Console) Register(mux *http.ServeMux) error {
	c.pages = map[string]*template.Template{}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return err
	}
	shared := []string{"templates/layout.html", "templates/parts.html"}
	for _, name := range names {
		t, err := template.New("layout.html").Funcs(c.funcs()).ParseFS(files, append(shared, name)...)
		if err != nil {
			return err
		}
		c.pages[name[len("templates/"):]] = t
	}
	if err := registerStatic(mux); err != nil {
		return err
	}
	for _, rt := range Routes() {
		mux.HandleFunc(rt.Method+" "+rt.Pattern, func(w http.ResponseWriter, r *http.Request) { c.serve(rt, w, r) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.problem(w, r, web.Caller{}, registry.Errorf(registry.NotFound, "", "There is no page at this address."))
	})
	return nil
}

// Route is one row of the console's table of pages.
type Route struct {
	Method, Pattern string
	Public          bool            // for people who are not signed in
	Action          registry.Action // what the policy table is asked; "" for the caller's own affairs
	Fresh           bool            // asks for a new sign-in, without an Action that does
	serve           func(*Console, http.ResponseWriter, *http.Request, web.Caller) error
}

// Routes returns the table.
func Routes() []Route {
	return []Route{
		{"GET", "/setup/{token}", true, "", false, (*Console).setupPage},
		{"POST", "/setup/{token}", true, "", false, (*Console).setup},
		{"GET", "/sign-in", true, "", false, (*Console).signInPage},
		{"POST", "/sign-in", true, "", false, (*Console).signIn},
		{"POST", "/sign-in/passkey", true, "", false, (*Console).signInPasskey},
		{"POST", "/sign-in/second", true, "", false, (*Console).signInSecond},
		{"GET", "/sign-in/with/{connection}", true, "", false, (*Console).signInWith},
		{"GET", "/sign-in/with/{connection}/callback", true, "", false, (*Console).signedInWith},
		{"GET", "/sign-in/for/{org}", false, "", false, (*Console).signInFor},
		{"GET", "/sign-in/company", true, "", false, (*Console).companyPage},
		{"POST", "/sign-in/company", true, "", false, (*Console).company},
		{"POST", "/sign-out", true, "", false, (*Console).signOut},
		{"GET", "/signed-out", true, "", false, (*Console).signedOut},
		{"GET", "/end-session", true, "", false, (*Console).endSessionFor},
		{"GET", "/device", false, "", true, (*Console).devicePage},
		{"POST", "/device", false, "", true, (*Console).decideDevice},
		{"GET", "/forgot", true, "", false, (*Console).forgotPage},
		{"POST", "/forgot", true, "", false, (*Console).forgot},
		{"GET", "/reset/{token}", true, "", false, (*Console).resetPage},
		{"POST", "/reset/{token}", true, "", false, (*Console).reset},
		{"GET", "/verify/{token}", true, "", false, (*Console).verifyPage},
		{"POST", "/verify/{token}", true, "", false, (*Console).verify},
		{"GET", "/invite/{token}", true, "", false, (*Console).invitePage},
		{"POST", "/invite/{token}", true, "", false, (*Console).acceptInvite},
		{"POST", "/invite/{token}/decline", true, "", false, (*Console).declineInvite},
		{"GET", "/{$}", false, "", false, (*Console).home},
		{"GET", "/account", false, "", false, (*Console).accountPage},
		{"POST", "/account/name", false, "", false, (*Console).changeName},
		{"POST", "/account/password", false, "", false, (*Console).changePassword},
		{"POST", "/account/email", false, "", false, (*Console).changeEmail},
		{"POST", "/account/email/verify", false, "", false, (*Console).sendVerification},
		{"GET", "/account/second-step", false, "", false, (*Console).secondStepPage},
		{"POST", "/account/second-step", false, "", false, (*Console).addSecondStep},
		{"GET", "/account/passkey", false, "", false, (*Console).passkeyPage},
		{"POST", "/account/passkey", false, "", false, (*Console).addPasskey},
		{"POST", "/account/second-step/{factor}/remove", false, "", false, (*Console).removeSecondStep},
		{"POST", "/account/recovery-codes", false, "", false, (*Console).renewRecoveryCodes},
		{"POST", "/account/identities/{connection}/link", false, "", true, (*Console).linkIdentity},
		{"POST", "/account/identities/{connection}/remove", false, "", true, (*Console).removeIdentity},
		{"POST", "/account/sessions/end", false, "", false, (*Console).endSessions},
		{"POST", "/account/sessions/{session}/end", false, "", false, (*Console).endSession},
		{"POST", "/account/keys", false, "", true, (*Console).createMyKey},
		{"POST", "/account/keys/{key}/revoke", false, "", false, (*Console).revokeMyKey},
		{"POST", "/theme", false, "", false, (*Console).setTheme},
		{"GET", "/platform", false, registry.PlatformRead, false, (*Console).overview},
		{"GET", "/platform/orgs", false, registry.PlatformRead, false, (*Console).orgsPage},
		{"GET", "/platform/instances", false, registry.PlatformRead, false, (*Console).instancesPage},
		{"GET", "/platform/settings", false, registry.PlatformRead, false, (*Console).platformSettings},
		{"GET", "/platform/audit", false, registry.PlatformAudit, false, (*Console).platformAudit},
		{"GET", "/platform/apps", false, registry.ClientRead, false, (*Console).appsPage},
		{"POST", "/platform/apps", false, registry.ClientManage, false, (*Console).createApp},
		{"POST", "/platform/apps/{client}/secret", false, registry.ClientManage, false, (*Console).newAppSecret},
		{"POST", "/platform/apps/{client}/delete", false, registry.ClientManage, false, (*Console).deleteApp},
		{"GET", "/platform/sign-in", false, registry.SignInRead, false, (*Console).connectionsPage},
		{"POST", "/platform/sign-in", false, registry.SignInManage, false, (*Console).createConnection},
		{"POST", "/platform/sign-in/{connection}", false, registry.SignInManage, false, (*Console).updateConnection},
		{"POST", "/platform/sign-in/{connection}/delete", false, registry.SignInManage, false, (*Console).deleteConnection},
		{"GET", "/platform/users", false, registry.UserRead, false, (*Console).usersPage},
		{"GET", "/platform/users/{user}", false, registry.UserRead, false, (*Console).userPage},
		{"POST", "/platform/users/{user}/admin", false, registry.UserUpdate, false, (*Console).setAdmin},
		{"POST", "/platform/users/{user}/second-step/remove", false, registry.UserUpdate, false, (*Console).removeFactors},
		{"POST", "/platform/users/{user}/identities/{connection}/remove", false, registry.UserUpdate, false, (*Console).unlinkUser},
		{"POST", "/platform/users/{user}/password-link", false, registry.UserUpdate, false, (*Console).passwordLink},
		{"POST", "/platform/users/{user}/sign-out", false, registry.UserUpdate, false, (*Console).signOutUser},
		{"GET", "/orgs/new", false, registry.OrgCreate, false, (*Console).newOrgPage},
		{"POST", "/orgs", false, registry.OrgCreate, false, (*Console).createOrg},
		{"GET", "/orgs/{org}", false, registry.OrgRead, false, (*Console).orgPage},
		{"GET", "/orgs/{org}/live", false, registry.OrgRead, false, (*Console).live},
		{"GET", "/orgs/{org}/members", false, registry.MemberRead, false, (*Console).membersPage},
		{"POST", "/orgs/{org}/invites", false, registry.MemberInvite, false, (*Console).invite},
		{"POST", "/orgs/{org}/invites/{invite}/resend", false, registry.MemberInvite, false, (*Console).reinvite},
		{"POST", "/orgs/{org}/invites/{invite}/revoke", false, registry.MemberInvite, false, (*Console).revokeInvite},
		{"POST", "/orgs/{org}/members/{user}/role", false, registry.MemberChange, false, (*Console).setRole},
		{"GET", "/orgs/{org}/members/{user}/remove", false, registry.MemberRemove, false, (*Console).removePage},
		{"POST", "/orgs/{org}/members/{user}/remove", false, registry.MemberRemove, false, (*Console).removeMember},
		{"GET", "/orgs/{org}/members/{user}/transfer", false, registry.OrgTransfer, false, (*Console).transferPage},
		{"POST", "/orgs/{org}/members/{user}/transfer", false, registry.OrgTransfer, false, (*Console).transfer},
		{"POST", "/orgs/{org}/support", false, registry.SupportRequest, false, (*Console).askSupport},
		{"POST", "/orgs/{org}/support/{support}", false, registry.SupportDecide, false, (*Console).decideSupport},
		{"POST", "/orgs/{org}/support/{support}/end", false, registry.SupportRead, false, (*Console).endSupport},
		{"GET", "/orgs/{org}/instance", false, registry.OrgRead, false, (*Console).instancePage},
		{"GET", "/orgs/{org}/instance/log", false, registry.InstanceLogs, false, (*Console).instanceLog},
		{"GET", "/orgs/{org}/settings", false, registry.SettingsRead, false, (*Console).settingsPage},
		{"POST", "/orgs/{org}/settings", false, registry.SettingsWrite, false, (*Console).saveSettings},
		{"POST", "/orgs/{org}/name", false, registry.OrgUpdate, false, (*Console).saveName},
		{"POST", "/orgs/{org}/rename", false, registry.OrgRename, false, (*Console).rename},
		{"GET", "/orgs/{org}/sign-in", false, registry.SignInRead, false, (*Console).connectionsPage},
		{"POST", "/orgs/{org}/sign-in", false, registry.SignInManage, false, (*Console).createConnection},
		{"POST", "/orgs/{org}/sign-in/second-step", false, registry.SignInManage, false, (*Console).requireSecondStep},
		{"POST", "/orgs/{org}/sign-in/domains", false, registry.SignInManage, false, (*Console).addDomain},
		{"POST", "/orgs/{org}/sign-in/domains/{domain}/verify", false, registry.SignInManage, false, (*Console).verifyDomain},
		{"POST", "/orgs/{org}/sign-in/domains/{domain}/remove", false, registry.SignInManage, false, (*Console).removeDomain},
		{"POST", "/orgs/{org}/sign-in/{connection}", false, registry.SignInManage, false, (*Console).updateConnection},
		{"POST", "/orgs/{org}/sign-in/{connection}/delete", false, registry.SignInManage, false, (*Console).deleteConnection},
		{"GET", "/orgs/{org}/keys", false, registry.KeyRead, false, (*Console).keysPage},
		{"POST", "/orgs/{org}/keys", false, registry.KeyManage, false, (*Console).createKey},
		{"POST", "/orgs/{org}/keys/{key}/revoke", false, registry.KeyManage, false, (*Console).revokeKey},
		{"GET", "/orgs/{org}/runners", false, registry.RunnerRead, false, (*Console).runnersPage},
		{"POST", "/orgs/{org}/runners", false, registry.RunnerEnroll, true, (*Console).claimRunner},
		{"POST", "/orgs/{org}/runners/{runner}/disconnect", false, registry.RunnerEnroll, false, (*Console).disconnectRunner},
		{"POST", "/orgs/{org}/runners/{runner}/revoke", false, registry.RunnerEnroll, false, (*Console).revokeRunner},
		{"GET", "/orgs/{org}/webhooks", false, registry.WebhookRead, false, (*Console).webhooksPage},
		{"POST", "/orgs/{org}/webhooks", false, registry.WebhookManage, false, (*Console).createWebhook},
		{"POST", "/orgs/{org}/webhooks/{webhook}/test", false, registry.WebhookManage, false, (*Console).testWebhook},
		{"POST", "/orgs/{org}/webhooks/{webhook}/active", false, registry.WebhookManage, false, (*Console).activateWebhook},
		{"POST", "/orgs/{org}/webhooks/{webhook}/replay", false, registry.WebhookManage, false, (*Console).replayDelivery},
		{"POST", "/orgs/{org}/webhooks/{webhook}/delete", false, registry.WebhookManage, false, (*Console).deleteWebhook},
		{"GET", "/platform/webhooks", false, registry.WebhookRead, false, (*Console).webhooksPage},
		{"POST", "/platform/webhooks", false, registry.WebhookManage, false, (*Console).createWebhook},
		{"POST", "/platform/webhooks/{webhook}/test", false, registry.WebhookManage, false, (*Console).testWebhook},
		{"POST", "/platform/webhooks/{webhook}/active", false, registry.WebhookManage, false, (*Console).activateWebhook},
		{"POST", "/platform/webhooks/{webhook}/replay", false, registry.WebhookManage, false, (*Console).replayDelivery},
		{"POST", "/platform/webhooks/{webhook}/delete", false, registry.WebhookManage, false, (*Console).deleteWebhook},
		{"GET", "/orgs/{org}/audit", false, registry.AuditRead, false, (*Console).auditPage},
		{"POST", "/orgs/{org}/suspend", false, registry.OrgSuspend, false, (*Console).suspend},
		{"POST", "/orgs/{org}/resume", false, registry.OrgResume, false, (*Console).resume},
		{"POST", "/orgs/{org}/restart", false, registry.InstanceReboot, false, (*Console).restart},
		{"GET", "/orgs/{org}/delete", false, registry.OrgDelete, false, (*Console).deletePage},
		{"POST", "/orgs/{org}/delete", false, registry.OrgDelete, false, (*Console).deleteOrg},
		{"POST", "/orgs/{org}/keep", false, registry.OrgDelete, false, (*Console).keep},
	}
}

// HoldsSecret reports whether a path is that of a one-time link: an access log would hold what lets somebody in.
func HoldsSecret(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return rest != "" && (first == "setup" || first == "invite" || first == "reset" || first == "verify")
}

const maxForm = 64 << 10

func (c *Console) serve(rt Route, w http.ResponseWriter, r *http.Request) {
	site := c.Identity.Site()
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, forms would come from the origin null
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.secure(w, site.OrgOrigins())
	if rt.Method == http.MethodPost {
		if !web.SameOrigin(r, site.Issuer) {
			c.problem(w, r, web.Caller{}, registry.Errorf(registry.Forbidden, "", "This form was sent from another site."))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			c.problem(w, r, web.Caller{}, registry.Errorf(registry.Invalid, "", "The form could not be read."))
			return
		}
	}
	who, err := web.Who(c.Identity, r)
	if err == nil && who.Session.ID == "" {
		who = web.Caller{Client: who.Client} // pages are for browsers: no tokens here
		if !rt.Public {
			c.toSignIn(w, r)
			return
		}
	}
	if err == nil && (rt.Fresh || registry.NeedsFresh(rt.Action)) && who.MayNow(c.Identity.Now()) != nil {
		c.signInAgain(w, r, cameFrom(site, r))
		return
	}
	if err == nil {
		err = rt.serve(c, w, r, who)
	}
	if registry.ErrorCode(err) == registry.SignInAgain && who.Session.ID != "" {
		err = c.more(w, r, who, registry.LackOf(err), cameFrom(c.Identity.Site(), r))
	}
	if err != nil {
		c.problem(w, r, who, err)
	}
}

// secure says what a page may do. Its forms may lead to an origin: after sign-in the browser is
// redirected there, and Chromium applies form-action to that too.
func (c *Console) secure(w http.ResponseWriter, origin string) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' "+origin+"; frame-ancestors 'none'; base-uri 'none'")
}

func (c *Console) toSignIn(w http.ResponseWriter, r *http.Request) {
	back := "/"
	if r.Method == http.MethodGet {
		back = r.URL.RequestURI()
	}
	http.Redirect(w, r, "/sign-in?"+url.Values{"return": {back}}.Encode(), http.StatusSeeOther)
}

// signInAgain asks for the password, and comes back to the page that asked for more than a session of long ago.
func (c *Console) signInAgain(w http.ResponseWriter, r *http.Request, back string) {
	http.Redirect(w, r, "/sign-in?"+url.Values{"return": {back}, "again": {"1"}}.Encode(), http.StatusSeeOther)
}

// cameFrom is the page to come back to: this one, or of a form the one that it stands on.
func cameFrom(site identity.Site, r *http.Request) string {
	if r.Method == http.MethodGet {
		return r.URL.RequestURI()
	}
	if from, err := url.Parse(r.Referer()); err == nil && from.Scheme+"://"+from.Host == site.Issuer {
		return from.RequestURI()
	}
	return "/"
}

func (c *Console) funcs() template.FuncMap {
	return template.FuncMap{
		"ago":   func(t time.Time) string { return ago(c.Now().Sub(t)) },
		"asset": func(name string) string { return "/static/" + name + "?v=" + assetVersion(name) },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"status": func(v registry.OrgView) status {
			return statusOf(v)
		},
		"state": stateOf, "runner": c.runnerState, "delivery": deliveryOf, "happened": happened, "steps": stepsOf, "spark": spark, "device": device, "next": nextPage, "sort": sortLink,
		"rail": func() []section { return sections }, "tabs": func() []tab { return tabs },
		"connection": formOf,
		"themes":     func() []string { return []string{"auto", "light", "dark"} },
		"ranges":     func() []usage.Range { return []usage.Range{usage.Hour, usage.Day, usage.Week} },
		"statuses":   func() []string { return []string{"provisioning", "active", "suspended", "deleting"} },
		"states":     registry.InstanceStates,
		"actions":    registry.AuditActions,
		"label":      func(label, value string) map[string]string { return map[string]string{"Label": label, "Value": value} },
		"isolation":  func() string { return c.Isolation() },
	}
}
