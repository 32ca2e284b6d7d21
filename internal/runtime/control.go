package runtime

import (
	"net/http"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
)

// sealedAttempts is what the gateway's cookies of sign-in attempts are sealed for.
const sealedAttempts = "tx-cookie"

// control is the control plane of this process, as its gateway sees it.
type control struct {
	*identity.Service
	http.Handler
}

// Interface guard
var _ origin.Origin = control{}
