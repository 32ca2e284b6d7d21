import * as client from 'openid-client'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { go, finish, must, env } from './browser.mjs'

const config = await client.discovery(new URL(env.ISSUER), env.CLIENT_ID, env.CLIENT_SECRET)
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const came = await go(client.buildAuthorizationUrl(config, {
  redirect_uri: env.BACK,
  scope: 'openid profile email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
  max_age: '3600',
}))
const tokens = await client.authorizationCodeGrant(config, came, { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 3600, idTokenExpected: true })
const { sub } = tokens.claims()
const person = await client.fetchUserInfo(config, tokens.access_token, sub)

// jose agrees with it about the ID token, and refuses the access token in its place.
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
const { payload } = await jwtVerify(tokens.id_token, keys, { issuer: env.ISSUER, audience: env.CLIENT_ID, typ: 'JWT', algorithms: ['ES256'] })
must(payload.sub === sub, 'another subject')
await jwtVerify(tokens.access_token, keys, { issuer: env.ISSUER, audience: env.CLIENT_ID }).then(() => must(false, 'an access token is an ID token'), () => {})

const next = await client.refreshTokenGrant(config, tokens.refresh_token)
must(next.refresh_token !== tokens.refresh_token, 'the refresh token stays')
must((await client.tokenIntrospection(config, next.access_token)).active, 'introspection')
await client.tokenRevocation(config, next.refresh_token)
must(!(await client.tokenIntrospection(config, next.access_token)).active, 'active after the revocation')
must(client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: env.BACK }).pathname === '/end-session', 'no end session')
finish(person)
