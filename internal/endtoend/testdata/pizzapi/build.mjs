// Builds into the directory that is its argument: server.js, and the UI in ui/.
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateSW } from 'workbox-build'

const to = process.argv[2]
const built = await Bun.build({
  entrypoints: [join(import.meta.dir, 'server.mjs')], target: 'bun', outdir: to,
  define: { 'process.env.NODE_ENV': '"production"' }, // or the bundler writes "development" in its place
})
if (!built.success) throw new AggregateError(built.logs, 'the server is not built')
const ui = join(to, 'ui')
cpSync(join(import.meta.dir, 'ui'), ui, { recursive: true })
cpSync(join(import.meta.dir, 'node_modules/socket.io-client/dist/socket.io.min.js'), join(ui, 'socket.io.min.js'))
await generateSW({
  globDirectory: ui, globPatterns: ['**/*.{html,js}'], swDest: join(ui, 'sw.js'),
  navigateFallback: '/index.html', navigateFallbackDenylist: [/^\/api\//],
  skipWaiting: true, clientsClaim: true, inlineWorkboxRuntime: true, mode: 'development', sourcemap: false,
})
writeFileSync(join(to, 'built'), '')
