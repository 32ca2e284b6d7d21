// Package pizzapi makes PizzaPi, unmodified, an org's instance: it is the agent's profile pizzapi.
//
// PizzaPi knows accounts with a password (better-auth), and API keys. So the agent keeps an account
// for each person, {sub}@people.invalid, with a password that it derives from a secret of the
// instance. It signs in to it itself, and puts its session into the person's requests in place of
// what the browser sent. No credential of PizzaPi's ever reaches a browser: cookies are removed in
// both directions, and get-session is answered without the session's token.
//
// What an [App] does to a request, in this order:
//
//   - Judge refuses what manages accounts, and answers what is the agent's own: the service worker,
//     the script, health, get-session, sign-out.
//   - Rewrite sets the headers that PizzaPi trusts.
//   - Modify removes cookies from answers and adds the script to pages.
//
// API keys and the sockets that they open are PizzaPi's own. When somebody is gone, [App.Revoke]
// deletes their keys and sessions; the agent then closes the sockets of nobody in particular, since
// it cannot tell whose they are.
//
// The package starts no process, and decides about nobody's access: the gateway does.
package pizzapi
