import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { genericOAuth } from 'better-auth/plugins'
import { go, finish, must, env } from './browser.mjs'

const database = { user: [], session: [], account: [], verification: [] }
const auth = betterAuth({
  baseURL: env.BASE,
  secret: env.BETTER_AUTH_SECRET,
  database: memoryAdapter(database),
  plugins: [genericOAuth({ config: [{
    providerId: 'pizzeria',
    clientId: env.CLIENT_ID,
    clientSecret: env.CLIENT_SECRET,
    discoveryUrl: env.ISSUER + '/.well-known/openid-configuration',
    scopes: ['openid', 'profile', 'email'],
    pkce: true,
  }] })],
})
const begun = await auth.handler(new Request(env.BASE + '/api/auth/sign-in/social', {
  method: 'POST',
  headers: { 'content-type': 'application/json', origin: env.BASE },
  body: JSON.stringify({ provider: 'pizzeria', callbackURL: '/' }),
}))
must(begun.ok, 'better-auth does not begin: ' + begun.status)
const cookies = begun.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ')
const came = await go((await begun.json()).url)
const ended = await auth.handler(new Request(came, { headers: { cookie: cookies } }))
must(ended.status === 302 && !ended.headers.get('location').includes('error'), 'it answers ' + ended.status + ' ' + ended.headers.get('location'))
must(database.session.length === 1, 'it has no session')
finish(database.user[0])
