/* global io */
const main = document.querySelector('main')
const line = (text) => { const p = document.createElement('p'); p.textContent = text; main.append(p) }

// PizzaPi's own form, which nobody is to see behind the gateway.
function ownForm() {
  main.innerHTML = '<form><label>E-mail <input name="email"></label><button>Sign in to PizzaPi</button></form>'
}

async function start() {
  const session = await (await fetch('/api/auth/get-session')).json()
  if (!session?.user) return ownForm()
  line('Signed in as ' + session.user.name)
  const out = document.createElement('button')
  out.id = 'sign-out'
  out.textContent = 'Sign out'
  out.onclick = async () => { await fetch('/api/auth/sign-out', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }); ownForm() }
  main.append(out)
  for (const r of await (await fetch('/api/runners')).json()) line('Runner ' + r.name)
  const hub = io('/hub', { transports: ['websocket', 'polling'] })
  hub.on('connect', () => line('Connected'))
  hub.on('connect_error', (e) => line('Not connected: ' + e.message))
  hub.on('disconnect', () => line('Disconnected'))
  hub.on('runners', (e) => line(e.added ? 'Runner ' + e.added : 'Gone: ' + e.removed))
}

if ('serviceWorker' in navigator) navigator.serviceWorker.register('/sw.js')
start()
