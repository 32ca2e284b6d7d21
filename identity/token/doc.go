// Package token is what the tokens of an installation are: key rings, claims, issuing and
// verifying, the texts of keys, and the site that they are good for.
//
// It knows no accounts and links no store, so that a gateway can verify sessions and sign assertions
// by itself. A Ring reads its sealed keys from a registry.KeyStore, or takes them from a snapshot.
package token
