// A notebook for the members of one organization. It listens at PIZZERIA_LISTEN, checks who makes
// each request, and keeps its notes in PIZZERIA_DATA_DIR.
import { appendFile, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createLocalJWKSet, jwtVerify } from 'jose'

const { PIZZERIA_ORG_ID: org, PIZZERIA_ORG_GENERATION: generation, PIZZERIA_ISSUER: issuer, PIZZERIA_LISTEN: listen,
  PIZZERIA_JWKS_FILE: keyFile, PIZZERIA_DATA_DIR: data, PIZZERIA_PREFIX: prefix = '/.pizzeria' } = process.env
const notesFile = `${data}/notes.jsonl`

// The file is read for each request: it is replaced when keys rotate, and a removed key must not count.
const keys = async (header, token) => createLocalJWKSet(JSON.parse(await readFile(keyFile, 'utf8')))(header, token)

// signedIn returns the claims of the request's assertion. Node joins two headers of this name with a
// comma, which makes no valid token.
async function signedIn(req) {
  const { payload } = await jwtVerify(req.headers['pizzeria-assertion'] ?? '', keys, {
    typ: 'pizzeria-assertion+jwt', algorithms: ['ES256', 'EdDSA'], issuer, audience: `urn:pizzeria:org:${org}`,
    requiredClaims: ['sub', 'role', 'exp'], maxTokenAge: '2m', clockTolerance: 10,
  })
  if (payload.org_id !== org || String(payload.org_gen) !== generation) throw new Error('for another instance')
  return payload
}

const escape = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`)
const notes = async () => (await readFile(notesFile, 'utf8').catch(() => '')).split('\n').filter(Boolean).map(JSON.parse)

async function serve(req, res) {
  if (req.url === '/healthz') return res.end('ok\n')
  const who = await signedIn(req).catch(() => null)
  if (!who) return res.writeHead(401).end('Open this app through its gateway.\n')
  if (req.method === 'POST' && req.url === '/notes') {
    let body = ''
    for await (const chunk of req) if ((body += chunk).length > 10_000) return res.writeHead(413).end()
    await appendFile(notesFile, JSON.stringify({ by: who.name, text: new URLSearchParams(body).get('text') }) + '\n')
    return res.writeHead(303, { Location: '/' }).end()
  }
  res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' }).end(`<!doctype html>
<title>Notebook</title><p>You are <b>${escape(who.name)}</b> (${escape(who.email)}), ${escape(who.role)} of ${escape(who.org_slug)}.</p>
<form method="post" action="/notes"><input name="text" aria-label="Note" required> <button>Add note</button></form>
<ul>${(await notes()).map(n => `<li>${escape(n.by)}: ${escape(n.text)}</li>`).join('')}</ul>
<form method="post" action="${escape(prefix)}/sign-out"><button>Sign out</button></form>`)
}

const server = createServer((req, res) => serve(req, res).catch(err => { console.error(err); res.destroy() }))
const [, host, port] = listen.match(/^(.*):(\d+)$/) ?? []
server.listen(listen.startsWith('unix:') ? { path: listen.slice(5) } : { host, port }, () => console.log(`listening on ${listen}`))
process.on('SIGTERM', () => server.close())
