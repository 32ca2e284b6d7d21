// Package isolation attacks an installation from outside, in the name of one
// org against another, and reports what held: `pizzeria verify-isolation`.
//
// It needs nothing of the app but that it answers: each org has a runner, whose
// token lets it in as a person's session would. What an instance is given can be
// looked at only where the app has a path that answers with the headers that it
// got; elsewhere those checks say that they were not made.
//
// A check sends what an attacker would and judges the answer. None of them
// changes anything, but for the last, which ends what it began with.
package isolation
