// Package intruder tries, from inside an instance, to reach what is not the org's: other instances,
// the server, the machine. Each try says what it got.
//
// It runs as the program of a sandbox that is made as the org's instance is: in tests, and for
// `pizzeria verify-isolation --instances`. It changes nothing that it reaches: what it can move, it moves
// back.
package intruder
