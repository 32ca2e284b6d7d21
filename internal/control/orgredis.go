package control

import (
	"context"

	"github.com/pizzaface/pizzeria/internal/orgredis"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// prefixVariable is what keys and channels of an org begin with in the Redis of instances.
const prefixVariable = "PIZZERIA_REDIS_PREFIX"

func (c *Control) redisUsers() *orgredis.Users {
	return orgredis.New(orgredis.Options{
		Config: func() *orgredis.Config { return c.Tunables().InstanceRedis },
		Store:  c.store, Key: c.Master, Metrics: c.Metrics.orgs, Log: c.Log, Other: c.redis.RunID,
		Installation: func() registry.InstallationID { return *c.installation.Load() },
		Uses: func(w registry.Work) bool {
			name, _ := c.Providers().Next(w)
			p, err := c.Providers().Get(name)
			return err == nil && usesRedis(p)
		},
	})
}

// usesRedis reports whether a provider's instances get a user where there is a Redis of instances.
func usesRedis(p provision.Provider) bool {
	r, ok := p.(provision.RedisUser)
	return ok && r.UsesRedis()
}

// useRedis is what an instance gets of the Redis of instances; see provision.Config.
func (c *Control) useRedis(
	ctx context.Context, p provision.Provider, ref provision.Ref,
) (env map[string]string, socket string, err error) {
	if !usesRedis(p) {
		return nil, "", nil
	}
	a, ok, err := c.orgs.Ensure(ctx, ref)
	if !ok || err != nil {
		return nil, "", err
	}
	return map[string]string{provision.RedisVariable: a.URL, prefixVariable: a.Prefix}, a.Socket, nil
}

// redisPlace identifies what instances keep of the Redis of instances from their start.
func (c *Control) redisPlace(p provision.Provider) []string {
	config := c.Tunables().InstanceRedis
	if config == nil || !usesRedis(p) {
		return nil
	}
	return []string{config.Place(), c.orgs.KeyID()}
}
