// Package identity says who somebody is: accounts and passwords, sign-in
// sessions, key rings, tokens, and the core of the OpenID provider.
//
// Flow of a sign-in to an org: the gateway sends the browser to Authorize, which
// answers with a one-time code when there is a live sign-in session of a member;
// the gateway redeems it at Redeem and gets an ID token and an org session, a
// JWT that it keeps in its own cookie and verifies by itself from then on. For
// every instance it mints assertions with a ring of their own.
//
// Invariants:
//   - Each kind of token has its own typ, audience and ring; a verifier accepts one kind.
//   - The algorithm comes from the key, never from the token (RFC 8725).
//   - Passwords, session tokens, codes and links are stored hashed; private keys sealed.
//   - Sign-in takes the same path and time whether or not an account exists.
//   - The number of password hashes computed at once, and waiting, is bounded.
//
// Transport stays outside: handlers in internal/console and internal/api call it.
package identity
