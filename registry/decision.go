package registry

// Decision is the answer to a request.
type Decision bool

// The decisions. The zero Decision denies.
const (
	DecisionDeny    Decision = false
	DecisionApprove Decision = true
)
