//! The facts of the five redirect statuses, as rows.
//!
//! What clients do was measured on loopback or read from their sources, with the versions named. What search engines document
//! is known from copies of their pages, and every row says so. Nothing here is a guess about ranking.

use super::{Claim, Documented, Facts, Failure, Line};
use crate::status::RedirectStatus;

const GOOGLE_ERRORS: &str = "developers.google.com/search/docs/crawling-indexing, http-network-errors and 301-redirects, as quoted in copies seen \
     2026-08; the pages themselves were not opened";
const BING_2011: &str = "Bing webmaster blog, 2011, from a copy seen 2026-08; nothing newer was found";
const BING_NOTHING: Documented =
    Documented { says: "Nothing that names this status was found.", source: "searched in copies seen 2026-08" };

const STORED: &str = "By default yes: a cache that was told nothing may keep it for as long as it guesses (RFC 9110 §15.1, RFC \
                      9111 §4.2.2), and browsers do. Always say how long; byway sends `max-age=3600` until the rule says more.";
const NOT_STORED: &str = "By default no; only with an explicit `max-age`, `Expires` or `public` (RFC 9110 §15.1, RFC 9111 \
                          §4.2.2). byway sends `no-store` until the rule says otherwise.";

const NO_PERCENTAGE: &str = "No search engine documents a percentage. Google's staff have said that no redirect costs PageRank \
                             (2016); that is a statement, not documentation.";
const STAFF_ON_LONG: &str = "Google's staff have said so of a 302 that stays for long, without naming a period. It is not documented: \
                             nothing to plan with, in either direction.";

const NGINX_REWRITE: Failure = Failure {
    who: "nginx `rewrite`",
    does: "cannot say this status: its flags know only 301 (`permanent`) and 302 (`redirect`). Use `return`.",
};
const STREAMS_LOST: Failure = Failure {
    who: "requests 2.34, urllib3 2.8 (generators), got 14 (streams)",
    does: "send the second request with an empty body, and report success.",
};
const STREAMS_FAIL: Failure = Failure {
    who: "Browsers' `fetch()` with a ReadableStream, httpx, aiohttp with a generator, `curl -T -`",
    does: "fail: the body cannot be sent twice.",
};
const STREAMS_RETURNED: Failure = Failure {
    who: "Go without `GetBody`, reqwest, undici.request with streams, OkHttp with one-shot bodies",
    does: "do not follow and hand the redirect to the caller.",
};
const UREQ: Failure = Failure { who: "ureq 3.5", does: "returns an error for POST, PUT, PATCH and DELETE." };
const URLLIB: Failure =
    Failure { who: "Python 3.11 urllib", does: "raises an error for POST, and turns HEAD into GET." };
const EARLY_CLOSE: Failure = Failure {
    who: "HAProxy 2.6, Caddy 2.6, plain hyper 1.12 as the server",
    does: "close while a large upload is still running: a client that writes all of its body before it reads never sees the \
           answer. byway reads on (it lingers).",
};
const NGINX_413: Failure = Failure {
    who: "nginx 1.22 as the server",
    does: "answers 413 to a body above `client_max_body_size`, even before its `return`.",
};

