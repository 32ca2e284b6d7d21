package identity

import "time"

// AttemptLife is how long each step of a sign-in waits for the next one: a page left open, a
// provider's form, the second factor, the choice between two accounts, the set-up of a factor.
const AttemptLife = time.Hour
