// Package assertion verifies assertions: the short-lived tokens with which the gateway tells an
// org's instance who makes a request. Use it in Go apps that run behind Pizzeria:
//
//	verifier, err := assertion.FromEnv()
//	if err != nil {
//		return err
//	}
//	http.ListenAndServe(address, verifier.Handler(app))
//
// In a handler, [FromContext] returns the person's claims. The package needs the standard library
// and jwx only, not the rest of this module.
package assertion
