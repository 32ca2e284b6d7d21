package registry

import "context"

// IdempotencyStore keeps the answers of requests that may be repeated.
type IdempotencyStore interface {
	BeginIdempotent(
		ctx context.Context, a Actor, key string, request Hash,
	) (answer []byte, err error)
	FinishIdempotent(ctx context.Context, a Actor, key string, answer []byte) error
}
