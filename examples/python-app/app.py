"""A notebook for the members of one organization. It listens at PIZZERIA_LISTEN, checks who makes
each request, and keeps its notes in PIZZERIA_DATA_DIR."""

import json
import os
import signal
import socket
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import jwt  # PyJWT, with cryptography

ENV = os.environ
ORG, NOTES = ENV["PIZZERIA_ORG_ID"], ENV["PIZZERIA_DATA_DIR"] + "/notes.jsonl"


def signed_in(headers):
    """Returns the claims of the request's assertion. Raises an exception if there is no valid one."""
    (token,) = headers.get_all("Pizzeria-Assertion", [])  # exactly one
    header = jwt.get_unverified_header(token)
    # Read for each request: the file is replaced when keys rotate, and a removed key must not count.
    with open(ENV["PIZZERIA_JWKS_FILE"], encoding="utf-8") as f:
        key = next(k for k in json.load(f)["keys"] if k["kid"] == header["kid"])
    claims = jwt.decode(
        token, jwt.PyJWK(key).key, algorithms=[key["alg"]], issuer=ENV["PIZZERIA_ISSUER"], audience=f"urn:pizzeria:org:{ORG}",
        options={"require": ["sub", "role", "iat", "exp"]}, leeway=10,
    )
    if header["typ"] != "pizzeria-assertion+jwt" or claims["exp"] - claims["iat"] > 120:
        raise ValueError("not an assertion")
    if claims["org_id"] != ORG or str(claims["org_gen"]) != ENV["PIZZERIA_ORG_GENERATION"]:
        raise ValueError("for another instance")
    return claims


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, "ok\n", "text/plain")
        if not (who := self.who()):
            return self.answer(401, "Open this app through its gateway.\n", "text/plain")
        with open(NOTES, "a+", encoding="utf-8") as f:
            f.seek(0)
            notes = "".join(f"<li>{escape(n['by'])}: {escape(n['text'])}</li>" for n in map(json.loads, f))
        name, email, role, org = (escape(who[k]) for k in ("name", "email", "role", "org_slug"))
        return self.answer(200, f"""<!doctype html>
<title>Notebook</title><p>You are <b>{name}</b> ({email}), {role} of {org}.</p>
<form method="post" action="/notes"><input name="text" aria-label="Note" required> <button>Add note</button></form>
<ul>{notes}</ul>
<form method="post" action="{escape(ENV.get("PIZZERIA_PREFIX", "/.pizzeria"))}/sign-out"><button>Sign out</button></form>""")

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if not (who := self.who()) or length > 10_000:
            self.close_connection = True
            self.rfile.read(min(length, 1_000_000))  # a client that still sends would miss the answer
            return self.answer(413 if who else 401, "", "text/plain")
        form = parse_qs(self.rfile.read(length).decode())
        with open(NOTES, "a", encoding="utf-8") as f:
            f.write(json.dumps({"by": who["name"], "text": form.get("text", [""])[0]}) + "\n")
        return self.answer(303, "", "text/plain", Location="/")

    def who(self):
        try:
            return signed_in(self.headers)
        except Exception:  # whatever is wrong with it, it is nobody's
            return None

    def answer(self, status, body, kind="text/html; charset=utf-8", **headers):
        self.send_response(status)
        headers |= {"Content-Type": kind, "Content-Length": str(len(body.encode())), "Cache-Control": "no-store"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def address_string(self):
        return "gateway"  # a Unix socket has no address


class Server(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)


server = Server(ENV["PIZZERIA_LISTEN"].removeprefix("unix:"), App)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("listening on", ENV["PIZZERIA_LISTEN"], flush=True)
server.serve_forever()
