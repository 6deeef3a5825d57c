"""What redirects are used for, from end to end: the sites of `examples/`, served as they are, but for where they lead.

Each case takes a copy of the example, puts the receiver's address where the example names a host that is nobody's, starts byway
as the example's README does, and sends a body with curl, requests, Node's fetch, and a form in Chromium. The receiver says what
arrived: method, target with its query, content type and every byte of the body must be those that were sent.
"""

import base64
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request
from datetime import datetime, timedelta, timezone

from lib import Fail, Skip, case
from programs import ROOT, run
from receiver import FORM_BODY, Receiver, certificate, form

JSON_BODY = json.dumps({"by": "a client", "ü": "ö\u0000\n", "more": "x" * 5000}, ensure_ascii=False).encode()
JSON_TYPE = "application/json; charset=utf-8"


class Site:
    """An example in a folder of its own, and byway that serves it; left, both are gone."""

    def __init__(self, world, name, changes, arguments=()):
        if not world.options.serve:
            raise Skip("--serve: the examples are served by a byway of their own")
        self.byway, self.arguments = os.path.abspath(world.options.serve), [*arguments]
        self.temporary = tempfile.TemporaryDirectory(prefix="byway-uses-")
        self.folder = os.path.join(self.temporary.name, name)
        shutil.copytree(os.path.join(ROOT, "examples", name), self.folder, ignore=shutil.ignore_patterns("state", "*.sock"))
        self.trusted, self.server = None, None
        self.change(changes)

    def change(self, changes):
        path = os.path.join(self.folder, "byway.toml")
        with open(path) as f:
            text = f.read()
        for old, new in changes:
            if old not in text:
                raise Fail(f"the example does not say {old!r} any more: change this case with it")
            text = text.replace(old, new)
        with open(path, "w") as f:
            f.write(text)

    def __enter__(self):
        log = open(os.path.join(self.temporary.name, "stderr"), "w+")
        command = [self.byway, "serve", "byway.toml", "--listen", "127.0.0.1:0", *self.arguments]
        self.server = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stderr=log)
        end, said = time.monotonic() + 30, ""
        while "\nserving " not in said and self.server.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
            with open(log.name) as f:
                said = f.read()
        found = re.search(r"listening on (https?)://127\.0\.0\.1:(\d+)\n", said)
        if not found:
            self.__exit__()
            raise Fail(f"the example is not served: {said}")
        self.base = f"{found[1]}://localhost:{found[2]}"
        if found[1] == "https":
            self.trust(ssl.get_server_certificate(("127.0.0.1", int(found[2])), timeout=30))
        return self

    def __exit__(self, *_):
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait(30)
        self.temporary.cleanup()

    def trust(self, pem):
        """Clients trust this certificate as well."""
        self.trusted = self.trusted or os.path.join(self.temporary.name, "trusted.pem")
        with open(self.trusted, "a") as f:
            f.write(pem)

    def says(self, *arguments):
        """What another byway prints in the site's folder."""
        done = run_in(self.folder, [self.byway, *arguments])
        if done.returncode:
            raise Fail(f"byway {' '.join(arguments)}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def asked(self, target, method="POST", **fields):
        """The answer to one request, not followed: its status, and its fields."""
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        body = b"x=1" if method == "POST" else None
        asks = urllib.request.Request(self.base + target, method=method, data=body, headers=fields)
        context = ssl.create_default_context(cafile=self.trusted) if self.trusted else None
        handlers = [urllib.request.ProxyHandler({}), NotFollowed(), urllib.request.HTTPSHandler(context=context)]
        try:
            answer = urllib.request.build_opener(*handlers).open(asks, timeout=30)
        except urllib.error.HTTPError as e:
            answer = e
        with answer:
            return answer.status, answer.headers


class NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def run_in(folder, command):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


# --- the clients -------------------------------------------------------------------------------------------------------------


def by_curl(world, site, method, url, fields):
    body = os.path.join(site.temporary.name, "body")
    with open(body, "wb") as f:
        f.write(JSON_BODY)
    more = [word for name, value in fields.items() for word in ("-H", f"{name}: {value}")]
    more += ["--cacert", site.trusted] if site.trusted else []
    sends = ["-X", method, "-H", f"Content-Type: {JSON_TYPE}", "--data-binary", f"@{body}"]
    done = run(["curl", "-sSL", "--max-time", "60", "--noproxy", "*", *more, *sends, url])
    return done.stdout if not done.returncode else f"exit {done.returncode}: {done.stderr}"


def by_requests(world, site, method, url, fields):
    try:
        import requests
    except ImportError:
        raise Skip("requests is not installed") from None
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Content-Type": JSON_TYPE, **fields}
        answer = session.request(method, url, data=JSON_BODY, headers=headers, verify=site.trusted or True, timeout=60)
        return answer.text


# A text: Node 20 detaches the memory of a Buffer when it first sends it, and cannot send it again (TypeError); its own fault.
FETCH = """
const [method, url, fields, body] = process.argv.slice(1);
const headers = JSON.parse(fields);
fetch(url, { method, headers, body: Buffer.from(body, 'base64').toString() }).then((answer) => answer.text()).then(console.log)
  .catch((e) => console.log(`${e.message}: ${e.cause?.code ?? e.cause}`));
"""


def by_fetch(world, site, method, url, fields):
    headers = json.dumps({"Content-Type": JSON_TYPE, **fields})
    trusts = {"NODE_EXTRA_CA_CERTS": site.trusted} if site.trusted else {}
    command = ["node", "--dns-result-order=ipv4first", "-e", FETCH, "--", method, url, headers, base64.b64encode(JSON_BODY).decode()]
    return run(command, 60, **trusts).stdout


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    raise Skip("chromium is not installed")


def by_form(world, site, method, url, fields):
    """A page of another origin with a form that sends itself; its answer is what the window then shows."""
    if method != "POST":
        return None
    program = chromium()
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--no-proxy-server"]
    fixed += ["--disable-component-update", "--disable-sync", "--virtual-time-budget=5000", "--ignore-certificate-errors", "--dump-dom"]
    if agent := fields.get("User-Agent"):
        fixed.append(f"--user-agent={agent}")
    # Cookies are of a host and not of a port: what the page sets goes with the form.
    with Receiver() as shop, tempfile.TemporaryDirectory(prefix="byway-profile-", ignore_cleanup_errors=True) as profile:
        page = shop.shows(form(url, fields.get("Cookie", "")))
        return run([program, *fixed, f"--user-data-dir={profile}", page], 90).stdout


CLIENTS = {"curl": by_curl, "requests": by_requests, "fetch": by_fetch, "chromium": by_form}


def arrives(world, site, receiver, client, target, wanted, method="POST", fields=None):
    """That client's body goes through the site and comes out at the receiver as it went in."""
    said = CLIENTS[client](world, site, method, site.base + target, fields or {})
    if said is None:
        return
    if "it arrived" not in said:
        raise Fail(f"{method} {target} by {client}: {said.strip()[:300] or 'no answer'}")
    got = receiver.next()
    kind, body = ("application/x-www-form-urlencoded", FORM_BODY) if client == "chromium" else (JSON_TYPE, JSON_BODY)
    if (got.method, got.target, got.fields.get("Content-Type"), got.body) != (method, wanted, kind, body):
        raise Fail(f"{method} {target} by {client} became {got}, {len(got.body)} of {len(body)} bytes")


def use(name):
    """A case for each client: a function of the world and of a `send(site, receiver, target, wanted, …)` by that client."""

    def keep(function):
        for client in CLIENTS:

            def ask(world, client=client):
                if client == "chromium":
                    chromium()
                function(world, lambda site, receiver, *more, **named: arrives(world, site, receiver, client, *more, **named))

            case(f"uses/{name}-{client}")(ask)

    return keep


# --- the uses ----------------------------------------------------------------------------------------------------------------

QUERY = "?from=form&empty=&b=%20%2F&c=%C3%BC"


@use("https-upgrade")
def https_upgrade(world, send):
    with tempfile.TemporaryDirectory() as folder:
        pem = certificate(folder)
        with Receiver(tls=pem) as receiver:
            with Site(world, "https-upgrade", [("public_port = 8443", f"public_port = {receiver.port}")]) as site:
                with open(pem + ".chain") as f:
                    site.trust(f.read())
                send(site, receiver, "/orders" + QUERY, "/orders" + QUERY)
                send(site, receiver, "/orders/7", "/orders/7", method="PUT")


@use("api-migration")
def api_migration(world, send):
    with Receiver() as receiver:
        leads = [('"/api/v2/*"', f'"{receiver.base}/api/v2/*"'), ("https://orders.example.com", receiver.base)]
        with Site(world, "api-migration", leads) as site:
            send(site, receiver, "/api/v1/items" + QUERY, "/api/v2/items" + QUERY)
            for method in ("PUT", "PATCH", "DELETE"):
                send(site, receiver, "/api/v1/orders/7?x", "/v2/orders/7?x", method=method)
            status, fields = site.asked("/api/v1/items", Origin="https://app.example.com")
            said = [fields.get(name) for name in ("Deprecation", "Sunset", "Link", "Access-Control-Allow-Origin")]
            links = '</api/v2>; rel="successor-version"'
            if (status, said) != (307, ["@1782864000", "Thu, 01 Jul 2027 00:00:00 GMT", links, "https://app.example.com"]):
                raise Fail(f"{status} {said}")


def leads_to(site, target, base):
    """Waits until the site sends people there."""
    end, got = time.monotonic() + 30, None
    while time.monotonic() < end:
        status, fields = site.asked(target)
        got = fields.get("Location") or str(status)
        if got.startswith(base + "/"):
            return
        time.sleep(0.05)
    raise Fail(f"30 s later {target} still leads to {got}, not to {base}")


@use("failover")
def failover(world, send):
    with Receiver() as first, Receiver() as second, Receiver() as standby, Receiver() as search:
        members = [("https://eu1.example.com", first.base), ("https://eu2.example.com", second.base)]
        members += [("https://backup.example.com", standby.base), ("www.example.com", "localhost")]
        members += [("https://s1.example.com", search.base), ("https://s2.example.com", "http://127.0.0.1:9")]
        members += [('interval = "5s"', 'interval = "200ms"')]
        with Site(world, "failover", members, ["--control", "byway.sock"]) as site:
            pay, paid = "/checkout/pay" + QUERY, "/checkout/pay" + QUERY
            leads_to(site, pay, first.base)
            send(site, first, pay, paid)
            first.close()  # nobody listens there from here on: after `fall` checks the next one is up
            leads_to(site, pay, second.base)
            send(site, second, pay, paid)
            site.says("pool", "drain", "checkout", f"localhost:{second.port}", "--control", "byway.sock")
            leads_to(site, pay, standby.base)
            send(site, standby, pay, paid)


@use("geography")
def geography(world, send):
    with Receiver() as receiver:
        with Site(world, "geography", [('"/de/"', f'"{receiver.base}/de/"'), ('"/fr/"', f'"{receiver.base}/fr/"')]) as site:
            send(site, receiver, "/" + QUERY, "/de/" + QUERY)
            for past in ("/?region=us", "/films/7"):
                if (status := site.asked(past)[0]) != 404:
                    raise Fail(f"{past} is left alone, and got {status}")
            if (status := site.asked("/", Cookie="region=us")[0]) != 404:
                raise Fail(f"who chose a region is left alone, and got {status}")


@use("split")
def split(world, send):
    with Receiver() as receiver:
        leads = [('"/signup-short"', f'"{receiver.base}/short"'), ('"/signup-in-steps"', f'"{receiver.base}/steps"')]
        with Site(world, "split", leads) as site:
            send(site, receiver, "/signup" + QUERY, "/short" + QUERY, fields={"Cookie": "consent=yes; signup=b"})
            send(site, receiver, "/signup", "/steps", fields={"Cookie": "consent=yes; signup=c"})
            status, fields = site.asked("/signup", Cookie="consent=yes; signup=b")
            if (status, fields.get("X-Variant"), fields.get("Set-Cookie")) != (307, "b", None):
                raise Fail(f"a visitor of b got {status}, X-Variant: {fields.get('X-Variant')}")
            if (status := site.asked("/signup", Cookie="signup=b")[0]) != 404:
                raise Fail(f"who did not consent is left alone, and got {status}")


@use("maintenance")
def maintenance(world, send):
    with Receiver() as standin:
        leads = [("https://standin.example.com", standin.base), ("shop.example.com", "localhost")]
        with Site(world, "maintenance", leads) as site:
            if (status := site.asked("/orders/7")[0]) != 404:
                raise Fail(f"outside of the window the shop answers for itself, and not with {status}")
            site.says("maintenance", "start", "patchday", "--for", "30m", "-c", "byway.toml")
            leads_to(site, "/orders/7", standin.base)
            send(site, standin, "/orders/7" + QUERY, "/orders/7" + QUERY)
            send(site, standin, "/orders/8", "/orders/8", method="PUT")
            status, fields = site.asked("/shoes", method="GET")
            if status != 503 or not 1700 < int(fields.get("Retry-After", "0")) <= 1800:
                raise Fail(f"a page got {status}, Retry-After: {fields.get('Retry-After')}")
            site.says("maintenance", "stop", "patchday", "-c", "byway.toml")
            passes(site, "/orders/7")


def passes(site, target, **fields):
    """Waits until no rule takes it."""
    end = time.monotonic() + 30
    while (status := site.asked(target, **fields)[0]) != 404:
        if time.monotonic() > end:
            raise Fail(f"30 s later {target} still gets {status}")
        time.sleep(0.05)


@use("legacy-clients")
def legacy(world, send):
    """Who stops at 308 gets 307 for the same address, and is sent there with the body, as is everybody else."""
    with Receiver() as receiver:
        with Site(world, "legacy-clients", [("https://hooks.example.com", receiver.base)]) as site:
            java = {"User-Agent": "Java/17.0.15"}
            for agent, wanted in (("Java/17.0.15", 307), ("Mozilla/5.0", 308)):
                status, fields = site.asked("/hooks/pay", User_Agent=agent)
                if (status, fields.get("Vary", "").lower()) != (wanted, "user-agent"):
                    raise Fail(f"{agent} got {status}, Vary: {fields.get('Vary')}")
            send(site, receiver, "/hooks/pay" + QUERY, "/pay" + QUERY, fields=java)
            send(site, receiver, "/hooks/pay" + QUERY, "/pay" + QUERY)


JAVA = """
import java.net.*;
public class Ask {
    public static void main(String[] words) throws Exception {
        HttpURLConnection c = (HttpURLConnection) new URL(words[0]).openConnection(Proxy.NO_PROXY);
        c.setRequestMethod("POST");
        c.setDoOutput(true);
        c.setRequestProperty("Content-Type", "application/json");
        c.getOutputStream().write("{\\"by\\":\\"java\\"}".getBytes("UTF-8"));
        System.out.println(c.getResponseCode());
    }
}
"""


@case("uses/legacy-clients-java")
def legacy_java(world):
    """The client itself, where a JDK is: it stops at 308, and is led on by 307."""
    if not shutil.which("java"):
        raise Skip("java is not installed")
    with Receiver() as receiver, Site(world, "legacy-clients", [("https://hooks.example.com", receiver.base)]) as site:
        source = os.path.join(site.temporary.name, "Ask.java")
        with open(source, "w") as f:
            f.write(JAVA)
        done = run(["java", source, f"{site.base}/hooks/pay?x=1"], 120)
        if "error: " in done.stderr or "ClassNotFound" in done.stderr:
            raise Skip("java is here without a compiler")
        if done.stdout.strip() != "200":
            raise Fail(f"it ended at {done.stdout.strip()} {done.stderr.strip()[:200]}")
        got = receiver.next()
        if (got.method, got.target, got.body) != ("POST", "/pay?x=1", b'{"by":"java"}'):
            raise Fail(f"{got} arrived")


@use("detour-that-ends")
def detour(world, send):
    """The shop's checkout detour, over https as there; after its `until` it stands aside."""
    with tempfile.TemporaryDirectory() as folder:
        pem = certificate(folder)
        with Receiver(tls=pem) as receiver:
            with Site(world, "shop", ends_in(receiver, timedelta(hours=1)), ["--tls-self-signed"]) as site:
                with open(pem + ".chain") as f:
                    site.trust(f.read())
                send(site, receiver, "/checkout/pay" + QUERY, "/checkout/pay" + QUERY)
            with Site(world, "shop", ends_in(receiver, timedelta(seconds=2)), ["--tls-self-signed"]) as site:
                passes(site, "/checkout/pay")


def ends_in(receiver, span):
    """The shop on this machine, its detour to the receiver, and its end so far ahead."""
    until = (datetime.now(timezone.utc) + span).strftime("%Y-%m-%dT%H:%M:%SZ")
    leads = [("https://eu2.pay.example.net", receiver.base), ('"*.pay.example.net"', '"localhost"')]
    return leads + [("https://www.example.com/checkout", "https://localhost/checkout"), ("2027-03-01T00:00+01:00", until)]
