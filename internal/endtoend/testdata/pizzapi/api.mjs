import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { auth, db, env, mayRegister, whoAsks } from './auth.mjs'
import { runnersOf } from './sockets.mjs'

const attachments = env.PIZZAPI_ATTACHMENT_DIR
const largest = Number(env.PIZZAPI_ATTACHMENT_MAX_FILE_SIZE_BYTES ?? 30 << 20) // bytes of one attachment
const takesFiles = /^\/api\/(sessions\/[^/]+\/)?attachments$/
mkdirSync(attachments, { recursive: true })
db.exec(`CREATE TABLE IF NOT EXISTS attachments (id TEXT PRIMARY KEY, user TEXT, name TEXT);
  CREATE TABLE IF NOT EXISTS claims (id TEXT PRIMARY KEY, user TEXT);
  CREATE TABLE IF NOT EXISTS subscriptions (user TEXT, endpoint TEXT)`)

const refused = (status, error) => Response.json({ error }, { status })

const settings = { // that others than this program read
  key: env.ANTHROPIC_API_KEY, kept: env.PIZZAPI_ATTACHMENT_TTL_MS, contact: env.VAPID_SUBJECT, ntfy: env.PIZZAPI_NTFY_URL,
}
let seen = {}
export const note = (req) => { seen = { url: req.url, headers: req.headers } }

// sessionLives says whether better-auth still has the session of a cookie's value.
const sessionLives = (cookie) => db.query('SELECT 1 FROM session WHERE token = ?').get(cookie.split('.')[0]) !== null

async function register(req) {
  const { name, email, password } = await req.json()
  const known = db.query('SELECT id FROM user WHERE email = ?').get(email)
  if (!known && !mayRegister()) return refused(403, 'Registration is not available.')
  const { user } = known
    ? await auth.api.signInEmail({ body: { email, password } })
    : await auth.api.signUpEmail({ body: { name, email, password } })
  const { key } = await auth.api.createApiKey({ body: { name: 'cli', userId: user.id } })
  return Response.json({ ok: true, key })
}

async function upload(req, user) {
  const body = await req.arrayBuffer()
  if (body.byteLength > largest) return refused(413, 'Too large')
  const id = crypto.randomUUID()
  await Bun.write(join(attachments, id), body)
  db.query('INSERT INTO attachments VALUES (?, ?, ?)').run(id, user.id, req.headers.get('x-name') ?? '')
  return Response.json({ id, size: body.byteLength })
}

function download(id, user) {
  const row = db.query('SELECT user FROM attachments WHERE id = ?').get(id)
  if (!row) return refused(404, 'Not found')
  if (row.user !== user.id) return refused(403, 'Forbidden')
  return new Response(Bun.file(join(attachments, id)))
}

function claim(path, method, user) {
  const [, id, verb] = path.split('/').slice(2)
  if (!id && method === 'POST') {
    const made = crypto.randomUUID()
    db.query('INSERT INTO claims VALUES (?, NULL)').run(made)
    return Response.json({ id: made, status: 'pending' })
  }
  if (verb === 'approve') {
    if (!user) return refused(401, 'Unauthorized')
    db.query('UPDATE claims SET user = ? WHERE id = ?').run(user.id, id)
  }
  const row = db.query('SELECT user FROM claims WHERE id = ?').get(id)
  return row ? Response.json({ id, status: row.user ? 'approved' : 'pending' }) : refused(404, 'Not found')
}

// api answers what is below /api, but for better-auth's.
export async function api(req, path) {
  if (path === '/api/register' && req.method === 'POST') return register(req)
  if (path === '/api/signup-status') return Response.json({ signupEnabled: mayRegister() })
  if (path === '/api/test/seen') return Response.json(seen)
  if (path === '/api/test/settings') return Response.json(settings)
  if (path === '/api/test/environment') return Response.json(Object.keys(env))
  if (path === '/api/test/session') return Response.json({ lives: sessionLives(await req.text()) })
  if (path.startsWith('/api/webhooks/') && path.endsWith('/fire')) return Response.json({ fired: path.split('/')[3] })
  const user = await whoAsks(req.headers)
  if (path.startsWith('/api/setup-claim')) return claim(path, req.method, user)
  if (!user) return refused(401, 'Unauthorized')
  if (path === '/api/me') return Response.json({ id: user.id, name: user.name, email: user.email })
  if (path === '/api/runners') return Response.json(runnersOf(user.id))
  if (takesFiles.test(path) && req.method === 'POST') return upload(req, user)
  if (path.startsWith('/api/attachments/')) return download(path.split('/')[3], user)
  if (path === '/api/push/vapid-public-key') return Response.json({ publicKey: env.VAPID_PUBLIC_KEY ?? '' })
  if (path.startsWith('/api/tunnel/')) { // what a runner's machine serves, which nobody trusts
    return new Response(`<html><head></head><body>${JSON.stringify(Object.fromEntries(req.headers))}</body></html>`, {
      headers: { 'content-type': 'text/html', 'content-security-policy': 'sandbox allow-scripts' },
    })
  }
  return refused(404, 'Not found')
}
