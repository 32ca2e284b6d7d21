// Package cli is the command line of the control plane: everything that the
// management API does, for people and for scripts.
//
// A command is a thin client of the API: it decides nothing, knows no store and
// no Caddy. It speaks over Caddy's admin socket, as the operator, or with a
// server's URL and an API key from anywhere; contexts name several servers.
// Tables are for people; -o json and -o yaml print what the API answers.
// Exit status: 0 done, 1 failed, 2 wrong use.
package cli
