package wire

import "context"

type (
	requestIDKey struct{}
	clientIPKey  struct{}
)

// WithRequest notes the request's ID and the client's address, as the server knows them.
func WithRequest(ctx context.Context, id, clientIP string) context.Context {
	return context.WithValue(context.WithValue(ctx, requestIDKey{}, id), clientIPKey{}, clientIP)
}

// RequestID is the request's ID, "" when nobody noted one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// ClientIP is the client's address, "" when nobody noted one.
func ClientIP(ctx context.Context) string {
	ip, _ := ctx.Value(clientIPKey{}).(string)
	return ip
}
