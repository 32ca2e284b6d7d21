package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/pizzaface/pizzeria/identity/token"
)

// parseApp parses the global option. Syntax:
//
//	pizzeria {
//		domain        <name>
//		issuer        <url>
//		prefix        <path>
//		store         <kind> ...
//		provider      <kind> [<name>] ...
//		data_dir      <path>
//		node          <name>
//		secret_key    <file> | env <NAME>
//		signing_algorithm <ES256|EdDSA>
//		health_path   <path>
//		health_interval <duration> | off
//		health_failures <number>
//		health_restart_after <duration> | off
//		settings      { ... }
//		plan          <name> { ... }
//		mail          <host:port> { ... }
//		redis         { ... }
//		instance_redis { ... }
//		webhook_allow <prefix>...
//		connection_allow <prefix>...
//		resolvers     <host[:port]>...
//		offline_grace <duration>
//		session_idle  <duration>
//		session_lifetime <duration>
//		audit_keep    <duration>
//		disable_dormant <duration>
//		cache_size    <number>
//		limits        { ... }
//		http3
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if err := checkPlaceholders(d); err != nil {
		return nil, err
	}
	d.Next()
	if existing != nil {
		return nil, d.Err("pizzeria is configured twice: use one block")
	}
	a := new(App)
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	seen := map[string]bool{}
	var sessions, plans []caddyfile.Dispenser // where they are
	var node, instanceRedis *caddyfile.Dispenser
	for d.NextBlock(0) {
		name := d.Val()
		if seen[name] && name != "plan" && name != "provider" { // there are several
			return nil, d.Errf("%s is given twice", name)
		}
		seen[name] = true
		var err error
		switch name {
		case "domain":
			if err = oneArg(d, &a.Domain); err == nil {
				_, err = token.NewSite(expanded(a.Domain), "", "")
			}
		case "issuer":
			if err = oneArg(d, &a.Issuer); err == nil {
				_, err = token.NewSite("example.com", expanded(a.Issuer), "")
			}
		case "prefix":
			if err = oneArg(d, &a.Prefix); err == nil {
				_, err = token.NewSite("example.com", "", expanded(a.Prefix))
			}
		case "data_dir":
			err = oneArg(d, &a.DataDir)
		case "node":
			at := *d
			node = &at
			if err = oneArg(d, &a.Node); err == nil {
				err = checkNode(expanded(a.Node))
			}
		case "secret_key":
			a.SecretKey, err = keyArg(d)
		case "signing_algorithm":
			if err = oneArg(d, &a.SigningAlgorithm); err == nil {
				err = checkAlgorithm(expanded(a.SigningAlgorithm))
			}
		case "health_path":
			if err = oneArg(d, &a.HealthPath); err == nil {
				err = checkHealthPath(expanded(a.HealthPath))
			}
		case "health_interval":
			if err = durationOrOff(d, &a.HealthInterval); err == nil {
				err = a.checkHealth()
			}
		case "health_failures":
			if err = intArg(d, &a.HealthFailures); err == nil {
				err = a.checkHealth()
			}
		case "health_restart_after":
			if err = durationOrOff(d, &a.HealthRestartAfter); err == nil {
				err = a.checkHealth()
			}
		case "offline_grace":
			if err = durationArg(d, &a.OfflineGrace); err == nil {
				err = a.checkBounds()
			}
		case "session_idle", "session_lifetime":
			sessions = append(sessions, *d)
			err = a.parseSession(d, name)
		case "audit_keep":
			if err = durationArg(d, &a.AuditKeep); err == nil {
				err = a.checkBounds()
			}
		case "disable_dormant":
			if err = durationArg(d, &a.DisableDormant); err == nil {
				err = a.checkBounds()
			}
		case "cache_size":
			if err = intArg(d, &a.CacheSize); err == nil {
				err = a.checkBounds()
			}
		case "limits":
			a.Limits, err = parseLimits(d)
		case "http3":
			if a.HTTP3 = true; d.NextArg() {
				err = d.Err("http3 takes no argument")
			}
		case "settings":
			a.Settings, err = parseSettings(d)
		case "plan":
			plans = append(plans, *d)
			err = parsePlan(d, a)
		case "mail":
			a.Mail, err = parseMail(d)
		case "redis":
			a.Redis, err = parseRedis(d)
		case "instance_redis":
			at := *d
			instanceRedis = &at
			a.InstanceRedis, err = parseInstanceRedis(d)
		case "webhook_allow":
			if a.WebhookAllow = d.RemainingArgs(); len(a.WebhookAllow) == 0 {
				err = d.ArgErr()
			} else {
				_, err = prefixes(name, expanded(a.WebhookAllow))
			}
		case "connection_allow":
			if a.ConnectionAllow = d.RemainingArgs(); len(a.ConnectionAllow) == 0 {
				err = d.ArgErr()
			} else {
				_, err = prefixes(name, expanded(a.ConnectionAllow))
			}
		case "resolvers":
			if a.Resolvers = d.RemainingArgs(); len(a.Resolvers) == 0 {
				err = d.ArgErr()
			} else {
				_, err = resolvers(expanded(a.Resolvers))
			}
		case "store":
			a.StoreRaw, err = guest(d, "pizzeria.stores.")
		case "provider":
			err = a.parseProvider(d)
		default:
			return nil, d.Errf("unknown option %q: use domain, issuer, prefix, store, provider, settings, plan, mail, redis, instance_redis, webhook_allow, connection_allow, resolvers, data_dir, node, secret_key, signing_algorithm, health_path, health_interval, health_failures, health_restart_after, offline_grace, session_idle, session_lifetime, audit_keep, disable_dormant, cache_size, limits or http3", name)
		}
		if err != nil {
			return nil, located(d, err)
		}
	}
	a.useParsed()
	if err := a.checkSessions(); err != nil {
		return nil, sessions[len(sessions)-1].WrapErr(err)
	}
	if node != nil && !a.storeIsShared() {
		return nil, node.WrapErr(errNodeStore)
	}
	if instanceRedis != nil {
		if err := expanded(a.InstanceRedis).CheckApart(expanded(a.Redis)); err != nil {
			return nil, instanceRedis.WrapErr(err)
		}
	}
	for _, d := range plans {
		d.NextArg()
		if err := expanded(a.Plans[d.Val()]).checkSessions(a.sessions()); err != nil {
			return nil, d.WrapErr(fmt.Errorf("plan %s: %w", d.Val(), err))
		}
	}
	if a.Domain == "" {
		return nil, d.Err("pizzeria needs a domain: the name below which orgs live, such as `domain pizzapi.example.com`")
	}
	return httpcaddyfile.App{Name: "pizzeria", Value: caddyconfig.JSON(a, nil)}, nil
}

