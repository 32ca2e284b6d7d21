package registry

// SignInTo is where a sign-in leads that is to begin, and by which connection its browser is signed
// in now. What is "" there is not.
type SignInTo struct {
	App        ClientID // that asks for it
	Org        OrgID    // whose gateway asks for it
	Connection ConnectionID
}

// SignInPage is what a page to sign in needs of the registry. What is "" there is not, or no
// longer.
type SignInPage struct {
	AppName      string
	RedirectURIs []string // of the app
	OrgID        OrgID    // that the sign-in leads to: whose gateway asks for it, or whose app
	OrgName      string   // of an org whose gateway asks
	// Connections are the org's, everybody's and the one that the browser is signed in by, oldest
	// first.
	Connections []SignInConnection
}

// SignInConnection is what is shown of a connection to somebody who may sign in by it.
type SignInConnection struct {
	ID    ConnectionID
	OrgID OrgID // "": everybody's
	Name  string
}
