// What the console does beyond plain pages; each page works without it.
"use strict";

// The switcher: Ctrl-K or Cmd-K opens it, typing filters, the arrows move, recent
// orgs come first, and each leads to where its visitor was last.
const switcher = document.getElementById("switcher");
const recentKey = "recent-orgs";
function recent() {
  try { return JSON.parse(localStorage.getItem(recentKey)) || []; } catch { return []; }
}
const here = location.pathname.match(/^\/orgs\/([a-z][a-z0-9-]+)(\/(?:members|instance|settings|keys|webhooks|audit))?$/);
if (here && switcher) {
  const list = recent().filter(r => r.slug !== here[1]);
  list.unshift({ slug: here[1], path: here[0] });
  localStorage.setItem(recentKey, JSON.stringify(list.slice(0, 10)));
}
if (switcher) {
  const input = switcher.querySelector("input"), list = switcher.querySelector("ul");
  for (const r of recent().reverse()) {
    const a = list.querySelector(`a[data-slug="${CSS.escape(r.slug)}"]`);
    if (a) { a.href = r.path; list.prepend(a.parentNode); }
  }
  const shown = () => [...list.children].filter(li => !li.hidden).map(li => li.firstElementChild);
  input.hidden = false;
  input.addEventListener("input", () => {
    const want = input.value.toLowerCase();
    for (const li of list.children) li.hidden = !li.textContent.toLowerCase().includes(want);
  });
  switcher.addEventListener("keydown", e => {
    const links = shown(), at = links.indexOf(document.activeElement);
    if (e.key === "ArrowDown") { e.preventDefault(); (links[at + 1] || links[0])?.focus(); }
    if (e.key === "ArrowUp") { e.preventDefault(); (at > 0 ? links[at - 1] : input).focus(); }
    if (e.key === "Enter" && document.activeElement === input) { e.preventDefault(); links[0]?.click(); }
  });
  switcher.addEventListener("toggle", () => { if (switcher.open) input.focus(); });
  document.addEventListener("keydown", e => {
    if (e.key.toLowerCase() === "k" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); switcher.open = true; input.focus(); }
  });
}
document.addEventListener("keydown", e => {
  if (e.key !== "Escape") return;
  for (const d of document.querySelectorAll("details.menu[open]")) { d.open = false; d.querySelector("summary").focus(); }
});
document.addEventListener("click", e => {
  for (const d of document.querySelectorAll("details.menu[open]")) if (!d.contains(e.target)) d.open = false;
});

// Strips of links scroll on narrow pages. The current link is in view.
function showCurrent() {
  for (const link of document.querySelectorAll(".rail [aria-current], .tabs [aria-current]")) {
    const strip = link.parentNode, a = link.getBoundingClientRect(), b = strip.getBoundingClientRect();
    if (a.left < b.left || a.right > b.right) strip.scrollLeft += a.left - b.left - (b.width - a.width) / 2;
  }
}
addEventListener("resize", showCurrent);
showCurrent();

// Servers never see a fragment, and a browser drops it with a form or link. So it goes along with
// the address that a page to sign in leads to; the server judges it there.
if (location.hash.length > 1) {
  for (const f of document.querySelectorAll('input[name="return"]')) {
    if (!f.value.includes("#")) f.value += location.hash;
  }
  for (const a of document.querySelectorAll('a[href*="?return="]')) {
    a.setAttribute("href", a.getAttribute("href").split("#")[0] + location.hash);
  }
}

// Passkeys: a form does what its options say before it is sent, and is not there where the browser has none.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue;
  form.hidden = false;
  form.addEventListener("submit", async e => {
    e.preventDefault();
    const options = JSON.parse(form.dataset.passkey).publicKey, said = form.querySelector("[role=alert]");
    said.hidden = true;
    try {
      const made = "new" in form.dataset
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      form.elements.response.value = JSON.stringify(made.toJSON());
      form.submit();
    } catch (err) {
      said.textContent = err.name === "InvalidStateError" ? "This passkey is there already." : "No passkey was used. Try again, or sign in another way.";
      said.hidden = false;
    }
  });
}

// A browser may keep a page in memory to come back to. What is shown once is not kept with it.
addEventListener("pagehide", () => {
  for (const once of document.querySelectorAll("[data-once]")) once.remove();
});

// Copy buttons.
document.addEventListener("click", async e => {
  const b = e.target.closest("[data-copy]");
  if (!b) return;
  await navigator.clipboard.writeText(document.getElementById(b.dataset.copy)?.value ?? b.dataset.copy);
  const was = b.textContent;
  b.textContent = "Copied";
  setTimeout(() => { b.textContent = was; }, 1500);
});
