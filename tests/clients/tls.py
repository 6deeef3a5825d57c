"""Real clients that upload over TLS, HTTP/1.1 and HTTP/2 as they agree on it: the 307 arrives, and following it arrives.

The certificate was made by the server for this run (`--tls-self-signed`), and it is the only one that clients trust here: none
of them is told not to look.
"""

from follow import arrives
from lib import SIZES, Fail, case
from programs import TLS_PROGRAMS, delivered, run


def tls_upload(name, send, size):
    def ask(world):
        url = world.tls_url(f"/upload/{name}")
        if trouble := delivered(send(world, url, size), f"https://t.test/upload/{name}"):
            raise Fail(trouble)

    return ask


for _size in ("1B", "1MiB", "100MiB"):
    for _name, _send in TLS_PROGRAMS.items():
        case(f"tls/{_name}-{_size}")(tls_upload(_name, _send, SIZES[_size]))

# A stream cannot be sent twice, which is the client's own trouble; to another origin curl goes on in HTTP/1.1 in the clear.
FOLLOWERS = [name for name in TLS_PROGRAMS if name != "fetch-stream"]
for _size in ("1B", "1MiB", "100MiB"):
    for _name in FOLLOWERS:
        if _size == "100MiB" and _name.startswith("curl-h2"):
            continue  # curl 7.88 may wait for ever, by its own fault: docs/early-answers.md
        case(f"tls-follow/{_name}-{_size}")(arrives(_name, TLS_PROGRAMS[_name], SIZES[_size], tls=True))


@case("tls/curl-agrees-on-the-protocol")
def agreed(world):
    """What the names of the cases say is what was spoken."""
    for how, version in (("--http1.1", "1.1"), ("--http2", "2")):
        url = world.tls_url("/old")
        done = run(["curl", "-sS", how, "--cacert", world.trusted, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", url])
        if done.stdout != f"307 {version}":
            raise Fail(f"{how}: exit {done.returncode}: {done.stdout} {done.stderr.strip()}")


@case("tls/certificate-is-looked-at")
def looked_at(world):
    """A client that does not trust this certificate reads nothing: the cases above prove what they say."""
    done = run(["curl", "-sS", "-o", "/dev/null", world.tls_url("/old")])
    if done.returncode != 60:
        raise Fail(f"exit {done.returncode} instead of 60: {done.stderr.strip()}")
