package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// SecretPrefix begins every secret in text form.
const SecretPrefix = "whsec_"

// NewSecret makes a webhook's secret: 256 random bits.
func NewSecret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// Text is a secret as its holder gets it.
func Text(secret []byte) string { return SecretPrefix + base64.StdEncoding.EncodeToString(secret) }

// Sign returns the signature of a message: HMAC-SHA-256 over its ID, its time
// in Unix seconds and its body, joined by dots (Standard Webhooks 1.0).
func Sign(secret []byte, id string, at time.Time, body string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
