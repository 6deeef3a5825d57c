//! The keys of `byway.toml`: one table a section, one row a key.
//!
//! The reader checks keys and shapes by these rows, the JSON Schema is printed from them, and the reference is written beside
//! them: a key that is not here does not exist. A new key is a row here and the line that reads it.
//!
//! Long because it is the table of every key.

/// A section: the keys that may stand in one table.
#[derive(Debug)]
pub struct Section {
    /// As it is written, for messages.
    pub title: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Its keys, the usual ones first.
    pub keys: &'static [Key],
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// One sentence.
    pub help: &'static str,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// What a value looks like. What it means is checked by the reader of its section.
#[derive(Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// Texts.
    Texts,
    /// A source.
    Source,
    /// A target.
    Target,
    /// A redirect status or a pair by method.
    Status,
    /// One of these whole numbers.
    OneOf(&'static [i64]),
    /// A whole number in this range.
    Number(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A query policy.
    Query,
    /// Conditions.
    Conditions,
    /// An instant.
    Instant,
    /// `no-store`, `max-age=60`, or seconds.
    Cache,
    /// A table of shares: slots, percentages or ranges, by names of one's own.
    Shares,
    /// A stated way past, several, or why there is none.
    WayPast,
    /// A table, or `false` for none.
    TableOrFalse(&'static Section),
    /// A time, as `10s`.
    Duration,
    /// A number of bytes, as `4GiB`.
    Size,
    /// A text or several.
    TextOrTexts,
    /// `true` or `false`.
    Flag,
    /// Addresses to listen on: texts, or tables.
    Listens,
    /// A table, or a list of tables.
    TableOrTables(&'static Section),
    /// The list of includes.
    Includes,
    /// A table.
    Table(&'static Section),
    /// A time in days, weeks, months or years, as `90d`.
    Period,
    /// A period, or a date.
    Review,
    /// A time of the clock.
    Clock,
    /// Seconds, a time, or `window`.
    RetryAfter,
    /// Members of a pool.
    Members,
    /// Members of a pool, or lists of them.
    Tiers,
    /// A day of a month.
    MonthDay,
    /// A whole number, or several.
    Numbers,
    /// What a pool does when nobody is up.
    Down,
    /// A table whose entries a person names.
    Named(&'static Section),
    /// A list of tables.
    Tables(&'static Section),
}

const fn may(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, need: Need::Optional, help }
}

const fn must(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, need: Need::Required, help }
}

/// The words of a query policy that need nothing more.
pub const QUERY_WORDS: &[&str] = &["keep", "drop", "replace"];
/// Who may win a merge.
pub const MERGE_WORDS: &[&str] = &["target", "request"];
/// The values of `slash`.
pub const SLASH_WORDS: &[&str] = &["exact", "either"];
/// The values of `case`.
pub const CASE_WORDS: &[&str] = &["exact", "ignore"];
/// The values of `location`.
pub const LOCATION_WORDS: &[&str] = &["relative", "absolute"];
/// The values of `forwarded`.
pub const FORWARDED_WORDS: &[&str] = &["x-forwarded", "forwarded"];
/// The names of formats, as `format` takes them.
pub const FORMAT_WORDS: &[&str] = &crate::formats::NAMES;

const FROM: Key =
    must("from", Kind::Source, "What the rule is for: `[scheme://][host[:port]]/path[?query]`, or `~` and a regex.");
const WHEN: Key = may("when", Kind::Conditions, "Conditions that must all hold.");
const UNLESS: Key = may("unless", Kind::Conditions, "Conditions of which none may hold.");
const ID: Key = may(
    "id",
    Kind::Text,
    "A name that outlives the line, and of this rule alone (`check` names two with one: `duplicate-id`); hits and logs hang on it.",
);
const GROUP: Key = may("group", Kind::Text, "The group it is counted with.");
const OWNER: Key = may("owner", Kind::Text, "Who answers for it.");
const NOTE: Key = may("note", Kind::Text, "Why it is there.");
const PRIORITY: Key = may("priority", Kind::Number(-1_000_000, 1_000_000), "Higher is tried first; 0 by default.");
const SINCE: Key = may("since", Kind::Instant, "The first instant in which it holds.");
const UNTIL: Key = may("until", Kind::Instant, "The first instant in which it no longer holds.");
const SLASH: Key =
    may("slash", Kind::Word(SLASH_WORDS), "`either` makes `/docs` and `/docs/` one; `exact` by default.");
const CASE: Key = may("case", Kind::Word(CASE_WORDS), "`ignore` makes `/A` and `/a` one; `exact` by default.");
const CACHE: Key =
    may("cache", Kind::Cache, "`Cache-Control` of the answer: `no-store`, `max-age=60`, or a number of seconds.");
const REVIEW: Key =
    may("review", Kind::Review, "When somebody wants to look at it again: so long after `since`, as `90d`, or a date.");
const ALLOW: Key =
    may("allow", Kind::Texts, "Findings of `byway check` that are accepted for this rule, as `host-echo`.");
const PROBE: Key =
    may("probe", Kind::Flag, "`false` leaves its target alone where targets are asked whether they are there.");
const WINDOW_KEY: Key = may("window", Kind::Text, "It holds only while this window is open.");
const UNLESS_WINDOW: Key = may("unless_window", Kind::Text, "It holds only while this window is closed.");
const QUERY: Key = may("query", Kind::Query, "What becomes of the request's query; `keep` by default.");
const STATUS: Key = may(
    "status",
    Kind::Status,
    "301, 302, 303, 307 or 308, or one for GET and HEAD and one for the others; 307 by default.",
);
const LOCATION: Key = may(
    "location",
    Kind::Word(LOCATION_WORDS),
    "`absolute` puts `[policy] origin` before a target that begins with `/`.",
);
const CORS_KEY: Key = may(
    "cors",
    Kind::TableOrFalse(&CORS),
    "Which pages of other origins may follow; `false` takes away what `[cors]` says.",
);
const DEPRECATION: Key =
    may("deprecation", Kind::Instant, "Since when, or from when on, the old address is deprecated (RFC 9745).");
const SUNSET: Key = may("sunset", Kind::Instant, "When the old address stops answering (RFC 8594).");
const SUCCESSOR: Key =
    may("successor", Kind::Text, "What takes its place, for `Link` with `rel=\"successor-version\"` (RFC 5829).");
const SPLIT_KEY: Key =
    may("split", Kind::Text, "The split of `[split.NAME]` that its visitors are divided by, with `variant`.");
const VARIANT: Key = may("variant", Kind::TextOrTexts, "The variant, or several, for whose visitors it is.");
const OVERRIDE: Key = may(
    "override",
    Kind::WayPast,
    "The way past a rule that asks for a place: `cookie:NAME`, `query:NAME`, or `{ none = \"why there is none\" }`.",
);
/// The values of `crawlers`.
pub const CRAWLER_WORDS: &[&str] = &["pass", "follow"];
const CRAWLERS: Key = may(
    "crawlers",
    Kind::Word(CRAWLER_WORDS),
    "Whether a rule that asks for a place leaves known crawlers alone (`pass`, the default) or takes them.",
);
const EXAMPLES: Key = may("examples", Kind::Texts, "Cases that `byway check` runs: `POST /a -> 307 /b`.");

/// The whole file.
pub static ROOT: Section = Section {
    title: "byway.toml",
    help: "Redirects as byway's own files write them.",
    keys: &[
        may("include", Kind::Includes, "Other files: paths, patterns, or tables with a file and how to read it."),
        may("zone", Kind::Text, "The time zone of dates and times in this file that name none, as `Europe/Berlin`."),
        EXAMPLES,
        may("pool", Kind::Named(&POOL), "Origins of which some may be down."),
        may("window", Kind::Named(&WINDOW), "Spans of time in which rules hold."),
        may("defaults", Kind::Table(&DEFAULTS), "What the rules of this file have where they say nothing."),
        may("cors", Kind::Table(&CORS), "Which pages of other origins may follow the rules of this file."),
        may("split", Kind::Named(&SPLIT), "Visitors divided among variants: `[split.NAME]`."),
        may("geo", Kind::Table(&GEO), "Who knows where addresses are. In the root file only."),
        may("redirect", Kind::Tables(&REDIRECT), "Send the client elsewhere."),
        may("reply", Kind::Tables(&REPLY), "Answer without a location."),
        may("pass", Kind::Tables(&PASS), "Leave the request to the tables after this one."),
        may("policy", Kind::Table(&POLICY), "What no rule may do. In the root file only."),
        may(
            "upgrade",
            Kind::Table(&UPGRADE),
            "Plain requests are sent to https, before any other rule. In the root file only.",
        ),
        may("server", Kind::Table(&SERVER), "How `byway serve` listens. In the root file only."),
        may("admin", Kind::Table(&ADMIN), "How a running server is administered over TCP. In the root file only."),
    ],
};

/// `[defaults]`
pub static DEFAULTS: Section = Section {
    title: "[defaults]",
    help: "What the rules of this file have where they say nothing; lists and included files are not touched.",
    keys: &[STATUS, QUERY, SLASH, CASE, CACHE, LOCATION, GROUP, OWNER],
};

/// `[[redirect]]`
pub static REDIRECT: Section = Section {
    title: "[[redirect]]",
    help: "Send the client elsewhere, with the same method and body unless `status` says otherwise.",
    keys: &[
        FROM,
        must(
            "to",
            Kind::Target,
            "Where to: begins `/`, `http://` or `https://`; `*`, `:name` and `{name}` insert what the source took.",
        ),
        STATUS,
        QUERY,
        WHEN,
        UNLESS,
        SPLIT_KEY,
        VARIANT,
        OVERRIDE,
        CRAWLERS,
        ID,
        GROUP,
        OWNER,
        NOTE,
        PRIORITY,
        SINCE,
        UNTIL,
        WINDOW_KEY,
        UNLESS_WINDOW,
        REVIEW,
        ALLOW,
        PROBE,
        SLASH,
        CASE,
        CACHE,
        LOCATION,
        may(
            "pool",
            Kind::Text,
            "The pool whose member that is up supplies scheme, host and port; `to` then begins with `/`.",
        ),
        CORS_KEY,
        DEPRECATION,
        SUNSET,
        SUCCESSOR,
        EXAMPLES,
    ],
};

/// `[[reply]]`
pub static REPLY: Section = Section {
    title: "[[reply]]",
    help: "Answer without a location.",
    keys: &[
        FROM,
        must(
            "status",
            Kind::OneOf(&[404, 410, 451, 503]),
            "404, 410 (gone for good), 451 (legal reasons) or 503 (for now).",
        ),
        may(
            "retry_after",
            Kind::RetryAfter,
            "`Retry-After` with 503: seconds, a time as `30s`, or `window`, what is left of the rule's window.",
        ),
        WHEN,
        UNLESS,
        SPLIT_KEY,
        VARIANT,
        OVERRIDE,
        CRAWLERS,
        ID,
        GROUP,
        OWNER,
        NOTE,
        PRIORITY,
        SINCE,
        UNTIL,
        WINDOW_KEY,
        UNLESS_WINDOW,
        REVIEW,
        ALLOW,
        SLASH,
        CASE,
        CACHE,
        CORS_KEY,
        DEPRECATION,
        SUNSET,
        SUCCESSOR,
        EXAMPLES,
    ],
};

/// `[[pass]]`
pub static PASS: Section = Section {
    title: "[[pass]]",
    help: "An exception: what this takes is left to the tables after this one.",
    keys: &[
        FROM,
        WHEN,
        UNLESS,
        SPLIT_KEY,
        VARIANT,
        ID,
        GROUP,
        OWNER,
        NOTE,
        PRIORITY,
        SINCE,
        UNTIL,
        WINDOW_KEY,
        UNLESS_WINDOW,
        REVIEW,
        ALLOW,
        SLASH,
        CASE,
        EXAMPLES,
    ],
};

/// `[cors]`, and `cors` of a rule
pub static CORS: Section = Section {
    title: "`cors`",
    help: "Which pages of other origins may follow (CORS); a preflight is answered, never redirected.",
    keys: &[
        must("origins", Kind::Texts, "Origins as browsers send them, as `https://app.example.com`; `*` alone is any."),
        may(
            "methods",
            Kind::Texts,
            "Methods that a preflight is told; GET, HEAD, POST, PUT, PATCH and DELETE by default.",
        ),
        may("headers", Kind::Texts, "Request fields that a preflight is told, as `content-type`."),
        may("max_age", Kind::Duration, "How long a browser may remember a preflight, as `10m`."),
        may("credentials", Kind::Flag, "Whether cookies may come along; never with the origin `*`."),
    ],
};

/// `[split.NAME]`
pub static SPLIT: Section = Section {
    title: "[split.NAME]",
    help: "Visitors divided among variants, the same one the same way each time; rules take part by `split` and `variant`.",
    keys: &[
        must("by", Kind::Text, "By what visitors are known: `cookie:NAME`, `header:NAME` or `address`."),
        must(
            "variants",
            Kind::Shares,
            "Their shares of 1,000 slots, in this order from slot 0 on: `\"10%\"`, `50`, or the range `\"100..150\"`.",
        ),
        may(
            "control",
            Kind::Text,
            "The variant of all other slots, and of whoever is not divided; `control` by default.",
        ),
        may("start", Kind::Instant, "The first instant in which visitors are divided; before it all get the control."),
        may("end", Kind::Instant, "The first instant in which they no longer are."),
        may(
            "consent",
            Kind::Text,
            "The cookie that must be there first: `cookie:NAME=VALUE`, or `cookie:NAME` for any.",
        ),
        may("draw", Kind::Flag, "`false` where somebody else sets the cookie: who has none gets the control."),
        may("salt", Kind::Text, "A text that mixes the slots anew; the name of the split by default."),
        may(
            "key_file",
            Kind::Text,
            "A file of at least 16 secret bytes instead of a salt, from the folder of this file.",
        ),
        may("exposure", Kind::Text, "A field of the answer that names the variant, as `X-Variant`."),
    ],
};

/// `[geo]`
pub static GEO: Section = Section {
    title: "[geo]",
    help: "Who knows where addresses are, for conditions on country, continent, eu and asn.",
    keys: &[
        must(
            "database",
            Kind::TextOrTexts,
            "MMDB files, from the folder of this file; what the first does not know the next is asked.",
        ),
        may(
            "max_age",
            Kind::Duration,
            "How old a database may be, as `60d`; older is an error. After 90 days it is named.",
        ),
    ],
};

/// `[policy]`
pub static POLICY: Section = Section {
    title: "[policy]",
    help: "What no rule may do.",
    keys: &[
        may(
            "target_hosts",
            Kind::Texts,
            "Hosts to which rules may send: `example.com`, `*.example.com`. Any way out of the list is an error.",
        ),
        may(
            "temporary_max_age",
            Kind::Period,
            "How old a temporary redirect may be before `check` asks whether it is one; `180d` by default.",
        ),
        may("origin", Kind::Text, "The public origin, as `https://www.example.com`, for `location = \"absolute\"`."),
        may(
            "downgrade_308",
            Kind::Texts,
            "Clients that stop at 308 and get 307 from `byway serve`: `java-httpurlconnection`, or `agent:` and how a `User-Agent` begins.",
        ),
    ],
};

/// `[pool.NAME]`
pub static POOL: Section = Section {
    title: "[pool.NAME]",
    help: "Origins of which some may be down; a rule that names the pool sends to one that is up.",
    keys: &[
        must("members", Kind::Members, "Origins, as `https://eu1.example.com` or `{ url = \"…\", weight = 2 }`."),
        may(
            "standby",
            Kind::Tiers,
            "Members that are asked only when none of those before is up; lists in the list are further tiers.",
        ),
        may(
            "balance",
            Kind::Word(&["first", "round-robin", "hash"]),
            "Who of those that are up is chosen; `first` by default.",
        ),
        may("by", Kind::Text, "With `hash`: `cookie:NAME`, `header:NAME`, `query:NAME`, `address` or `path`."),
        may("health", Kind::Table(&HEALTH), "How members are asked whether they are well; without it all count as up."),
        may("slow_start", Kind::Duration, "How long a member that came back takes to its full weight."),
        may("down", Kind::Down, "What is done when nobody is up: 503 by default, or `last-standby`."),
    ],
};

/// A member with a weight.
pub static MEMBER: Section = Section {
    title: "a member",
    help: "An origin and its share.",
    keys: &[
        must("url", Kind::Text, "Scheme, host and port, as `https://eu1.example.com`."),
        may("weight", Kind::Number(0, 1_000), "Its share beside the others of its tier; 1 by default."),
    ],
};

/// `[pool.NAME.health]`
pub static HEALTH: Section = Section {
    title: "[pool.NAME.health]",
    help: "How members are asked whether they are well: a GET, never followed.",
    keys: &[
        must("path", Kind::Text, "What is asked for, as `/healthz`."),
        may("interval", Kind::Duration, "The time between two questions; 5s by default."),
        may("timeout", Kind::Duration, "The time in which the answer must have come; 2s by default."),
        may("fall", Kind::Number(1, 1_000), "So many failures in a row take a member out; 3 by default."),
        may("rise", Kind::Number(1, 1_000), "So many successes in a row take it in again; 2 by default."),
        may(
            "jitter",
            Kind::Number(0, 50),
            "By how many hundredths an interval may be shorter or longer; 10 by default.",
        ),
        may("status", Kind::Numbers, "The statuses that are well; 200 to 299 by default."),
        may("body", Kind::Text, "What the first 64 KiB of the body must hold."),
        may("ca", Kind::Text, "A PEM file of certificates that are trusted beside those of the system."),
    ],
};

/// `down = { status = 503, retry_after = "30s" }`
pub static DOWN: Section = Section {
    title: "`down`",
    help: "What is answered when nobody is up.",
    keys: &[
        may("status", Kind::OneOf(&[503]), "503."),
        may("retry_after", Kind::RetryAfter, "`Retry-After`: seconds, or a time as `30s`."),
    ],
};

/// `[window.NAME]`
pub static WINDOW: Section = Section {
    title: "[window.NAME]",
    help: "A half-open span of time: once, or on days that come again.",
    keys: &[
        may("from", Kind::Instant, "Once: the first instant in it."),
        may("until", Kind::Instant, "Once: the first instant behind it."),
        may(
            "weekdays",
            Kind::Texts,
            "Again: on these days, as `[\"sat\", \"sun\"]`; without it and `monthly` on every day.",
        ),
        may("monthly", Kind::MonthDay, "Again: `first sunday`, `last fri`, `last day`, or a number."),
        may("at", Kind::Clock, "Again: when it begins, as `02:00`."),
        may("cron", Kind::Text, "Again: when it begins, as a line of cron: `0 2 * * 0`."),
        may("for", Kind::Duration, "Again: how long it lasts, as time passes: `2h`."),
        may("zone", Kind::Text, "The time zone of its times, as `Europe/Berlin`; that of the file by default."),
    ],
};

/// `[upgrade]`
pub static UPGRADE: Section = Section {
    title: "[upgrade]",
    help: "Plain requests are sent to https with method, body and query kept; a host that nothing names gets 421.",
    keys: &[
        must(
            "hosts",
            Kind::TextOrTexts,
            "The hosts: `example.com`, `*.example.com` for all below it; `hosts = \"any\"` is every host there is.",
        ),
        STATUS,
        may(
            "public_port",
            Kind::Number(1, 65_535),
            "Where https is for the world; by default the port of the one listener that speaks TLS, or 443. 443 is never written.",
        ),
        may("except", Kind::Texts, "Paths that are left alone: `/.well-known/acme-challenge/*` by default."),
        may(
            "http_credentials",
            Kind::Word(&["redirect", "refuse"]),
            "`refuse` answers 403 where a redirect would only hide that a secret was sent in the clear.",
        ),
        may(
            "credential_paths",
            Kind::Texts,
            "The paths for which `http_credentials = \"refuse\"` holds; without it, requests that carry `Authorization`.",
        ),
        may("hsts", Kind::Table(&HSTS), "`Strict-Transport-Security` on answers over https; not sent unless written."),
    ],
};

/// `hsts = { max_age = "365d" }`
pub static HSTS: Section = Section {
    title: "`hsts`",
    help: "For so long browsers ask these hosts over https only (RFC 6797); it cannot be taken back before.",
    keys: &[
        must("max_age", Kind::Duration, "How long browsers remember, as `5m` to begin with and `365d` later."),
        may("include_subdomains", Kind::Flag, "Whether hosts below are meant too; `false` by default."),
        may("preload", Kind::Flag, "Whether browsers may bring the host along in their list; `false` by default."),
    ],
};

/// `[server]`
pub static SERVER: Section = Section {
    title: "[server]",
    help: "How `byway serve` listens; the command line wins.",
    keys: &[
        may(
            "listen",
            Kind::Listens,
            "Addresses: `127.0.0.1:8307`, `https://[::]:443`, `unix:/run/byway.sock`, or tables that say more.",
        ),
        may("tls", Kind::TableOrTables(&TLS), "Certificates for listeners that speak TLS; the first is the usual one."),
        may("workers", Kind::Number(1, 1024), "Serving threads; one a core by default."),
        may("unmatched", Kind::Number(400, 599), "The status of what no rule takes; 404 by default."),
        may(
            "trusted_proxies",
            Kind::Texts,
            "Who may say who the client is: networks as `10.0.0.0/8`, or `unix` for Unix sockets; nobody by default.",
        ),
        may(
            "forwarded",
            Kind::Word(FORWARDED_WORDS),
            "Which fields are read of trusted proxies: `X-Forwarded-*` by default, or `Forwarded` (RFC 7239); never both.",
        ),
        may(
            "state",
            Kind::Text,
            "A folder for what must survive restarts: windows opened and closed by hand. From the folder of this file.",
        ),
        may("stop_time", Kind::Duration, "How long open requests may take once the server is told to stop."),
        may("hits", Kind::Text, "A database in which hits of rules outlive the server, as `byway.db`; off by default."),
        may(
            "probe",
            Kind::Duration,
            "How often every fixed target is asked whether it is there, as `6h`; off by default.",
        ),
        may("metrics", Kind::Text, "Where Prometheus may ask, as `127.0.0.1:9307`; off by default."),
        may("limits", Kind::Table(&LIMITS), "What one client may ask for."),
        may("linger", Kind::Table(&LINGER), "What is read on after an answer that left before the body was there."),
        may("access_log", Kind::Table(&ACCESS_LOG), "One line a request; off by default."),
    ],
};

/// An entry of `listen`.
pub static LISTEN: Section = Section {
    title: "an entry of `listen`",
    help: "An address, and what connections there begin with.",
    keys: &[
        must("address", Kind::Text, "`127.0.0.1:8307`, `[::]:443`, `:80` or `unix:/run/byway.sock`."),
        may(
            "tls",
            Kind::Flag,
            "Whether TLS is spoken there, as with `https://` before the address; `false` by default.",
        ),
        may(
            "proxy_protocol",
            Kind::Flag,
            "Whether connections begin with the PROXY protocol, of `trusted_proxies` only; `false` by default.",
        ),
    ],
};

/// `[server.tls]`, `[admin.tls]`
pub static TLS: Section = Section {
    title: "`tls`",
    help: "A certificate and its key; the names in the certificate say for which hosts it is shown.",
    keys: &[
        must(
            "cert",
            Kind::Text,
            "The chain in PEM: the server's own certificate first. It is read again when it changes.",
        ),
        must("key", Kind::Text, "The private key in PEM."),
    ],
};

/// `[admin]`
pub static ADMIN: Section = Section {
    title: "[admin]",
    help: "The admin API over TCP, beside the Unix socket of `serve --control PATH`.",
    keys: &[
        may(
            "listen",
            Kind::Text,
            "Where, as `127.0.0.1:9308`; an address that other machines reach only with `tls`. Off by default.",
        ),
        may("token_file", Kind::Text, "The file with the token that every request must hold: 128 bits at least."),
        may("hosts", Kind::Texts, "Hosts that requests may name, beside `localhost`, `127.0.0.1` and `[::1]`."),
        may("tls", Kind::Table(&TLS), "The certificate with which TLS is spoken there."),
    ],
};

/// `[server.limits]`
pub static LIMITS: Section = Section {
    title: "[server.limits]",
    help: "What one client may ask for.",
    keys: &[
        may("connections", Kind::Number(1, 10_000_000), "Connections open at a time."),
        may("request_line", Kind::Size, "The longest request line; above it 414."),
        may("head", Kind::Size, "The longest head; above it 431."),
        may("fields", Kind::Number(1, 128), "How many header fields a head may have; above it 431."),
        may("header_time", Kind::Duration, "How long a head may take to arrive; then 408."),
        may(
            "handshake_time",
            Kind::Duration,
            "How long PROXY protocol and TLS handshake may take together; 10s by default.",
        ),
        may("idle_time", Kind::Duration, "How long a connection may stay open between requests."),
        may("streams", Kind::Number(1, 65_535), "HTTP/2 streams open at a time on one connection."),
    ],
};

/// `[server.linger]`
pub static LINGER: Section = Section {
    title: "[server.linger]",
    help: "What reading on after an early answer may cost.",
    keys: &[
        may("body", Kind::Size, "How much of one body is read at most; 4GiB by default."),
        may("window", Kind::Duration, "The time in which `window_bytes` must arrive; 10s by default."),
        may("window_bytes", Kind::Size, "What must arrive in every window; 16KiB by default."),
        may("discard", Kind::Duration, "How long is discarded after the half-close; 5s by default."),
        may(
            "slots_one_in",
            Kind::Number(1, 1_000_000),
            "Which part of the connections may linger: one in so many; 4 by default.",
        ),
        may(
            "per_address",
            Kind::Number(1, 10_000_000),
            "How many connections of one address may linger; 16 by default.",
        ),
    ],
};

/// `[server.access_log]`
pub static ACCESS_LOG: Section = Section {
    title: "[server.access_log]",
    help: "One line a request.",
    keys: &[
        must("path", Kind::Text, "The file; it is reopened on SIGUSR1."),
        may("format", Kind::Word(&["common", "combined", "json"]), "What a line looks like; `combined` by default."),
        may(
            "query",
            Kind::Word(&["hide", "show"]),
            "Whether queries are written; they often hold secrets. `hide` by default.",
        ),
    ],
};

/// An entry of `include`.
pub static INCLUDE: Section = Section {
    title: "an include",
    help: "A file or a pattern, and how to read it.",
    keys: &[
        must("file", Kind::Text, "A path or a pattern, from the folder of this file."),
        may("format", Kind::Word(FORMAT_WORDS), "The format, where name and content leave doubt."),
        may("status", Kind::Status, "The status of rows that name none."),
        may("query", Kind::Query, "What becomes of the request's query, for rows that do not say."),
        may("slash", Kind::Word(SLASH_WORDS), "Whether a trailing slash counts in this list."),
        may("case", Kind::Word(CASE_WORDS), "Whether letter case counts in this list."),
        may("group", Kind::Text, "The group of rows that name none."),
        may("owner", Kind::Text, "The owner of rows that name none."),
    ],
};

/// `status = { get = 301, other = 307 }`
pub static STATUS_PAIR: Section = Section {
    title: "`status`",
    help: "One status for GET and HEAD, one for every other method.",
    keys: &[
        must(
            "get",
            Kind::OneOf(&[301, 302, 303, 307, 308]),
            "For GET and HEAD: write `status = { get = 301, other = 307 }`.",
        ),
        must(
            "other",
            Kind::OneOf(&[301, 302, 303, 307, 308]),
            "For every other method: write `status = { get = 301, other = 307 }`.",
        ),
    ],
};

/// Every section, for the reference and the schema.
pub static SECTIONS: &[&Section] = &[
    &ROOT,
    &INCLUDE,
    &DEFAULTS,
    &REDIRECT,
    &STATUS_PAIR,
    &REPLY,
    &PASS,
    &CORS,
    &SPLIT,
    &GEO,
    &POLICY,
    &POOL,
    &MEMBER,
    &HEALTH,
    &DOWN,
    &WINDOW,
    &UPGRADE,
    &HSTS,
    &SERVER,
    &LISTEN,
    &TLS,
    &ADMIN,
    &LIMITS,
    &LINGER,
    &ACCESS_LOG,
];

impl Section {
    /// The row of a key.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}
