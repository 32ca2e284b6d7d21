package heartbeat

import (
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/internal/guard"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Pattern is where instances push their heartbeats, for a http.ServeMux.
const Pattern = "POST /instances/{org}/{generation}/heartbeat"

// pushEvery is how often one instance may push.
const pushEvery = 2 * time.Second

// URL is where an instance pushes its heartbeats.
func URL(issuer string, ref provision.Ref) string {
	return issuer + "/instances/" + string(ref.OrgID) + "/" +
		strconv.FormatInt(ref.Generation, 10) + "/heartbeat"
}

// Push takes heartbeats that instances push.
type Push struct {
	Store   registry.HeartbeatStore
	Tokens  *Tokens
	Record  *Recorder
	Counted Counter
	Issuer  func() string
	Log     *slog.Logger
	Now     func() time.Time

	pace pace
}

// ServeHTTP implements http.Handler. Whoever has no token of the instance learns nothing: not
// whether there is one, nor why it is refused.
func (p *Push) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	err := p.take(w, r)
	if err == nil {
		p.Counted(SourcePush, ResultOK)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	switch registry.ErrorCode(err) {
	case registry.CodeUnauthenticated, registry.CodeTooManyRequests:
		p.Counted(SourcePush, ResultRefused)
	default:
		p.Counted(SourcePush, ResultFailed)
	}
	wire.WriteProblem(w, r, p.Issuer(), err)
}

func (p *Push) take(w http.ResponseWriter, r *http.Request) error {
	ref, ok := p.instance(r)
	if !ok {
		return errToken()
	}
	guard.SignedIn(r.Context())
	if !p.pace.take(ref, p.Now()) {
		return registry.Errorf(registry.CodeTooManyRequests, "",
			"push a heartbeat every %s, and at most one in %s", registry.HeartbeatEvery, pushEvery)
	}
	wanted, err := p.Store.WantedGeneration(r.Context(), system, ref.OrgID)
	if err != nil && registry.ErrorCode(err) != registry.CodeNotFound {
		p.Log.Error("cannot take a heartbeat", "org", ref.OrgID, "error", err)
		return err
	}
	if err != nil || wanted != ref.Generation {
		return errToken()
	}
	if !isJSON(r) {
		return wire.ProblemOfStatus(r.Context(), http.StatusUnsupportedMediaType,
			"send the heartbeat as application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, registry.HeartbeatMax))
	if err != nil {
		return wire.ProblemOfStatus(r.Context(), http.StatusRequestEntityTooLarge,
			"a heartbeat has at most 16 KiB")
	}
	var h registry.Heartbeat
	if jose.DecodeStrict(body, &h, true) != nil {
		return wire.ProblemOfStatus(r.Context(), http.StatusBadRequest,
			"the body is no heartbeat: see the reference of instances")
	}
	if h.OrgID != ref.OrgID || h.Generation != ref.Generation {
		return registry.Errorf(registry.CodeInvalid, "generation",
			"org_id and generation must be those of the instance")
	}
	p.Record.Add(h)
	return nil
}

// instance returns the instance that a request is from, by its address and token.
func (p *Push) instance(r *http.Request) (ref provision.Ref, ok bool) {
	ref.OrgID = registry.OrgID(r.PathValue("org"))
	gen, err := strconv.ParseInt(r.PathValue("generation"), 10, 64)
	ref.Generation = gen
	bearer, has := wire.Bearer(r)
	return ref, has && err == nil && p.Tokens.Fits(bearer, p.Issuer(), ref)
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

func errToken() error {
	return registry.Errorf(registry.CodeUnauthenticated, "",
		"send the PIZZERIA_INSTANCE_TOKEN of the instance that runs now")
}

// pace bounds how often an instance pushes. It remembers only those that did a moment ago.
type pace struct {
	mu    sync.Mutex
	last  map[provision.Ref]time.Time
	swept time.Time
}

func (p *pace) take(ref provision.Ref, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	recent := func(at time.Time) bool { return now.Sub(at).Abs() < pushEvery }
	if p.last == nil || !recent(p.swept) {
		kept := map[provision.Ref]time.Time{}
		for ref, at := range p.last {
			if recent(at) {
				kept[ref] = at
			}
		}
		p.last, p.swept = kept, now
	}
	if recent(p.last[ref]) {
		return false
	}
	p.last[ref] = now
	return true
}