pub(super) const MOVED_PERMANENTLY: Facts = Facts {
    status: RedirectStatus::MovedPermanently,
    section: "RFC 9110 §15.4.2",
    says: "It has a new URL for good; POST may arrive there as GET.",
    method: "GET and HEAD stay. POST may become GET, and does in browsers and nearly all libraries. For PUT, PATCH and DELETE \
             clients do not agree: kept, kept without the body, or GET.",
    body: "Lost where POST becomes GET. requests and `curl -X` keep PUT and lose its body.",
    caching: STORED,
    google: Documented {
        says: "A \"strong signal\" that the target is the canonical URL; search shows the target.",
        source: GOOGLE_ERRORS,
    },
    bing: Documented {
        says: "Recommended for permanent moves; one whose target keeps changing is treated like a 302.",
        source: BING_2011,
    },
    claims: &[
        Claim { claim: "A 301 costs 10 or 15 % of the link equity.", known: NO_PERCENTAGE },
        Claim {
            claim: "A 301 keeps the method.",
            known: "Clients may turn POST into GET (RFC 9110 §15.4.2), and do. What keeps it is 308.",
        },
    ],
    when: &[
        "A page moved for good and is only ever read: GET and HEAD.",
        "A site moves to https or to another domain. Keep the redirect for a year at least.",
    ],
    never: &[
        "Where forms or API calls arrive: 308.",
        "For what may come back: browsers and caches remember it after you have taken it away.",
    ],
    fails: &[
        Failure { who: "Go 1.27, PHP streams 8.2, ureq 3.5", does: "turn every method but HEAD into GET." },
        Failure { who: "OkHttp 5", does: "turns every method but GET and HEAD into GET, with few exceptions." },
        Failure { who: "urllib3 2.8, got 14", does: "send POST again as POST, with its body." },
        Failure {
            who: "Python 3.11 urllib",
            does: "raises an error for PUT, PATCH and DELETE, and turns HEAD into GET.",
        },
    ],
    lines: &[
        Line { server: "nginx", language: "nginx", text: "location = /old { return 301 /new$is_args$args; }" },
        Line { server: "Apache", language: "apache", text: "Redirect 301 /old https://example.com/new" },
        Line { server: "Next.js", language: "js", text: "{ source: '/old', destination: '/new', statusCode: 301 }" },
        Line { server: "PHP", language: "php", text: "header('Location: /new', true, 301); exit;" },
        Line { server: "byway", language: "toml", text: "[[redirect]]\nfrom = \"/old\"\nto = \"/new\"\nstatus = 301" },
    ],
};

pub(super) const FOUND: Facts = Facts {
    status: RedirectStatus::Found,
    section: "RFC 9110 §15.4.3",
    says: "It is elsewhere for now; POST may arrive there as GET.",
    method: "As with 301: POST may become GET, and nearly always does. requests, httpx, Go and PHP turn every method but HEAD \
             into GET.",
    body: "Lost where the method becomes GET.",
    caching: NOT_STORED,
    google: Documented {
        says: "A \"weak signal\" that the target is the canonical URL; search goes on showing the source.",
        source: GOOGLE_ERRORS,
    },
    bing: Documented { says: "One that stays the same for long is treated more like a 301.", source: BING_2011 },
    claims: &[
        Claim {
            claim: "A 302 passes no link equity.",
            known: "Not documented. Google documents which URL is shown and how strong a signal it is. Its staff have said that \
                    every redirect passes PageRank.",
        },
        Claim { claim: "After some months a 302 counts as a 301.", known: STAFF_ON_LONG },
    ],
    when: &["A page is elsewhere for now and is only ever read. 307 says the same and leaves no room for doubt."],
    never: &[
        "For a permanent move: 301 or 308.",
        "Where forms or API calls arrive: 307 to send them on, 303 to show a page after them.",
    ],
    fails: &[
        Failure {
            who: "requests 2.34, httpx 0.28, Go 1.27, PHP streams 8.2, ureq 3.5",
            does: "turn every method but HEAD into GET.",
        },
        Failure { who: "urllib3 2.8, got 14", does: "send POST again as POST, with its body." },
        Failure {
            who: "Python 3.11 urllib",
            does: "raises an error for PUT, PATCH and DELETE, and turns HEAD into GET.",
        },
    ],
    lines: &[
        Line { server: "nginx", language: "nginx", text: "location = /old { return 302 /new$is_args$args; }" },
        Line { server: "Apache", language: "apache", text: "Redirect 302 /old https://example.com/new" },
        Line { server: "Next.js", language: "js", text: "{ source: '/old', destination: '/new', statusCode: 302 }" },
        Line { server: "PHP", language: "php", text: "header('Location: /new', true, 302); exit;" },
        Line { server: "byway", language: "toml", text: "[[redirect]]\nfrom = \"/old\"\nto = \"/new\"\nstatus = 302" },
    ],
};

