package registry

// AuditPersonal says which text of an entry is about the account that the entry is about, and is
// erased with it.
type AuditPersonal struct{ Target, Detail bool }

var (
	aboutNobody  = AuditPersonal{}             // names of orgs, settings, keys
	aboutTarget  = AuditPersonal{Target: true} // an e-mail address, and how it was done
	aboutAccount = AuditPersonal{Target: true, Detail: true}
)

// auditPersonal has a row for every action. Who did something and from which address is always
// personal.
var auditPersonal = map[ChangeKind]AuditPersonal{
	APIKeyCreated:    {Target: true}, // the key's name
	APIKeyRefused:    aboutNobody,    // the key's ID and the action
	APIKeyRevoked:    {Target: true},
	ApprovalAsked:    aboutAccount, // the role, and why
	ApprovalDenied:   aboutAccount,
	ApprovalGiven:    aboutAccount,
	ApprovalInEffect: aboutAccount,
	ApprovalOver:     aboutAccount,
	AuditBroken:      aboutNobody,
	AuditErased:      aboutNobody,
	AuditKeyed:       aboutNobody,
	AuditPruned:      aboutNobody,
	ClientChanged:    aboutNobody,
	ClientCreated:    aboutNobody,
	ClientDeleted:    aboutNobody,
	ClientSignedIn:   aboutNobody, // the app's name and the scope
	ConnectionGone:   aboutNobody,
	ConnectionMade:   aboutNobody,
	ConnectionNew:    aboutNobody,
	DomainAdded:      aboutNobody,
	DomainLapsed:     aboutNobody,
	DomainMissed:     aboutNobody,
	DomainRemoved:    aboutNobody,
	DomainVerified:   aboutNobody,
	GrantRevoked:     aboutNobody,
	IdentityGone:     aboutTarget,
	IdentityLinked:   aboutTarget,
	InstanceChanged:  aboutNobody,
	InviteCreated:    aboutTarget,
	InviteRevoked:    aboutTarget,
	KeyAdded:         aboutNobody,
	KeyRevoked:       aboutNobody,
	KeyRotated:       aboutNobody,
	MemberAdded:      aboutTarget,
	MemberChanged:    aboutTarget,
	MemberHeld:       aboutAccount,
	MemberRemoved:    aboutTarget,
	MemberReturned:   aboutAccount,
	MemberRoleKept:   aboutTarget,
	OrgActivated:     aboutNobody,
	OrgCreated:       aboutNobody,
	OrgDeletion:      aboutNobody,
	OrgGone:          aboutNobody,
	OrgKept:          aboutNobody,
	OrgLimitsChanged: aboutNobody,
	OrgPlanChanged:   aboutNobody,
	OrgQuotaWarned:   aboutNobody,
	OrgRenamed:       aboutNobody,
	OrgResumed:       aboutNobody,
	OrgSignIn:        aboutNobody,
	OrgSuspendedNow:  aboutNobody,
	OrgUpdated:       aboutNobody,
	PasswordLinkMade: aboutTarget,
	PlanCreated:      aboutNobody,
	PlanDeleted:      aboutNobody,
	PlanUpdated:      aboutNobody,
	RunnerCut:        {Target: true}, // the machine's name
	RunnerEnrolled:   {Target: true},
	RunnerInvited:    {Target: true},
	RunnerRevoked:    {Target: true},
	SecondStepFailed: aboutTarget,
	SecondStepLocked: aboutTarget,
	SessionCreated:   aboutAccount, // the device
	SessionRevoked:   aboutNobody,
	SettingsChanged:  aboutNobody,
	SignInLimited:    aboutTarget,
	SupportAsked:     aboutAccount, // the reason, in the person's words
	SupportDone:      aboutAccount,
	SupportGiven:     aboutTarget,
	SupportRefused:   aboutTarget,
	SupportUsed:      aboutTarget,
	UserRecovered:    aboutTarget,
	UserReviewed:     aboutAccount,
	UserVerified:     aboutTarget,
	UserChanged:      aboutAccount, // names and addresses before and after
	UserCreated:      aboutAccount,
	UserDeleted:      aboutTarget,
	UserDisabled:     aboutAccount, // why
	UserEnabled:      aboutTarget,
	WebhookChanged:   aboutNobody,
	WebhookCreated:   aboutNobody,
	WebhookDeleted:   aboutNobody,
}

// AuditPersonalOf returns what is personal in the entries of an action: everything where nobody has
// said.
func AuditPersonalOf(action ChangeKind) AuditPersonal {
	if p, ok := auditPersonal[action]; ok {
		return p
	}
	return aboutAccount
}
