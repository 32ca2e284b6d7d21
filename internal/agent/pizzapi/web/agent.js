// Leads to the org's sign-in when its session has ended, and signs out there.
(() => {
	const prefix = "{prefix}", fetched = window.fetch;
	let leaving = false;

	function leave(to) {
		if (leaving) return;
		leaving = true;
		location.assign(to);
	}
	const signIn = () => leave(prefix + "/sign-in?return=" + encodeURIComponent(location.pathname + location.search + location.hash));

	// The gateway's answers say where to sign in. Another 401 is the app's own.
	async function ended(res) {
		if (res.status != 401 || res.headers.get("Content-Type") != "application/problem+json") return false;
		try {
			return Boolean((await res.clone().json()).sign_in);
		} catch {
			return false;
		}
	}

	window.fetch = async function (input, init) {
		const url = new URL(input instanceof Request ? input.url : input, location.href);
		const res = await fetched.call(this, input, init);
		if (url.origin != location.origin) return res;
		if (await ended(res)) signIn();
		else if (url.pathname == "/api/auth/sign-out" && res.ok) {
			leave("/");
			return new Promise(() => {}); // the page goes: the app is to show nothing of its own
		}
		return res;
	};

	// A WebSocket does not say why it was closed, or refused. So ask whether there is a session.
	let asked = 0;
	async function ask() {
		if (Date.now() - asked < 2000) return;
		asked = Date.now();
		const res = await fetched(prefix + "/session").catch(() => null);
		if (res?.status == 401) signIn();
	}
	const Plain = window.WebSocket;
	window.WebSocket = class extends Plain {
		constructor(...args) {
			super(...args);
			if (new URL(this.url).host == location.host) this.addEventListener("close", ask);
		}
	};
	document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
})();
