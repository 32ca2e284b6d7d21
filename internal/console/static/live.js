// Keeps a page current after it has loaded. <main data-live> names an event stream that says when
// the page has changed. The page is then fetched again, and each [data-live-part] takes over what
// differs. Without this script, the page shows what it showed when it was loaded.
"use strict";
{
  const main = document.querySelector("main[data-live]");
  const log = main.querySelector("[data-follow]");
  const connection = document.getElementById("connection");

  const silence = 12_000; // ms; the server sends something every 5 s
  const slowest = 15_000; // ms, for one request and between two attempts to reconnect
  const grace = 1000; // ms before a loss is worth a message: a config reload ends the stream too

  let stream, watchdog, retry, warning;
  let failures = 0;
  let request; // the page that is being fetched
  let changed = false; // the page has changed since that request began
  let following; // the request that reads the log
  let latest; // the page that is not shown in full yet

  // The connection. A tab that nobody sees holds none. One path leads back from every loss: fetch
  // the page, then open the stream from the version that the page has.

  function connect() {
    stream = new EventSource(`${main.dataset.live}?last-event-id=${main.dataset.liveId}`);
    stream.addEventListener("open", () => { failures = 0; alive(); });
    stream.addEventListener("ping", alive);
    stream.addEventListener("changed", () => { alive(); refresh(); });
    stream.addEventListener("error", lost);
    watchdog = setTimeout(lost, silence);
    follow();
  }

  function disconnect() {
    clearTimeout(watchdog);
    clearTimeout(retry);
    stream?.close();
    request?.abort();
    following?.abort();
    stream = request = following = undefined;
    changed = false;
  }

  async function reconnect() {
    disconnect();
    if (!document.hidden && await refresh()) connect();
  }

  function alive() {
    clearTimeout(warning);
    warning = undefined;
    connection.textContent = "";
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, silence);
  }

  function lost() {
    disconnect();
    warning ??= setTimeout(() => {
      connection.textContent = "Connection lost. Reconnecting…";
    }, grace);
    const wait = Math.min(slowest, 500 * 2 ** failures++);
    retry = setTimeout(reconnect, wait * (0.5 + Math.random() / 2)); // not every tab at once
  }

  function rest() {
    disconnect();
    clearTimeout(warning);
    warning = undefined;
  }

  function wake() {
    if (!stream) reconnect();
  }

  document.addEventListener("visibilitychange", () => { document.hidden ? rest() : wake(); });
  addEventListener("pagehide", rest);
  addEventListener("pageshow", e => { if (e.persisted) wake(); });
  addEventListener("online", wake);

  // The page. One request at a time: changes that come meanwhile lead to one more.

  const refusals = [401, 403, 404, 410];

  async function refresh() {
    if (request) { changed = true; return false; }
    const mine = request = new AbortController();
    let page;
    try {
      const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(slowest)]);
      const answer = await fetch(location.href, { redirect: "manual", cache: "no-store", signal });
      if (answer.type === "opaqueredirect" || refusals.includes(answer.status)) return leave();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      if (request === mine) lost();
      return false;
    }
    if (request !== mine) return false;
    request = undefined;
    const next = page.querySelector("main[data-live]");
    const lines = page.querySelector("[data-follow]");
    if (!next || Boolean(lines) !== Boolean(log)) return leave();
    main.dataset.liveId = next.dataset.liveId;
    if (log && !following && !selected(log)) catchUp(lines.textContent);
    latest = page;
    settle();
    if (!changed) return true;
    changed = false;
    return refresh();
  }

  // A session that ended or an org that is gone: the server answers with the page to see instead.
  function leave() {
    disconnect();
    location.reload();
    return false;
  }

  // Parts. One that somebody is using waits until they are done, and what they point at stays where
  // it is on the screen.

  const control = ":is(a, button, summary, label, input, select, textarea)";
  const open = "details[open], dialog[open], :popover-open";
  const field = "input, select, textarea, [contenteditable]";
  const aimedAt = "form :is(button, label, input, select, textarea):hover";
  const still = 1000; // ms without a move before a control under the pointer may change
  let pressed = false, moved = -still, settling;

  addEventListener("pointerdown", () => { pressed = true; });
  addEventListener("pointerup", () => { pressed = false; });
  addEventListener("pointercancel", () => { pressed = false; });
  addEventListener("pointermove", e => { pressed = e.buttons !== 0; moved = performance.now(); });

  function selected(element) {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(element, true);
  }

  // activeElement rather than :focus, which matches nothing while another window is in front.
  function inUse(part) {
    const focused = document.activeElement;
    return part.contains(focused) && focused.matches(field) ||
      part.querySelector(`${open}, ${aimedAt}`) || selected(part);
  }

  function aiming() {
    return pressed || performance.now() - moved < still && main.querySelector(`${control}:hover`);
  }

  function inView(element) {
    const { top, bottom } = element.getBoundingClientRect();
    return main.contains(element) && bottom > 0 && top < innerHeight;
  }

  function settle() {
    clearTimeout(settling);
    let wait = Boolean(aiming());
    if (!wait) {
      const focused = document.activeElement;
      const anchor = [...main.querySelectorAll(":hover"), focused].filter(inView).pop();
      const top = anchor?.getBoundingClientRect().top;
      for (const part of main.querySelectorAll("[data-live-part]")) {
        const want = latest.getElementById(part.id);
        if (!want || part.isEqualNode(want)) continue;
        if (inUse(part)) { wait = true; continue; }
        patchChildren(part, want);
        if (!focused.isConnected && document.activeElement === document.body) {
          part.tabIndex = -1; // the place in the page is kept for the keyboard
          part.focus({ preventScroll: true });
        }
      }
      if (anchor?.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - top);
    }
    if (wait) settling = setTimeout(settle, 500);
  }

  // Two elements are the same if they do the same: a button must not become another under a finger.
  function key(node) {
    const own = node.id || node.getAttribute?.("action") || node.getAttribute?.("href") || "";
    return `${node.nodeName} ${own}`;
  }

  function patchChildren(now, want) {
    let at = now.firstChild;
    for (const child of want.childNodes) {
      let same = at;
      while (same && key(same) !== key(child)) same = same.nextSibling;
      if (!same) { now.insertBefore(document.importNode(child, true), at); continue; }
      while (at !== same) at = remove(at);
      at = at.nextSibling;
      patch(same, child);
    }
    while (at) at = remove(at);
  }

  function remove(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  function patch(now, want) {
    if (now.isEqualNode(want)) return;
    if (now.nodeType !== Node.ELEMENT_NODE) { now.nodeValue = want.nodeValue; return; }
    for (const { name } of [...now.attributes]) {
      if (!want.hasAttribute(name)) now.removeAttribute(name);
    }
    for (const { name, value } of want.attributes) {
      if (now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
    patchChildren(now, want);
  }

  // The log. It stays at its end while its reader is there.

  function keepEnd(change) {
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    change();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  function catchUp(text) {
    if (log.textContent !== text) keepEnd(() => { log.textContent = text; });
  }

  async function follow() {
    if (!log) return;
    const mine = following = new AbortController();
    try {
      const answer = await fetch(log.dataset.follow, { redirect: "manual", signal: mine.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        keepEnd(() => {
          log.append(value);
          while (log.childNodes.length > 2000) log.firstChild.remove();
        });
      }
    } catch { /* the page says what there is to say */ }
    if (following === mine) retry = setTimeout(reconnect, 5000);
  }

  if (log) log.scrollTop = log.scrollHeight;
  if (!document.hidden) connect();
}