pub(super) const SEE_OTHER: Facts = Facts {
    status: RedirectStatus::SeeOther,
    section: "RFC 9110 §15.4.4",
    says: "What you sent was taken; now fetch this other page with GET.",
    method: "Every method but HEAD becomes GET, and that is the point.",
    body: "Not sent again.",
    caching: NOT_STORED,
    google: Documented {
        says: "Like 302: a \"weak signal\"; search goes on showing the source.",
        source: GOOGLE_ERRORS,
    },
    bing: BING_NOTHING,
    claims: &[Claim {
        claim: "A 303 must not be cached.",
        known: "It is not by default. With an explicit `max-age` it may be (RFC 9111 §3).",
    }],
    when: &[
        "After a form or an order was taken, so that a reload does not send it again (post, redirect, get).",
        "After a login form: the one status with which a client is bound to drop the password (RFC 9700 §4.12).",
    ],
    never: &["Where the body has to arrive at the target: 307 or 308."],
    fails: &[
        NGINX_REWRITE,
        Failure { who: "`curl -L -X METHOD`", does: "keeps the method, without the body." },
        Failure { who: "JDK HttpURLConnection", does: "keeps PUT and its body, DELETE and OPTIONS." },
        Failure { who: "urllib3 2.8, node-fetch 3, JDK HttpClient", does: "turn HEAD into GET." },
        Failure { who: "PHP streams 8.2", does: "send the POST and its body again if a 307 follows the 303." },
    ],
    lines: &[
        Line { server: "nginx", language: "nginx", text: "location = /done { return 303 /thanks; }" },
        Line { server: "Apache", language: "apache", text: "Redirect 303 /done https://example.com/thanks" },
        Line {
            server: "Next.js",
            language: "js",
            text: "{ source: '/done', destination: '/thanks', statusCode: 303 }",
        },
        Line { server: "PHP", language: "php", text: "header('Location: /thanks', true, 303); exit;" },
        Line {
            server: "byway",
            language: "toml",
            text: "[[redirect]]\nfrom = \"/done\"\nto = \"/thanks\"\nstatus = 303",
        },
    ],
};

pub(super) const TEMPORARY_REDIRECT: Facts = Facts {
    status: RedirectStatus::TemporaryRedirect,
    section: "RFC 9110 §15.4.8",
    says: "It is elsewhere for now; ask there with the same method and the same body.",
    method: "Kept: a client must not change it (RFC 9110 §15.4.8). Those that cannot do so refuse; none of the usual ones turns a \
             POST into something else.",
    body: "Sent again, all of it, to whatever origin the Location names.",
    caching: NOT_STORED,
    google: Documented {
        says: "Like 302: a \"weak signal\"; search goes on showing the source.",
        source: GOOGLE_ERRORS,
    },
    bing: BING_NOTHING,
    claims: &[
        Claim {
            claim: "A 307 passes no link equity.",
            known: "Not documented. What Google documents is that 307 is treated like 302 and that the source stays the URL it \
                    shows. Its staff have said that every redirect passes PageRank.",
        },
        Claim { claim: "After some months a 307 counts as permanent.", known: STAFF_ON_LONG },
        Claim {
            claim: "The 307 in the browser's network panel came from the server.",
            known: "Often not. Chromium shows its own step from http to https (HSTS) as `307 Internal Redirect` with \
                    `Non-Authoritative-Reason`. No server sent it, and no crawler sees it.",
        },
        Claim {
            claim: "A 307 from http to https protects a form.",
            known: "It saves the form from being lost. The body had crossed in the clear before the answer came; HSTS, or an \
                    https action in the form, is what protects it.",
        },
    ],
    when: &[
        "The old URL will be right again: maintenance, failover, a test, a detour by region. Say when it ends.",
        "Forms and API calls arrive, or may one day: POST, PUT, PATCH and DELETE come through whole.",
        "You are not sure that it is for good. Changing 307 to 308 later is easy; taking back a 308 is not.",
    ],
    never: &[
        "For a permanent move: 308, or 301 for pages. Links, caches and search stay with the old URL.",
        "After a login form: the password would be posted again, to the target (RFC 9700 §4.12 forbids it). Use 303.",
        "To another origin for bodies with secrets: no client that follows withholds the body.",
        "To a CORS preflight: any redirect fails it.",
    ],
    fails: &[
        URLLIB,
        UREQ,
        STREAMS_LOST,
        STREAMS_FAIL,
        STREAMS_RETURNED,
        Failure { who: "Node 20 `fetch` with a Buffer", does: "fails with a detached ArrayBuffer; fixed in Node 24." },
        Failure { who: "node-fetch 3", does: "follows the first and fails on a second in the same chain." },
        Failure { who: "libcurl with CURLFOLLOW_FIRSTONLY", does: "turns PUT and PATCH into POST, DELETE into GET." },
        NGINX_REWRITE,
        EARLY_CLOSE,
        NGINX_413,
    ],
    lines: &[
        Line { server: "nginx", language: "nginx", text: "location = /old { return 307 /new$is_args$args; }" },
        Line { server: "Apache", language: "apache", text: "Redirect 307 /old https://example.com/new" },
        Line { server: "Next.js", language: "js", text: "{ source: '/old', destination: '/new', permanent: false }" },
        Line { server: "PHP", language: "php", text: "header('Location: /new', true, 307); exit;" },
        Line { server: "byway", language: "toml", text: "[[redirect]]\nfrom = \"/old\"\nto = \"/new\"" },
    ],
};

