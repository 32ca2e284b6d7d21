package redistest

import "errors"

// Stall is for Unix.
func (*Server) Stall() error { return errors.ErrUnsupported }

// Wake is for Unix.
func (*Server) Wake() error { return errors.ErrUnsupported }
