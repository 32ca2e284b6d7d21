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
	ChangeAPIKeyCreated:       {Target: true}, // the key's name
	ChangeAPIKeyRefused:       aboutNobody,    // the key's ID and the action
	ChangeAPIKeyRevoked:       {Target: true},
	ChangeApprovalRequested:   aboutAccount, // the role, and why
	ChangeApprovalRefused:     aboutAccount,
	ChangeApprovalApproved:    aboutAccount,
	ChangeApprovalEffective:   aboutAccount,
	ChangeApprovalEnded:       aboutAccount,
	ChangeAuditBroken:         aboutNobody,
	ChangeAuditErased:         aboutNobody,
	ChangeAuditKeyed:          aboutNobody,
	ChangeAuditPruned:         aboutNobody,
	ChangeClientChanged:       aboutNobody,
	ChangeClientCreated:       aboutNobody,
	ChangeClientDeleted:       aboutNobody,
	ChangeClientSignedIn:      aboutNobody, // the app's name and the scope
	ChangeConnectionDeleted:   aboutNobody,
	ChangeConnectionCreated:   aboutNobody,
	ChangeConnectionChanged:   aboutNobody,
	ChangeDomainAdded:         aboutNobody,
	ChangeDomainLapsed:        aboutNobody,
	ChangeDomainRecordMissing: aboutNobody,
	ChangeDomainRemoved:       aboutNobody,
	ChangeDomainVerified:      aboutNobody,
	ChangeGrantRevoked:        aboutNobody,
	ChangeHistoryLost:         aboutNobody, // numbers and kinds
	ChangeIdentityRemoved:     aboutTarget,
	ChangeIdentityLinked:      aboutTarget,
	ChangeInstanceChanged:     aboutNobody,
	ChangeInstanceToken:       aboutNobody,
	ChangeInviteCreated:       aboutTarget,
	ChangeInviteRevoked:       aboutTarget,
	ChangeKeyAdded:            aboutNobody,
	ChangeKeyRevoked:          aboutNobody,
	ChangeKeyRotated:          aboutNobody,
	ChangeMemberAdded:         aboutTarget,
	ChangeMemberChanged:       aboutTarget,
	ChangeMemberHeld:          aboutAccount,
	ChangeMemberRemoved:       aboutTarget,
	ChangeMemberReturned:      aboutAccount,
	ChangeMemberRoleKept:      aboutTarget,
	ChangeOrgActivated:        aboutNobody,
	ChangeOrgCreated:          aboutNobody,
	ChangeOrgDeleting:         aboutNobody,
	ChangeOrgDeleted:          aboutNobody,
	ChangeOrgKept:             aboutNobody,
	ChangeOrgLimitsChanged:    aboutNobody,
	ChangeOrgPlanChanged:      aboutNobody,
	ChangeOrgProviderChanged:  aboutNobody,
	ChangeOrgQuotaWarning:     aboutNobody,
	ChangeOrgRenamed:          aboutNobody,
	ChangeOrgResumed:          aboutNobody,
	ChangeOrgSignIn:           aboutNobody,
	ChangeOrgSuspended:        aboutNobody,
	ChangeOrgUpdated:          aboutNobody,
	ChangeMemberPasswordLink:  aboutTarget,
	ChangePlanCreated:         aboutNobody,
	ChangePlanDeleted:         aboutNobody,
	ChangePlanUpdated:         aboutNobody,
	ChangeRunnerDisconnected:  {Target: true}, // the machine's name
	ChangeRunnerEnrolled:      {Target: true},
	ChangeRunnerInvited:       {Target: true},
	ChangeRunnerRevoked:       {Target: true},
	ChangeSecondStepFailed:    aboutTarget,
	ChangeSecondStepLocked:    aboutTarget,
	ChangeSessionCreated:      aboutAccount, // the device
	ChangeSessionRevoked:      aboutNobody,
	ChangeSettingsChanged:     aboutNobody,
	ChangeSignInLimited:       aboutTarget,
	ChangeSupportRequested:    aboutAccount, // the reason, in the person's words
	ChangeSupportEnded:        aboutAccount,
	ChangeSupportApproved:     aboutTarget,
	ChangeSupportDenied:       aboutTarget,
	ChangeSupportEntered:      aboutTarget,
	ChangeUserRecovered:       aboutTarget,
	ChangeUserReviewed:        aboutAccount,
	ChangeUserVerified:        aboutTarget,
	ChangeUserChanged:         aboutAccount, // names and addresses before and after
	ChangeUserCreated:         aboutAccount,
	ChangeUserDeleted:         aboutTarget,
	ChangeUserDisabled:        aboutAccount, // why
	ChangeUserEnabled:         aboutTarget,
	ChangeWebhookChanged:      aboutNobody,
	ChangeWebhookCreated:      aboutNobody,
	ChangeWebhookDeleted:      aboutNobody,
}

// AuditPersonalOf returns what is personal in the entries of an action: everything where nobody has
// said.
func AuditPersonalOf(action ChangeKind) AuditPersonal {
	if p, ok := auditPersonal[action]; ok {
		return p
	}
	return aboutAccount
}
