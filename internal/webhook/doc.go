// Package webhook tells addresses that orgs name what changes.
//
// It follows the change feed with a place of its own in the store, makes a
// message for every webhook that wants a change, and sends what is due: signed
// (Standard Webhooks 1.0, HMAC-SHA-256), at least once, with longer and longer
// pauses after a failure, until it arrives or is given up after about a day.
//
// An address that somebody names is an attack on what the control plane can
// reach: it is judged when it is dialled, after names were resolved, no redirect
// is followed, and of an answer only its status is kept.
package webhook
