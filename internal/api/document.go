package api

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pizzaface/pizzeria/internal/wire"
)

// info says what the document is of.
func info() *huma.Info {
	return &huma.Info{
		Title: "Pizzeria management API", Version: "1", Description: description,
		License: &huma.License{Name: "Apache 2.0", Identifier: "Apache-2.0"},
		Contact: &huma.Contact{Name: "Pizzeria", URL: "https://github.com/pizzaface/pizzeria"},
	}
}

// tags are the groups of operations, in the order of a reader's interest.
var tags = []*huma.Tag{
	{Name: "me", Description: "Who the caller is"},
	{Name: "orgs", Description: "Orgs: create, change, suspend, delete"},
	{Name: "plans", Description: "What orgs may use"},
	{Name: "instance", Description: "The server of an org"},
	{Name: "members", Description: "Who is in an org, and with which role"},
	{Name: "invites", Description: "Invitations into an org"},
	{Name: "approvals", Description: "Changes from outside an org that wait for an owner"},
	{Name: "support", Description: "Access of platform admins to an org for a while"},
	{Name: "settings", Description: "Environment variables of an org's instance"},
	{Name: "keys", Description: "API keys of people and of orgs"},
	{Name: "runners", Description: "Machines that work for an org"},
	{Name: "webhooks", Description: "Messages about changes, and their deliveries"},
	{Name: "events", Description: "Changes as they happen, as server-sent events"},
	{Name: "audit", Description: "Who did what"},
	{Name: "usage", Description: "Requests, errors and latency"},
	{Name: "connections", Description: "Identity providers for single sign-on"},
	{Name: "domains", Description: "E-mail domains of an org"},
	{Name: "clients", Description: "OAuth applications that sign people in with their account"},
	{Name: "users", Description: "Accounts"},
	{Name: "sessions", Description: "Where people are signed in"},
	{Name: "tokens", Description: "API tokens"},
	{Name: "signing-keys", Description: "Keys that sign tokens"},
	{Name: "platform", Description: "Counts and capacity of the installation"},
}

// schemaNames are the names of schemas whose types have another one in the code: of anonymous
// bodies, and of types whose name says too little without its package.
var schemaNames = map[string]string{
	"AddInBody": "DomainCreate", "AskInBody": "SupportRequest", "BreakInBody": "BreakGlassRequest",
	"ClaimInBody": "EnrollmentTokenCreate", "ClaimOutBody": "EnrollmentTokenCreated", "RunnerClaim": "EnrollmentToken",
	"Client": "OAuthClient", "PageClient": "PageOAuthClient", "CreateInBody": "OAuthClientCreate", "UpdateInBody": "OAuthClientUpdate", "ClientOutBody": "OAuthClientCreated",
	"ConnectionIn": "ConnectionSpec", "ConnectionView": "Connection", "PageConnectionView": "PageConnection",
	"CreateKeyInBody": "OrgKeyCreate", "CreateMyKeyInBody": "MyKeyCreate", "KeyOutBody": "APIKeyCreated",
	"CreateOrgInBody": "OrgCreate", "UpdateOrgInBody": "OrgUpdate", "RenameInBody": "OrgRename", "SuspendInBody": "OrgSuspend",
	"OrgView": "Org", "CreatePlanInBody": "PlanCreate", "PlanChange": "PlanUpdate",
	"SetPlanInBody": "OrgPlan", "SetLimitsInBody": "OrgLimits", "SetProviderInBody": "OrgProvider",
	"PageOrgView": "PageOrg", "RulesInBody": "SignInRules", "LifetimesInBody": "SessionLifetimes",
	"CreateUserInBody": "UserCreate", "UpdateUserInBody": "UserUpdate", "DisableInBody": "UserDisable", "UserBody": "UserWithOrgs",
	"UpdateMeInBody": "MeUpdate", "MeBody": "Me", "LinkOutBody": "PasswordLink",
	"DecideOutBody": "ApprovalDecided", "EnrollInBody": "RunnerEnroll", "EnrollOutBody": "RunnerEnrolled",
	"InviteInBody": "InvitationCreate", "InviteOutBody": "InvitationCreated", "Link": "Invitation", "PageLink": "PageInvitation",
	"RoleInBody": "MemberUpdate", "RoleMappingIn": "RoleMappingSpec", "RemoveOutBody": "MemberRemoved", "RotateInBody": "SigningKeyRotate",
	"SetInBody": "SettingsUpdate", "SettingsOutBody": "Settings", "Schema": "SettingsSchema", "Field": "SettingsField",
	"ShownInstance": "InstanceStatus", "Step": "InstanceStep", "Identity": "LinkedAccount", "PageIdentity": "PageLinkedAccount",
	"TokenOutBody": "APIToken", "UsageOutBody": "Usage", "VerifyOutBody": "AuditVerification",
	"WebhookIn": "WebhookCreate", "WebhookChange": "WebhookUpdate", "WebhookOutBody": "WebhookCreated",
	"PlatformOutBody": "Platform",
}

// schemaName names the schema of a type. Generators make names of code of it, so it says what it is
// of without its context.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if n, ok := schemaNames[name]; ok {
		return n
	}
	return name
}

// problemResponse is the answer of an operation that failed.
func (a *API) problemResponse() *huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[wire.Problem](), true, "")
	return &huma.Response{
		Description: "What went wrong, and what to do",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
	}
}

// finish completes the document after all operations are declared.
func (a *API) finish() {
	doc := a.huma.OpenAPI()
	schemas := doc.Components.Schemas.Map()
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // of the library; ours is Problem
		delete(schemas, unused)
	}
	// Answers may get new members; requests with unknown ones are refused.
	for name := range reachable(doc, responsesOf) {
		schemas[name].AdditionalProperties = nil
	}
}

// reachable are the names of the schemas that operations refer to, directly or by others.
func reachable(doc *huma.OpenAPI, from func(*huma.Operation) []*huma.Schema) map[string]bool {
	seen := map[string]bool{}
	var walk func(s *huma.Schema)
	walk = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if name, is := strings.CutPrefix(s.Ref, "#/components/schemas/"); is && !seen[name] {
			seen[name] = true
			walk(doc.Components.Schemas.Map()[name])
		}
		walk(s.Items)
		for _, p := range s.Properties {
			walk(p)
		}
		if more, is := s.AdditionalProperties.(*huma.Schema); is {
			walk(more)
		}
	}
	for _, item := range doc.Paths {
		for _, op := range operationsOf(item) {
			for _, s := range from(op) {
				walk(s)
			}
		}
	}
	return seen
}

func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for method, op := range map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	} {
		if op != nil {
			all[method] = op
		}
	}
	return all
}

func responsesOf(op *huma.Operation) (schemas []*huma.Schema) {
	for _, r := range op.Responses {
		for _, m := range r.Content {
			schemas = append(schemas, m.Schema)
		}
	}
	return schemas
}

func requestsOf(op *huma.Operation) (schemas []*huma.Schema) {
	if op.RequestBody == nil {
		return nil
	}
	for _, m := range op.RequestBody.Content {
		schemas = append(schemas, m.Schema)
	}
	return schemas
}
