// The service worker of an org's app behind Pizzeria. It shows notifications. It answers no page from
// a cache, so that a page is never older than the session behind it.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil((async () => {
	for (const name of await caches.keys()) await caches.delete(name); // of a worker that was here before
	await self.clients.claim();
})()));

self.addEventListener("push", event => {
	if (!event.data) return;
	let told;
	try {
		told = event.data.json();
	} catch {
		told = { body: event.data.text() };
	}
	const kind = told.type || "notification", buttons = Array.isArray(told.actions) ? told.actions : [];
	event.waitUntil(self.registration.showNotification(told.title || "PizzaPi", {
		body: told.body || "", icon: "/pwa-192x192.png", badge: "/pwa-64x64.png", renotify: true,
		tag: ["pizzapi", kind, told.sessionId].filter(Boolean).join("-"),
		actions: buttons, requireInteraction: buttons.length > 0,
		data: { session: told.sessionId, options: told.data?.options },
	}));
});

// answered is what a click on a notification says, if it says something.
function answered(event) {
	if (typeof event.reply == "string" && event.reply.trim()) return event.reply.trim();
	const [, index] = /^option-(\d+)$/.exec(event.action) || [];
	const options = event.notification.data?.options;
	if (index === undefined || !Array.isArray(options)) return;
	return options.filter(o => typeof o == "string" && o.toLowerCase().replace(/[^a-z]/g, "") != "typeyourown")[index];
}

self.addEventListener("notificationclick", event => {
	event.notification.close();
	const session = event.notification.data?.session, text = answered(event);
	event.waitUntil((async () => {
		if (session && text) {
			const res = await fetch("/api/push/answer", {
				method: "POST", headers: { "Content-Type": "application/json" },
				body: JSON.stringify({ sessionId: session, text }),
			}).catch(() => null);
			if (res?.ok) return;
		}
		const [open] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
		if (!open) return self.clients.openWindow("/");
		await open.focus();
		if (session) open.postMessage({ type: "open-session", sessionId: session });
	})());
});
