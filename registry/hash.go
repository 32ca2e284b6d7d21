package registry

// Hash is the SHA-256 of a secret that only its holder knows.
type Hash [32]byte
