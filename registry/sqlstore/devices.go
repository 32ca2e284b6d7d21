package sqlstore

import (
	"context"
	"crypto/rand"

	"github.com/pizzaface/pizzeria/registry"
)

const deviceQuery = `SELECT d.user_code, d.client_id, d.address, d.user_agent, d.created_at FROM device_codes d`

func scanDevice(r scanner) (d registry.DeviceRequest, err error) {
	err = r.Scan(&d.UserCode, &d.ClientID, &d.Address, &d.UserAgent, (*micros)(&d.CreatedAt))
	return d, err
}

func errNoDevice() error {
	return registry.Errorf(registry.CodeGone, "user_code", "no device waits with this code: it was answered, or has expired after %d minutes", int(registry.DeviceLife.Minutes()))
}

// CreateDeviceRequest lets a device wait to be signed in. For the system.
func (s *Store) CreateDeviceRequest(ctx context.Context, a registry.Actor, d registry.DeviceRequest) error {
	if err := only(a); err != nil {
		return err
	}
	if len(d.UserAgent) > 200 {
		d.UserAgent = d.UserAgent[:200]
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		return t.must(`INSERT INTO device_codes (hash, user_code, client_id, address, user_agent, created_at, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7)`,
			d.Code[:], d.UserCode, d.ClientID, d.Address, d.UserAgent, us(t.now), us(t.now.Add(registry.DeviceLife)))
	})
}

// DeviceRequest returns the device that waits with a code. For people who are signed in. Error: CodeGone.
func (s *Store) DeviceRequest(ctx context.Context, a registry.Actor, userCode string) (registry.DeviceRequest, error) {
	if err := own(a, a.User, registry.ActionAccountManage, s.now()); err != nil {
		return registry.DeviceRequest{}, err
	}
	return one(ctx, s.read, scanDevice, errNoDevice(), deviceQuery+` WHERE d.user_code = $1 AND d.state = 'pending' AND d.expires_at > $2`, userCode, us(s.now()))
}

// DecideDevice signs the device that waits with a code in as the actor, in a
// session of its own, or refuses it. For people who are signed in, and once. Error: CodeGone.
func (s *Store) DecideDevice(ctx context.Context, a registry.Actor, userCode string, decision registry.Decision) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := own(a, a.User, registry.ActionCredentialMake, t.now); err != nil {
			return err
		}
		state, id := "denied", registry.SessionID("")
		if decision == registry.DecisionApprove {
			state, id = "approved", registry.SessionID(registry.NewID())
		}
		d, err := one(t.ctx, t, scanDevice, errNoDevice(), `UPDATE device_codes SET state = $2, session_id = $3 WHERE user_code = $1 AND state = 'pending' AND expires_at > $4
			RETURNING user_code, client_id, address, user_agent, created_at`, userCode, state, id, us(t.now))
		if err != nil || decision == registry.DecisionDeny {
			return err
		}
		// Nobody has the token of this session: it lets in what the device is given, and nothing else.
		var nobodys registry.Hash
		_, _ = rand.Read(nobodys[:]) // never fails (crypto/rand)
		n, err := t.exec(`INSERT INTO sessions (id, token_hash, user_id, auth_time, created_at, last_seen_at, expires_at, address, user_agent, device, methods, connection_id, via_org)
			SELECT $2, $7, s.user_id, s.auth_time, $1, $1, $3, $4, $5, {true}, s.methods, s.connection_id, s.via_org FROM sessions s WHERE `+t.moment().live()+` AND s.id = $6`,
			us(t.now), id, us(t.now.Add(t.lifetimes.Absolute.Duration())), d.Address, d.UserAgent, a.Session, nobodys[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoSession()
		}
		return t.record(registry.Change{Kind: registry.ChangeSessionCreated, UserID: a.User, SessionID: id}, a.Name(), "device: "+d.UserAgent)
	})
}

// RedeemDevice answers a device that asks whether it is signed in. For the system.
// Errors: CodeConflict (not yet), CodeTooManyRequests (it asks too often), CodeForbidden (refused), CodeGone.
func (s *Store) RedeemDevice(ctx context.Context, a registry.Actor, code registry.Hash, g registry.Grant, refresh registry.Hash) (registry.Grant, error) {
	if err := only(a); err != nil {
		return g, err
	}
	var answer error
	err := s.recording(ctx, a, func(t *tx) error {
		answer = nil
		var state string
		var polled micros
		id, err := one(t.ctx, t, func(r scanner) (id registry.SessionID, err error) {
			err = r.Scan(&state, &id, &polled)
			return id, err
		}, errNoDevice(), `SELECT state, session_id, polled_at FROM device_codes WHERE hash = $1 AND client_id = $2 AND expires_at > $3`, code[:], g.ClientID, us(t.now))
		if err != nil {
			return err
		}
		switch state {
		case "pending":
			answer = registry.Errorf(registry.CodeConflict, "", "nobody has answered yet")
			if t.now.Before(timeOf(polled).Add(registry.DeviceInterval)) {
				answer = registry.Errorf(registry.CodeTooManyRequests, "", "ask every %d seconds", int(registry.DeviceInterval.Seconds()))
			}
			return t.must(`UPDATE device_codes SET polled_at = $2 WHERE hash = $1`, code[:], us(t.now))
		case "denied":
			answer = registry.Errorf(registry.CodeForbidden, "", "it was refused")
		}
		if err := t.must(`DELETE FROM device_codes WHERE hash = $1`, code[:]); err != nil || answer != nil {
			return err
		}
		g.Session.ID = id
		if g.User, err = one(t.ctx, t, scanUser, errNoDevice(), `SELECT `+userColumns+` FROM sessions s JOIN users u ON u.id = s.user_id WHERE `+t.moment().alive()+` AND s.id = $2`, us(t.now), id); err != nil {
			return err
		}
		if err := t.keepGrant(g, refresh); err != nil {
			return err
		}
		g, err = grantByID(t.ctx, t, t.moment(), g.ID)
		return err
	})
	if err == nil {
		err = answer
	}
	return g, err
}
