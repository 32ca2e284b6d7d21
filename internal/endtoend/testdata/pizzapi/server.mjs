import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { api, note } from './api.mjs'
import { auth, clientAddress, env, mayRegister, migrate } from './auth.mjs'
import { connect, health, upgrade } from './sockets.mjs'

const began = Date.now()
const policy = "default-src 'self'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'"

async function answer(req, path) {
  if (path === '/health') {
    const status = health.redis && health.socketio ? 'ok' : 'degraded'
    return Response.json({ status, ...health, uptime: (Date.now() - began) / 1000 })
  }
  if (path === '/api/auth/sign-up/email' && !mayRegister()) return Response.json({ error: 'Signups are disabled.' }, { status: 403 })
  if (path.startsWith('/api/auth')) return auth.handler(req)
  if (path.startsWith('/api/')) return api(req, path)
  if (path === '/healthz') return new Response('Not found', { status: 404 }) // it has none
  if (path === '/_tunnel') return new Response('Expected WebSocket upgrade', { status: 426 })
  const file = Bun.file(join(env.PIZZAPI_UI_DIR, normalize(extname(path) ? path : '/index.html')))
  return (await file.exists()) ? new Response(file) : new Response('Not found', { status: 404 })
}

function asked(req) {
  const url = new URL(req.url ?? '/', `${req.headers['x-forwarded-proto'] ?? 'http'}://${req.headers.host}`)
  const headers = new Headers()
  for (const [name, value] of Object.entries(req.headers)) {
    if (name !== 'x-pizzapi-client-ip') for (const v of [value].flat()) headers.append(name, v)
  }
  headers.set('x-pizzapi-client-ip', clientAddress(req))
  return [url.pathname, { method: req.method, headers }, url]
}

async function body(req) {
  const parts = []
  for await (const part of req) parts.push(part)
  return Buffer.concat(parts)
}

const server = createServer(async (req, res) => {
  try {
    const [path, init, url] = asked(req)
    if (path !== '/api/test/seen' && path !== '/health') note(req)
    if (req.method !== 'GET' && req.method !== 'HEAD') init.body = await body(req)
    const a = await answer(new Request(url, init), path)
    const headers = { 'x-content-type-options': 'nosniff' }
    if (!a.headers.has('content-security-policy')) headers['content-security-policy'] = policy
    a.headers.forEach((value, name) => { if (name !== 'set-cookie') headers[name] = value })
    if (a.headers.getSetCookie().length) headers['set-cookie'] = a.headers.getSetCookie()
    res.writeHead(a.status, headers)
    res.end(Buffer.from(await a.arrayBuffer()))
  } catch (e) {
    console.error('[http] Unhandled error:', e)
    if (!res.headersSent) res.writeHead(500, { 'content-type': 'application/json' })
    res.end('{"error":"Internal server error"}')
  }
})

let sockets = 0
server.on('upgrade', (req, socket, head) => {
  sockets++
  socket.on('close', () => sockets--)
  upgrade(req, socket, head).catch(console.error)
})

process.on('SIGTERM', () => {
  const asked = Date.now()
  const forced = setTimeout(() => process.exit(1), 10_000)
  const ended = setInterval(() => {
    if (sockets > 0) return
    clearInterval(ended)
    clearTimeout(forced)
    console.log(`every socket is closed, stopping after ${Date.now() - asked} ms`)
    process.exit(0)
  }, 50)
})

await migrate()
await connect(server)
server.listen(Number(env.PORT), () => console.log(`PizzaPi server running on http://localhost:${env.PORT}`))
