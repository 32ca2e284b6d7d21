package agent

// hide does nothing: macOS shows processes of the same user.
func hide() error { return nil }