pub(super) const PERMANENT_REDIRECT: Facts = Facts {
    status: RedirectStatus::PermanentRedirect,
    section: "RFC 9110 §15.4.9",
    says: "It has a new URL for good; ask there with the same method and the same body.",
    method: "Kept: 308 does not allow POST to become GET (RFC 7538 §3).",
    body: "Sent again, all of it, to whatever origin the Location names.",
    caching: STORED,
    google: Documented { says: "Like 301: a \"strong signal\"; search shows the target.", source: GOOGLE_ERRORS },
    bing: BING_NOTHING,
    claims: &[
        Claim {
            claim: "308 is not supported.",
            known: "Every browser and nearly every library in use follows it. Those that do not stand below.",
        },
        Claim {
            claim: "For search it has to be 301.",
            known: "Google documents 308 as treated like 301. Of Bing nothing was found, for or against.",
        },
    ],
    when: &[
        "An API, a form, a webhook moved for good: whatever is sent there comes through whole.",
        "A whole site moves and you do not know every method that is used on it.",
    ],
    never: &[
        "For what may come back: browsers and caches remember it after you have taken it away. 307 until you are sure.",
        "After a login form: it posts the password again, as 307 does (RFC 9700 §4.12). Use 303.",
        "Where Java's HttpURLConnection must get through: 307, or 301 for GET.",
    ],
    fails: &[
        Failure { who: "JDK HttpURLConnection, 17 and 25", does: "does not follow and hands the 308 to the caller." },
        Failure { who: "Clients from before RFC 7538", does: "take it for 300 and show its body: put a link there." },
        Failure {
            who: "Next.js 16",
            does: "adds `Refresh: 0;url=…` for those clients, which is a GET whatever was asked.",
        },
        URLLIB,
        UREQ,
        STREAMS_LOST,
        STREAMS_FAIL,
        STREAMS_RETURNED,
        NGINX_REWRITE,
        EARLY_CLOSE,
        NGINX_413,
    ],
    lines: &[
        Line { server: "nginx", language: "nginx", text: "location = /old { return 308 /new$is_args$args; }" },
        Line { server: "Apache", language: "apache", text: "Redirect 308 /old https://example.com/new" },
        Line { server: "Next.js", language: "js", text: "{ source: '/old', destination: '/new', permanent: true }" },
        Line { server: "PHP", language: "php", text: "header('Location: /new', true, 308); exit;" },
        Line { server: "byway", language: "toml", text: "[[redirect]]\nfrom = \"/old\"\nto = \"/new\"\nstatus = 308" },
    ],
};
