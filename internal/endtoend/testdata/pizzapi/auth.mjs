import { Database } from 'bun:sqlite'
import { BlockList, isIPv6 } from 'node:net'
import { betterAuth } from 'pizzapi-auth'
import { getMigrations } from 'pizzapi-auth/db'
import { apiKey } from 'pizzapi-auth/plugins'

export const env = process.env
export const base = env.PIZZAPI_BASE_URL
export const origins = [base, ...(env.PIZZAPI_EXTRA_ORIGINS ?? '').split(',').filter(Boolean)]

export const db = new Database(env.AUTH_DB_PATH)
db.exec('PRAGMA journal_mode = WAL')
export const auth = betterAuth({
  baseURL: env.BETTER_AUTH_BASE_URL,
  secret: env.BETTER_AUTH_SECRET,
  database: db,
  trustedOrigins: origins,
  emailAndPassword: { enabled: true },
  advanced: { ipAddress: { ipAddressHeaders: ['x-pizzapi-client-ip'] } },
  plugins: [apiKey({ enableSessionForAPIKeys: true, rateLimit: { enabled: false } })],
})

export async function migrate() {
  const { runMigrations } = await getMigrations(auth.options)
  await runMigrations()
}

const trusted = new BlockList()
for (const cidr of (env.PIZZAPI_TRUSTED_PROXY_CIDRS ?? '').split(',').filter(Boolean)) {
  const [net, bits] = cidr.split('/')
  trusted.addSubnet(net, Number(bits), isIPv6(net) ? 'ipv6' : 'ipv4')
}

// clientAddress is the last address that a trusted proxy names, or the peer's own.
export function clientAddress(req) {
  const peer = (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const named = (req.headers['x-forwarded-for'] ?? '').split(',').map((s) => s.trim()).filter(Boolean)
  return named.length && trusted.check(peer, isIPv6(peer) ? 'ipv6' : 'ipv4') ? named.at(-1) : peer
}

export async function ofCookie(headers) {
  try {
    return (await auth.api.getSession({ headers }))?.user ?? null
  } catch {
    return null // an API key that does not count
  }
}

export async function ofKey(key) {
  if (typeof key !== 'string' || !key) return null
  try {
    const { valid, key: found } = await auth.api.verifyApiKey({ body: { key } })
    return valid ? db.query('SELECT id, name, email FROM user WHERE id = ?').get(found.userId) : null
  } catch {
    return null
  }
}

export const whoAsks = async (headers) => (await ofCookie(headers)) ?? ofKey(headers.get('x-api-key'))

// mayRegister says whether anyone can make an account.
export const mayRegister = () =>
  env.PIZZAPI_DISABLE_SIGNUP_AFTER_FIRST_USER === 'false' || !db.query('SELECT 1 FROM user LIMIT 1').get()
