import * as oauth from 'oauth4webapi'
import { go, finish, must, env } from './browser.mjs'

const issuer = new URL(env.ISSUER)
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer))
const client = { client_id: env.CLIENT_ID }
const auth = oauth.ClientSecretBasic(env.CLIENT_SECRET)
const verifier = oauth.generateRandomCodeVerifier()
const nonce = oauth.generateRandomNonce()

const to = new URL(server.authorization_endpoint)
for (const [name, value] of Object.entries({
  client_id: client.client_id,
  redirect_uri: env.BACK,
  response_type: 'code',
  scope: 'openid profile email offline_access',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  nonce,
})) to.searchParams.set(name, value)

// It checks `iss` because the metadata says that it comes.
must(server.authorization_response_iss_parameter_supported, 'no iss')
const params = oauth.validateAuthResponse(server, client, await go(to), oauth.expectNoState)
const tokens = await oauth.processAuthorizationCodeResponse(server, client, await oauth.authorizationCodeGrantRequest(server, client, auth, params, env.BACK, verifier), { expectedNonce: nonce, requireIdToken: true })
const { sub } = oauth.getValidatedIdTokenClaims(tokens)
const person = await oauth.processUserInfoResponse(server, client, sub, await oauth.userInfoRequest(server, client, tokens.access_token))
const next = await oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, auth, tokens.refresh_token))
await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, next.refresh_token))
const again = await oauth.refreshTokenGrantRequest(server, client, auth, next.refresh_token)
await oauth.processRefreshTokenResponse(server, client, again).then(() => must(false, 'refreshed after the revocation'), (e) => must(e.error === 'invalid_grant', e))
finish(person)
