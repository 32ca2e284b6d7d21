package registry

import (
	"context"
	"net/url"
	"slices"
	"time"
)

// WebhookID identifies a webhook: a UUIDv7.
type WebhookID string

// Webhook is an address that is told what changes in an org, or with OrgID "" on the platform.
type Webhook struct {
	ID        WebhookID    `json:"id" doc:"ID of the webhook (UUIDv7)"`
	OrgID     OrgID        `json:"org_id,omitempty" doc:"org whose changes it gets; absent: all changes"`
	URL       string       `json:"url" doc:"where messages are sent"`
	Events    []ChangeKind `json:"events" doc:"kinds of changes that are sent; empty: all"`
	Active    bool         `json:"active" doc:"messages are sent"`
	CreatedBy string       `json:"created_by" doc:"email address of the creator, or operator"`
	CreatedAt time.Time    `json:"created_at" doc:"when it was created"`
	Sealed    []byte       `json:"-"` // its secret
}

// WebhookChange is what changes of a webhook: what is not nil.
type WebhookChange struct {
	Version string // that it must have; "" for any
	URL     *string
	Events  *[]ChangeKind
	Active  *bool
}

// Delivery is one message to a webhook.
type Delivery struct {
	ID        string        `json:"id" doc:"ID of the message, as in the webhook-id header: the same for every try and replay"`
	WebhookID WebhookID     `json:"webhook_id" doc:"webhook that it was sent to"`
	Event     ChangeKind    `json:"event" doc:"kind of change, such as member.added"`
	State     DeliveryState `json:"state" enum:"pending,delivered,failed" doc:"pending: not accepted yet; failed: given up"`
	Attempts  int           `json:"attempts" doc:"tries so far"`
	Status    int           `json:"status,omitempty" doc:"HTTP status of the last answer"`
	Error     string        `json:"error,omitempty" doc:"why the last try failed"`
	CreatedAt time.Time     `json:"created_at" doc:"when the change happened"`
	TriedAt   time.Time     `json:"tried_at,omitzero" doc:"last try; absent: not tried yet"`
	NextAt    time.Time     `json:"next_at,omitzero" doc:"next try"`
	Body      string        `json:"body" doc:"JSON that was sent"`
}

// DeliveryState is how far a delivery is.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending DeliveryState = "pending"
	DeliveryDone    DeliveryState = "delivered"
	DeliveryGivenUp DeliveryState = "failed"
)

const (
	// WebhooksMax is how many webhooks an org has at most, and the platform.
	WebhooksMax = 20
	// DeliveryLife is how long deliveries are kept for their log and for replays.
	DeliveryLife = 7 * 24 * time.Hour
	// WebhookTest is the event that only a test sends.
	ChangeWebhookTest ChangeKind = "webhook.test"

	webhookURLMax = 2000 // bytes
)

// Task is a delivery that is due, with what it takes to send it.
type Task struct {
	Delivery
	OrgID  OrgID
	URL    string
	Sealed []byte

	ClaimedUntil time.Time // as ClaimDeliveries gave it; a later claim has a later one
}

// WebhookEvents lists what a webhook of an org can be told of, or with OrgID "" one of the platform.
func WebhookEvents(org OrgID) []ChangeKind {
	if org == "" {
		return append(AuditActions(), ChangeAuditHead)
	}
	return AuditActions()
}

// CheckWebhook returns a CodeInvalid error when an address or event cannot be a webhook's.
func CheckWebhook(org OrgID, address string, events []ChangeKind) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" || len(address) > webhookURLMax || !isStorable(address) {
		return Errorf(CodeInvalid, "url", "write a URL like https://example.com/hook, without a user or a fragment")
	}
	for _, e := range events {
		if !slices.Contains(WebhookEvents(org), e) {
			return Errorf(CodeInvalid, "events", "%q is not an event: see the reference of the API", string(e))
		}
	}
	return nil
}

// WebhookReader reads webhooks.
type WebhookReader interface {
	Webhooks(ctx context.Context, a Actor, org OrgID) ([]Webhook, error)
}

// WebhookStore changes webhooks and lists what was sent.
type WebhookStore interface {
	UpdateWebhook(ctx context.Context, a Actor, org OrgID, id WebhookID, change WebhookChange) error
	DeleteWebhook(ctx context.Context, a Actor, org OrgID, id WebhookID) error
	Deliveries(
		ctx context.Context, a Actor, org OrgID, id WebhookID, l List,
	) (Page[Delivery], error)
}

// DeliveryStore is the queue of messages to webhooks.
type DeliveryStore interface {
	CreateWebhook(ctx context.Context, a Actor, w Webhook) (Webhook, error)
	TestWebhook(ctx context.Context, a Actor, org OrgID, id WebhookID) error
	ReplayDelivery(ctx context.Context, a Actor, org OrgID, id WebhookID, delivery string) error
	SpreadChanges(ctx context.Context, a Actor) error
	ClaimDeliveries(ctx context.Context, a Actor, limit int) ([]Task, error)
	ReleaseDelivery(ctx context.Context, a Actor, m Task) error
	ReportDelivery(
		ctx context.Context, a Actor, m Task, status int, failure string, next time.Time,
	) error
}
