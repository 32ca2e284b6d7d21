package identity

import "github.com/pizzaface/pizzeria/registry"

// Ways are the ways to sign in, and Results what becomes of it, as they are counted and logged.
var (
	Ways    = []string{"password", "second_step", "passkey", "connection"}
	Results = []string{"in", "half", "refused", "limited", "full", "failed"}
)

// note counts a sign-in, and logs one that was refused: from where, and nothing that was typed.
func (s *Service) note(way string, c Client, l Login, err error) {
	result := "failed"
	switch code := registry.ErrorCode(err); {
	case err == nil && l.Second != "":
		result = "half"
	case err == nil:
		result = "in"
	case code == registry.Busy:
		result = "limited"
	case code == registry.Full:
		result = "full"
	case code != "":
		result = "refused"
	}
	if s.Noted != nil {
		s.Noted(way, result)
	}
	if result == "refused" || result == "limited" {
		s.log.Info("a sign-in is refused", "way", way, "why", result, "address", c.Address)
	}
}