// keyArg parses where the secret key is: `<file>`, or `env <NAME>`.
func keyArg(d *caddyfile.Dispenser) (string, error) {
	switch args := d.RemainingArgs(); {
	case len(args) == 1 && args[0] != "env":
		return args[0], nil
	case len(args) == 2 && args[0] == "env":
		return args[0] + ":" + args[1], nil
	}
	return "", d.Err("secret_key names a file, or a variable of the environment as `env NAME`")
}

func checkAlgorithm(name string) error {
	if slices.Contains(token.Algorithms(), name) {
		return nil
	}
	return fmt.Errorf("signing_algorithm: %q is none of %s", name, strings.Join(token.Algorithms(), " and "))
}

// prefixes parses networks as IP prefixes; an address alone is itself.
func prefixes(option string, texts []string) (out []netip.Prefix, err error) {
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if a, err2 := netip.ParseAddr(s); err2 == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a network: write one like 10.1.0.0/16", option, s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// resolvers completes the addresses of DNS servers with their port.
func resolvers(texts []string) (out []string, err error) {
	for _, s := range texts {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			host, port = strings.Trim(s, "[]"), "53"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" || strings.ContainsAny(host, "/ @") {
			return nil, fmt.Errorf("resolvers: %q is not a DNS server: write one like 10.0.0.53 or 10.0.0.53:5353", s)
		}
		out = append(out, net.JoinHostPort(host, port))
	}
	return out, nil
}

// checkBounds checks the numbers that are set.
func (a *App) checkBounds() error {
	if g := a.OfflineGrace; g != nil && (*g < 0 || time.Duration(*g) > 24*time.Hour) {
		return errors.New("offline_grace must be at most 24h")
	}
	if k := a.AuditKeep; k != nil && time.Duration(*k) < 30*24*time.Hour {
		return errors.New("audit_keep must be at least 30d: leave it out to keep the audit log for ever")
	}
	if d := a.DisableDormant; d != nil && time.Duration(*d) < 30*24*time.Hour {
		return errors.New("disable_dormant must be at least 30d: leave it out to disable no account")
	}
	if c := a.CacheSize; c != nil && *c < 100 {
		return errors.New("cache_size must be at least 100")
	}
	if l := a.Limits; l != nil && (valueOr(l.Connections, 1) < 1 || valueOr(l.Requests, 1) < 1) {
		return errors.New("limits are above zero")
	}
	return nil
}

// guestKind parses `<kind>`, which names a guest module.
func guestKind(d *caddyfile.Dispenser, namespace string) (string, error) {
	what := d.Val()
	if !d.NextArg() {
		return "", d.ArgErr()
	}
	kind := d.Val()
	if _, err := caddy.GetModule(namespace + kind); err != nil {
		var have []string
		for _, m := range caddy.GetModules(strings.TrimSuffix(namespace, ".")) {
			have = append(have, m.ID.Name())
		}
		return "", d.Errf("there is no %s %q in this build: use %s", what, kind, strings.Join(have, " or "))
	}
	return kind, nil
}

// guest parses `<kind> ...` as the guest module of that kind.
func guest(d *caddyfile.Dispenser, namespace string) (json.RawMessage, error) {
	kind, err := guestKind(d, namespace)
	if err != nil {
		return nil, err
	}
	u, err := caddyfile.UnmarshalModule(d, namespace+kind)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(u, "kind", kind, nil), nil
}
