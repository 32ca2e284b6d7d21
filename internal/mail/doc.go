// Package mail writes letters to people and sends them over SMTP.
//
// A letter is rendered and sealed at once, kept in the store, and sent as soon as
// it can be: with longer and longer pauses after a failure, for about a day. The
// connection is encrypted unless the operator says otherwise. The operator's
// own templates take the place of ours, kind by kind.
package mail
