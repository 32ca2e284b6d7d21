import { createAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { WebSocketServer } from 'ws'
import { env, ofCookie, ofKey, origins } from './auth.mjs'

const url = env.PIZZAPI_REDIS_URL
const channel = 'pizzapi:events' // the same in every installation
const runners = new Map() // by socket

export const health = { redis: false, socketio: false }
export const runnersOf = (user) => [...runners.values()].filter((r) => r.user === user).map(({ name }) => ({ name }))

async function connected(purpose) {
  console.log(`[${purpose}] connecting to Redis at ${url}`)
  const c = createClient({ url, socket: { reconnectStrategy: 250 } })
  c.on('error', () => { health.redis = false })
  c.on('ready', () => { health.redis = true })
  return c.connect()
}

const byKey = async (socket, next) => {
  socket.data.user = await ofKey(socket.handshake.auth?.apiKey)
  next(socket.data.user ? undefined : new Error('unauthorized'))
}

const byCookie = async (socket, next) => {
  const { origin, cookie } = socket.handshake.headers
  if (!origins.includes(origin)) return next(new Error('forbidden origin'))
  socket.data.user = (await ofCookie(new Headers({ cookie: cookie ?? '' }))) ?? (await ofKey(socket.handshake.auth?.apiKey))
  next(socket.data.user ? undefined : new Error('unauthorized'))
}

// connect waits for Redis, for as long as it takes, and adds Socket.IO to a server.
export async function connect(server) {
  const [pub, sub, state, events] = await Promise.all(['pub', 'sub', 'state', 'events'].map(connected))
  const io = new Server(server, {
    cors: { origin: origins, credentials: true },
    maxHttpBufferSize: 100 << 20, pingInterval: 30_000, pingTimeout: 60_000,
    connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true },
    adapter: createAdapter(pub, sub, { key: 'pizzapi-sio' }),
  })
  for (const name of ['/runner', '/relay']) io.of(name).use(byKey)
  for (const name of ['/hub', '/runners', '/viewer', '/terminal']) io.of(name).use(byCookie)
  io.of('/hub').on('connection', (s) => s.join(s.data.user.id))
  io.of('/runner').on('connection', (s) => {
    const told = (event) => state.publish(channel, JSON.stringify({ ...event, user: s.data.user.id }))
    const add = (name) => {
      runners.set(s.id, { user: s.data.user.id, name: String(name) })
      told({ added: String(name) }).catch(console.error)
    }
    s.on('register', (name, done) => {
      add(name)
      done?.({ ok: true })
    })
    s.on('register_runner', ({ runnerId, name }) => { // the published runner's
      add(name ?? runnerId)
      s.emit('runner_registered', { runnerId })
    })
    s.on('disconnect', () => {
      const was = runners.get(s.id)
      if (runners.delete(s.id)) told({ removed: was.name }).catch(() => {})
    })
  })
  await events.subscribe(channel, (text) => {
    const event = JSON.parse(text)
    io.of('/hub').to(event.user).emit('runners', event)
  })
  health.socketio = true
}

const tunnels = new WebSocketServer({ noServer: true })

// upgrade takes WebSockets of runners' tunnels, whose first message has the key. What follows is sent
// back. Socket.IO takes its own.
export async function upgrade(req, socket, head) {
  const path = (req.url ?? '').split('?')[0]
  if (path.startsWith('/socket.io/')) return
  if (path !== '/_tunnel') {
    return socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  }
  tunnels.handleUpgrade(req, socket, head, (ws) => ws.once('message', async (first) => {
    let told = {}
    try { told = JSON.parse(first) } catch {}
    if (told.type !== 'register' || !(await ofKey(told.apiKey))) return ws.close(4001, 'unauthorized')
    ws.send(JSON.stringify({ type: 'registered', runnerId: told.runnerId }))
    ws.on('message', (data, binary) => ws.send(data, { binary }))
  }))
}
