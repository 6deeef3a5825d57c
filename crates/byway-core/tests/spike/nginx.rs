//! Cases of `nginx.md` as tables and rules: what a reader of nginx files would have to build.
//!
//! A server is a table of its server phase, which goes on in a table of its locations; the body of a location that does more
//! than one thing is a table of its own. Captures that outlive their location are kept in slots.

use byway_core::condition::Test;
use byway_core::dialect::{NGINX_RETURN, NGINX_RETURN_RELATIVE, NGINX_REWRITE, NGINX_REWRITE_RELATIVE, QueryPolicy};
use byway_core::regex::Flavour;
use byway_core::rule::Then;
use byway_core::ruleset::Order::{Listed, NginxLocation, Specific};
use byway_core::ruleset::TableId;
use byway_core::source::{PathPattern, Source};
use byway_core::{Action, condition::Condition};

use super::{Build, Site, any, asks, begins, begins_for_good, exact, is, keep, not, on, pattern, reply, rewrite, send};

pub(crate) const CASES: &[(&str, Build)] = &[
    ("exact location", exact_location),
    ("prefix location by bytes", prefix_location),
    ("longest prefix, whatever the order", longest_prefix),
    ("regex locations in order", regex_locations),
    ("`^~` keeps the regexes out", no_regexes),
    ("nested locations", nested),
    ("server phase before locations", server_phase),
    ("server rewrites without a flag go on", flagless),
    ("server rewrites with `last` and `break`", server_last),
    ("`redirect` and `permanent`", redirect_permanent),
    ("the query after `rewrite`", rewrite_query),
    ("`last` and `break` in a location", location_last),
    ("a flagless rewrite at the end of a location", flagless_at_the_end),
    ("ten rounds, then 500", ten_rounds),
    ("`rewrite` to an absolute URL", absolute_rewrite),
    ("captures of `rewrite` in the path", captures_in_path),
    ("escapes written in a target of `rewrite`", written_escapes),
    ("captures of `rewrite` in the query", captures_in_query),
    ("captures in `return`", captures_in_return),
    ("`$request_uri` and `$uri`", request_uri),
    ("named captures", named_captures),
    ("`$host`, `$scheme`, `$args` and relatives", variables),
    ("a relative Location is made absolute", made_absolute),
    ("status codes of `return`", status_codes),
    ("`if` on the method", if_method),
    ("`if` on header fields", if_fields),
    ("`if` on the query", if_query),
    ("several `if` in one place", several_ifs),
    ("slashes and dot segments", slashes_and_dots),
    ("which server", which_server),
    ("a `map` of moved pages", map),
    ("escaped and non-ASCII text in the configuration", text_in_configuration),
];

fn re(text: &'static str) -> Source<'static> {
    Source::of_path(PathPattern::Regex(pattern(text, Flavour::Pcre)))
}

fn ret(status: u16, text: &'static str) -> Action<'static> {
    send(status, text, QueryPolicy::Drop)
}

/// `rewrite … redirect` and `permanent`; a target that ends in `?` is one of [`ret`].
fn moved(status: u16, text: &'static str) -> Action<'static> {
    send(status, text, QueryPolicy::Keep)
}

fn inside(text: &'static str, then: Then) -> Action<'static> {
    rewrite(text, QueryPolicy::Keep, then)
}

fn found(text: &'static str, regex: &'static str) -> Condition {
    asks(text, Test::Regex(pattern(regex, Flavour::Pcre)))
}

fn is_true(text: &'static str) -> Condition {
    not(asks(text, Test::In(vec![String::new(), "0".to_owned()])))
}

fn locations(site: &mut Site) -> TableId {
    site.root(&NGINX_RETURN, NginxLocation)
}

fn body(site: &mut Site, outer: TableId, location: Source<'static>) -> TableId {
    let table = site.table(&NGINX_RETURN, Listed);
    site.rule(outer, location, Action::Enter(table));
    table
}

/// The table of the server phase, and that of the locations.
fn server(site: &mut Site) -> (TableId, TableId) {
    let phase = site.root(&NGINX_REWRITE, Listed);
    let locations = site.table(&NGINX_RETURN, NginxLocation);
    site.after(phase, locations);
    (phase, locations)
}

fn exact_location(site: &mut Site) {
    let l = locations(site);
    site.rule(l, exact("/old"), ret(307, "/new"));
}

fn prefix_location(site: &mut Site) {
    let l = locations(site);
    site.rule(l, begins("/old"), ret(308, "https://new.example/"));
    site.rule(l, begins("/dir/"), ret(308, "https://dir.example/"));
}

fn longest_prefix(site: &mut Site) {
    let l = locations(site);
    for (path, to) in [("/", "/root"), ("/a/b", "/a-b"), ("/a", "/a"), ("/a/bc", "/a-bc")] {
        site.rule(l, begins(path), ret(302, to));
    }
    site.rule(l, exact("/a/"), ret(302, "/exact"));
}

fn regex_locations(site: &mut Site) {
    let l = locations(site);
    site.rule(l, begins("/docs/long/prefix/"), ret(302, "/prefix"));
    site.rule(l, re(r"\.html$"), ret(302, "/html"));
    site.rule(l, re(r"(?i)\.(html|pdf)$"), ret(302, "/any-case"));
    site.rule(l, re("/long/"), ret(302, "/long"));
    site.rule(l, exact("/docs/exact.html"), ret(302, "/exact"));
}

fn no_regexes(site: &mut Site) {
    let l = locations(site);
    site.rule(l, begins_for_good("/static/"), ret(301, "/kept"));
    site.rule(l, begins("/static/open/"), ret(301, "/open"));
    site.rule(l, begins("/stat"), ret(301, "/stat"));
    site.rule(l, re(r"\.css$"), ret(301, "/css"));
}

/// A location with locations inside is final and enters a table that ends in the regexes from outside.
fn nested(site: &mut Site) {
    let l = locations(site);
    let shop = site.table(&NGINX_RETURN, NginxLocation);
    let raw = site.table(&NGINX_RETURN, NginxLocation);
    let deep = site.table(&NGINX_RETURN, NginxLocation);
    site.rule(l, begins_for_good("/shop/"), Action::Enter(shop));
    site.rule(shop, begins("/shop/"), ret(302, "/outer"));
    site.rule(shop, begins("/shop/cart/"), ret(302, "/cart"));
    site.rule(shop, exact("/shop/cart/pay"), ret(302, "/pay"));
    site.rule(shop, begins_for_good("/shop/raw/"), Action::Enter(raw));
    site.rule(raw, begins("/shop/raw/"), ret(302, "/raw"));
    site.rule(shop, re(r"\.php$"), ret(302, "/inner-php"));
    for table in [l, shop, raw] {
        site.rule(table, re(r"\.php$"), ret(302, "/outer-php"));
        site.rule(table, re(r"\.asp$"), ret(302, "/outer-asp"));
        site.rule(table, re("^/deep/"), Action::Enter(deep));
    }
    site.rule(deep, re("/x$"), ret(302, "/deep-x"));
    site.rule(deep, begins(""), ret(302, "/deep"));
}

fn server_phase(site: &mut Site) {
    let (phase, l) = server(site);
    site.when(phase, any(), &[found("{asked}", "^/legacy")], reply(410));
    site.rule(phase, re("^/moved/"), moved(301, "/target"));
    site.rule(l, exact("/moved/here"), ret(302, "/never"));
    site.rule(l, exact("/legacy"), ret(302, "/never"));
    site.rule(l, begins("/"), ret(302, "/location"));
}

fn flagless(site: &mut Site) {
    let (phase, l) = server(site);
    site.rule(phase, re("^/a/(.*)$"), inside("/b/{1}", Then::Next));
    site.rule(phase, re("^/b/(.*)$"), inside("/c/{1}", Then::Next));
    site.rule(phase, re("^/a/"), inside("/never", Then::Next));
    site.rule(l, begins("/b/"), ret(302, "/at-b"));
    site.rule(l, begins("/c/"), ret(302, "/at-c?uri={uri}&asked={asked}&args={args}"));
    let d = body(site, l, begins("/d/"));
    site.rule(d, re("^/d/(.*)$"), inside("/b/{1}", Then::Table(l)));
}

fn server_last(site: &mut Site) {
    let (phase, l) = server(site);
    site.rule(phase, re("^/one/(.*)$"), inside("/two/{1}", Then::Table(l)));
    site.rule(phase, re("^/uno/(.*)$"), inside("/two/{1}", Then::Table(l)));
    site.rule(phase, re("^/stop/"), inside("/two/stop.html", Then::Next));
    site.when(phase, any(), &[is("{uri}", "/two/stop.html")], Action::Enter(l));
    site.rule(phase, re("^/two/(.*)$"), inside("/three/{1}", Then::Next));
    site.rule(l, begins("/three/"), ret(302, "/at-three"));
    site.rule(l, exact("/two/g.html"), ret(302, "/at-two"));
}

fn redirect_permanent(site: &mut Site) {
    let phase = site.root(&NGINX_REWRITE, Listed);
    site.rule(phase, re("^/tmp/(.*)$"), moved(302, "/t/{1}"));
    site.rule(phase, re("^/perm/(.*)$"), moved(301, "/p/{1}"));
    site.rule(phase, re("/unanchored/"), moved(302, "/u"));
    site.rule(phase, re("^/away/(.*)$"), moved(301, "https://away.example/{1}"));
    site.rule(phase, re("^"), moved(301, "/rest"));
}

fn rewrite_query(site: &mut Site) {
    let phase = site.root(&NGINX_REWRITE, Listed);
    site.rule(phase, re("^/keep$"), moved(302, "/t"));
    site.rule(phase, re("^/own$"), moved(302, "/t?own=1"));
    site.rule(phase, re("^/drop$"), ret(302, "/t"));
    site.rule(phase, re("^/own-drop$"), ret(302, "/t?own=1"));
    site.rule(phase, re("^/args$"), ret(302, "/t?a={args}"));
    site.rule(phase, re("^/both$"), moved(302, "/t?{args}"));
    // Parameters are found without case, as they came: a regex on the query says it.
    site.rule(phase, any(), keep(0, ""));
    site.rule(phase, any(), keep(1, ""));
    site.when(phase, any(), &[found("{args}", "(?i)(?:^|&)id=([^&]*)")], keep(0, "{%1}"));
    site.when(phase, any(), &[found("{args}", "(?i)(?:^|&)u=([^&]*)")], keep(1, "{%1}"));
    let arg = site.table(&NGINX_RETURN, Listed);
    let rest = site.table(&NGINX_REWRITE, Listed);
    site.after(phase, arg);
    site.after(arg, rest);
    site.rule(arg, re("^/arg$"), ret(302, "/t?id={s0}&u={s1}"));
    site.rule(rest, re("^/inner$"), inside("/mid?one=1", Then::Next));
    site.rule(rest, re("^/mid$"), moved(302, "/t?two=2"));
    site.rule(rest, re("^/gone$"), rewrite("/left", QueryPolicy::Drop, Then::Next));
    site.rule(rest, re("^/left$"), moved(302, "/t"));
}

fn location_last(site: &mut Site) {
    let l = locations(site);
    let old = body(site, l, begins("/old/"));
    site.rule(old, re("^/old/last/(.*)$"), inside("/new/{1}", Then::Table(l)));
    site.rule(old, re("^/old/break/(.*)$"), inside("/new/{1}", Then::End));
    site.rule(old, re("^/old/none/(.*)$"), inside("/new/{1}", Then::Next));
    site.rule(old, re("^/new/stay/(.*)$"), inside("/new/{1}", Then::End));
    site.rule(old, any(), ret(302, "/fell"));
    site.rule(l, begins("/new/"), ret(302, "/new-location"));
}

fn flagless_at_the_end(site: &mut Site) {
    let l = locations(site);
    let a = body(site, l, begins("/a/"));
    site.rule(a, re("^/a/(.*)$"), inside("/b/{1}", Then::Table(l)));
    site.rule(l, begins("/b/"), ret(303, "/from-b?u={uri}"));
    let here = body(site, l, begins("/here/"));
    site.rule(here, re("^/here/(.*)$"), inside("/here/{1}", Then::Table(l)));
    let same = body(site, l, begins("/same/"));
    site.rule(same, re(r"^/same/f\.html$"), inside("/here/f.html", Then::End));
}

fn ten_rounds(site: &mut Site) {
    let l = locations(site);
    let n = body(site, l, begins("/n/"));
    site.rule(n, re("^/n/1(.*)$"), inside("/n/{1}", Then::Table(l)));
    site.rule(n, any(), ret(302, "/done?left={uri}"));
    for (path, regex, to) in [
        ("/loop/", "^/loop/(.*)$", "/loop/{1}x"),
        ("/ping/", "^", "/pong/"),
        ("/pong/", "^", "/ping/"),
        ("/self/", "^/self/(.*)$", "/self/{1}"),
    ] {
        let table = body(site, l, begins(path));
        site.rule(table, re(regex), inside(to, Then::Table(l)));
    }
}

fn absolute_rewrite(site: &mut Site) {
    let phase = site.root(&NGINX_REWRITE, Listed);
    site.rule(phase, re("^/plain/(.*)$"), moved(302, "http://new.example/{1}"));
    site.rule(phase, re("^/tls/(.*)$"), moved(301, "https://new.example/{1}?own=1"));
    site.rule(phase, re("^/scheme/(.*)$"), moved(302, "{scheme}://new.example/{1}"));
    site.rule(phase, re("^/var/(.*)$"), inside("https:{=//var.example}/{1}", Then::Next));
    site.rule(phase, re("^/last/(.*)$"), moved(302, "https://new.example/{1}"));
    site.rule(phase, re("^/caps/(.*)$"), inside("HTTPS:{=//new.example}/{1}", Then::Next));
    site.rule(phase, re("^/glued(.*)$"), moved(302, "https://new.example{1}"));
    site.rule(phase, re("^"), moved(302, "/rest"));
}

fn captures_in_path(site: &mut Site) {
    let phase = site.root(&NGINX_REWRITE, Listed);
    site.rule(phase, re("^/go/(.*)$"), moved(302, "/t/{1}"));
}

/// Literal text of a redirect is undone and escaped again by whoever reads it, and stands here as it is sent.
fn written_escapes(site: &mut Site) {
    let (phase, l) = server(site);
    site.rule(phase, re("^/lit$"), moved(302, "/t/A&%20{=?}%2F%25%23"));
    site.rule(phase, re("^/lit/(.*)$"), moved(302, "/t/A&%20~/{1}"));
    site.rule(phase, re("^/query$"), moved(302, "/t?%41%26%20%7e"));
    site.rule(phase, re("^/abs$"), moved(301, "https://new.example/A&%C3%A9%c3%a9"));
    site.rule(phase, re("^/plain$"), moved(302, "/a%20b/%C3%A9"));
    site.rule(phase, re("^/hash$"), moved(302, "/t#part"));
    site.rule(phase, re("^/inside$"), inside("/in%41%20/x", Then::Table(l)));
    site.rule(phase, re("^/decoded$"), inside("/in A/x", Then::Table(l)));
    site.rule(l, begins("/in"), ret(302, "/location?{uri}"));
}

fn captures_in_query(site: &mut Site) {
    let phase = site.root(&NGINX_REWRITE, Listed);
    site.rule(phase, re("^/q/(.*)$"), moved(302, "/s?u={1}"));
    site.rule(phase, re("^/v/(.*)$"), moved(302, "/s?u={1}"));
    site.rule(phase, re("^/arg/(.*)$"), ret(302, "/s/{a:x}?u={1}&x={a:x}"));
}

fn captures_in_return(site: &mut Site) {
    let l = locations(site);
    site.rule(l, re("^/r/(.*)$"), ret(307, "https://new.example/{1}"));
    site.rule(l, re("^/s/([^/]+)/([^/]*)$"), ret(308, "/{2}/{1}?a={1}"));
    site.rule(l, re("^/zero/(a)?(b)?$"), ret(303, "/z/[{1}][{2}]"));
}

fn request_uri(site: &mut Site) {
    let l = locations(site);
    site.rule(l, begins("/raw"), ret(307, "https://new.example{asked}"));
    site.rule(l, begins("/uri"), ret(307, "https://new.example{uri}"));
    site.rule(l, begins("/both"), send(307, "https://new.example{uri}", QueryPolicy::Keep));
    let doc = body(site, l, begins("/doc"));
    site.rule(doc, re("^/doc/(.*)$"), inside("/x/{1}", Then::Next));
    site.rule(doc, any(), ret(307, "/now{uri}?was={asked}"));
}

fn named_captures(site: &mut Site) {
    let l = locations(site);
    let u = body(site, l, re(r"^/u/(\d+)/(.*)$"));
    site.rule(u, re(r"^/u/(\d+)/(.*)$"), keep(0, "{1}"));
    site.rule(u, re(r"^/u/(\d+)/(.*)$"), keep(1, "{2}"));
    site.when(u, any(), &[found("{f:x-test}", "^(.)")], ret(303, "/x/{%1}/{s0}"));
    site.when(u, any(), &[not(found("{args}", "never"))], keep(2, "yes"));
    site.rule(u, any(), ret(303, "/p?id={s0}&r={s1}&one=&seen={s2}"));
    site.rule(l, re(r"^/y/(\d{4})-(\d{2})$"), ret(301, "/{1}/{2}/"));
    let w = body(site, l, re("^/w/([a-z]+)$"));
    site.rule(w, re("^/w/([a-z]+)$"), keep(0, "{1}"));
    site.rule(w, re("^/(.)/"), ret(301, "/{1}/{s0}/{s0}"));
    site.rule(l, re("^/lost/(.*)$"), ret(302, "/got/[]"));
    let held = body(site, l, re("^/held/(.*)$"));
    site.rule(held, re("^/held/(.*)$"), keep(0, "{1}"));
    site.rule(held, any(), ret(302, "/got/[{s0}]"));
    let kept = body(site, l, re("^/kept/(.*)$"));
    site.when(kept, re("^/kept/(.*)$"), &[is("{f:x-test}", "a")], ret(302, "/test/[{1}]"));
    site.rule(kept, re("^/kept/(.*)$"), ret(302, "/got/[{1}]"));
}

fn variables(site: &mut Site) {
    let l = locations(site);
    site.rule(l, begins("/host"), ret(307, "{scheme}://{host}{asked}"));
    site.rule(l, begins("/http-host"), ret(307, "https://{http_host}/"));
    site.rule(l, begins("/name"), ret(307, "https://first.example:8080/"));
    site.rule(l, begins("/args"), send(307, "/a", QueryPolicy::Keep));
    site.rule(l, begins("/query"), ret(307, "/a?{args}"));
    site.rule(l, begins("/arg"), ret(307, "/a?id={a:id}&none=&m={method}"));
    site.rule(l, begins("/braces"), ret(307, "/{a:id}x"));
    let cookie = body(site, l, begins("/cookie"));
    site.when(cookie, any(), &[found("{f:cookie}", r"(?:^|;\s*)lang=([^;]*)")], keep(0, "{%1}"));
    site.rule(cookie, any(), ret(307, "/c/{s0}/{f:x-test}"));
}

fn made_absolute(site: &mut Site) {
    let hosts = site.root(&NGINX_RETURN, Specific);
    let l = site.table(&NGINX_RETURN, NginxLocation);
    let first = site.table(&NGINX_RETURN, NginxLocation);
    let relative = site.table(&NGINX_RETURN_RELATIVE, Listed);
    let rewriting = site.table(&NGINX_REWRITE_RELATIVE, Listed);
    for host in ["first.example", "second.example"] {
        site.rule(hosts, on(host, any()), Action::Enter(first));
    }
    site.rule(hosts, any(), Action::Enter(l));
    site.rule(first, begins("/"), ret(307, "{scheme}://first.example:8080/named"));
    for (path, to) in
        [("/slash", "/t"), ("/double", "/{=/other.example/t}"), ("/fragment", "/t#f"), ("/blank", "/a%20b")]
    {
        site.rule(l, exact(path), ret(307, to));
    }
    site.rule(l, exact("/no-port"), ret(307, "{scheme}://{host}/t"));
    site.rule(l, exact("/as-is"), Action::Enter(relative));
    site.rule(l, exact("/as-is-double"), Action::Enter(relative));
    site.rule(relative, exact("/as-is"), ret(307, "/t"));
    site.rule(relative, any(), ret(307, "/{=/other.example/t}"));
    site.rule(l, exact("/rewritten"), Action::Enter(rewriting));
    site.rule(rewriting, re("^"), moved(302, "/t"));
}

fn status_codes(site: &mut Site) {
    let l = locations(site);
    for (path, status) in [("/301", 301), ("/302", 302), ("/303", 303), ("/307", 307), ("/308", 308)] {
        site.rule(l, exact(path), ret(status, "/t"));
    }
    for (path, status) in [("/404", 404), ("/410", 410), ("/451", 451)] {
        site.rule(l, exact(path), reply(status));
    }
    site.rule(l, exact("/url"), ret(302, "https://new.example/"));
    site.rule(l, exact("/scheme"), ret(302, "{scheme}://new.example/"));
}

fn if_method(site: &mut Site) {
    let l = locations(site);
    let form = body(site, l, begins("/form"));
    site.when(form, any(), &[is("{method}", "POST")], ret(307, "https://new.example{asked}"));
    site.when(form, any(), &[not(found("{method}", "^(GET|HEAD)$"))], ret(308, "https://new.example{asked}"));
    site.rule(form, any(), ret(301, "https://new.example{asked}"));
    let denied = body(site, l, begins("/not"));
    site.when(denied, any(), &[not(is("{method}", "GET"))], reply(403));
    site.rule(denied, re("^"), moved(302, "/get"));
}

fn if_fields(site: &mut Site) {
    let l = locations(site);
    let mut branch = |path, condition: Condition, yes, no| {
        let table = body(site, l, begins(path));
        site.when(table, any(), &[condition], ret(307, yes));
        site.rule(table, any(), ret(307, no));
    };
    branch("/flag", is_true("{f:x-beta}"), "/beta", "/stable");
    branch("/is", is("{f:x-beta}", "yes"), "/beta", "/stable");
    branch("/not", not(is("{f:x-beta}", "yes")), "/stable", "/beta");
    branch("/cookie", found("{f:cookie}", r"(?:^|;\s*)beta=1(?:;|$)"), "/beta", "/stable");
    let ua = body(site, l, begins("/ua"));
    site.when(ua, any(), &[found("{f:user-agent}", "(?i)(iphone|android)")], ret(302, "/mobile/{%1}"));
    site.when(ua, any(), &[not(found("{f:user-agent}", "^Mozilla/"))], ret(302, "/plain"));
    site.rule(ua, any(), ret(302, "/desktop"));
    let lang = body(site, l, begins("/lang"));
    site.when(lang, any(), &[found("{f:accept-language}", "^(de|fr)")], ret(302, "/{%1}{uri}"));
    site.rule(lang, any(), ret(302, "/en{uri}"));
}

fn if_query(site: &mut Site) {
    let l = locations(site);
    let page = body(site, l, exact("/page.php"));
    site.when(page, any(), &[found("{args}", "(?i)(?:^|&)id=([^&]*)")], keep(0, "{%1}"));
    site.when(page, any(), &[found("{args}", "(?i)(?:^|&)q=([^&]*)")], keep(1, "{%1}"));
    site.when(page, any(), &[is("{s0}", "7")], ret(301, "/seven"));
    site.when(page, any(), &[found("{s0}", r"^(\d+)$")], ret(301, "/page/{%1}"));
    site.when(page, any(), &[found("{args}", "(?:^|&)cat=([a-z]+)(?:&|$)")], ret(301, "/cat/{%1}"));
    site.when(page, any(), &[is_true("{s1}")], ret(301, "/search?q={s1}"));
    site.rule(page, any(), reply(410));
    let other = body(site, l, exact("/in"));
    site.when(other, any(), &[is("{args}", "")], ret(302, "/none"));
    site.rule(other, any(), ret(302, "/some"));
}

fn several_ifs(site: &mut Site) {
    let (phase, l) = server(site);
    site.when(phase, any(), &[is_true("{f:x-a}")], keep(0, "{s0}a"));
    site.when(phase, any(), &[is_true("{f:x-b}")], keep(0, "{s0}b"));
    site.when(phase, any(), &[is("{s0}", "ab")], ret(302, "/both"));
    site.when(phase, re("^/from/(.*)$"), &[is("{s0}", "a")], inside("/to/{1}", Then::Next));
    site.when(phase, re("^/from/(.*)$"), &[is("{s0}", "b")], moved(302, "/to/{1}"));
    let from = body(site, l, begins("/from/"));
    site.when(from, re("^/from/(.*)$"), &[is("{a:x}", "1")], inside("/to/one-{1}", Then::Table(l)));
    site.when(from, re("^/from/(.*)$"), &[is("{a:x}", "2")], inside("/from/two-{1}", Then::Next));
    site.when(from, any(), &[found("{uri}", "^/from/(two-.*)$")], ret(302, "/seen/{%1}"));
    site.rule(from, any(), ret(302, "/from-body"));
    site.rule(l, begins("/to/"), ret(302, "/to-body{uri}"));
}

fn slashes_and_dots(site: &mut Site) {
    let l = locations(site);
    site.rule(l, exact("/a/b"), ret(302, "/hit"));
    site.rule(l, re("^/t/(.*)$"), ret(302, "/t?{1}"));
}

fn which_server(site: &mut Site) {
    let hosts = site.root(&NGINX_RETURN, Specific);
    let patterns = site.table(&NGINX_RETURN, Listed);
    site.after(hosts, patterns);
    site.rule(hosts, on("www.example.test", any()), ret(301, "http://example.test{asked}"));
    for host in ["deep.example.test", "*.deep.example.test"] {
        site.rule(hosts, on(host, any()), ret(302, "https://deep.example/{host}"));
    }
    site.rule(hosts, on("*.example.test", any()), ret(302, "https://star.example/{host}"));
    site.when(patterns, any(), &[found("{host}", r"^www\.")], ret(302, "https://www.example/{host}"));
    site.when(
        patterns,
        any(),
        &[found("{host}", r"^(.+)\.users\.test$")],
        ret(302, "https://users.example/[{%1}][{%1}]"),
    );
    site.when(patterns, any(), &[found("{host}", r"^api(\d+)\.test$")], ret(302, "https://users.example/[][{%1}]"));
    site.rule(patterns, any(), ret(302, "https://default.example/{host}"));
}

/// A map is a table that keeps a text and goes on behind it.
fn map(site: &mut Site) {
    let canonical = site.root(&NGINX_RETURN, Specific);
    let first = site.table(&NGINX_RETURN, Listed);
    let moves = site.table(&NGINX_RETURN, Specific);
    let last = site.table(&NGINX_RETURN, Listed);
    site.after(canonical, first);
    site.after(first, moves);
    site.after(moves, last);
    // `$http_host` is compared with its port.
    let to = |slot, text, table| match keep(slot, text) {
        Action::Set { slot, text, .. } => Action::Set { slot, text, then: Then::Table(table) },
        other => other,
    };
    for (host, value) in [("old.test", "new.test"), ("*.old.test", "sub.new.test")] {
        site.when(canonical, on(host, any()), &[not(found("{http_host}", ":"))], to(0, value, first));
    }
    site.when(first, any(), &[is_true("{s0}")], ret(308, "https://{s0}{asked}"));
    for (path, value) in
        [("/about.html", "/about/"), ("/Docs/Start", "/start?from=map"), ("/a%20b", "/never"), ("/c d", "/decoded")]
    {
        let mut source = exact(path);
        source.case = byway_core::dialect::LetterCase::Ignored;
        site.rule(moves, source, to(1, value, last));
    }
    for (regex, value) in
        [(r"^/blog/(\d+)$", "/posts/{1}"), ("(?i)^/news/(.+)", "https://news.example/{1}"), ("^/about", "/regex")]
    {
        site.rule(moves, re(regex), to(1, value, last));
    }
    site.when(last, any(), &[is_true("{s1}")], ret(301, "{s1}"));
}

fn text_in_configuration(site: &mut Site) {
    let l = locations(site);
    site.rule(l, exact("/a%20b"), ret(302, "/written-escaped"));
    site.rule(l, exact("/a b"), ret(302, "/written-decoded"));
    site.rule(l, exact("/é"), ret(302, "/e-acute"));
    for (regex, to) in [
        (r"^/q\?$", "/question"),
        ("^/h%23$", "/never"),
        ("^/h#$", "/hash#%C3%A9"),
        ("(?i)^/É$", "/capital"),
        ("^/c/.$", "/one-character"),
        ("^/end$", "/end"),
        ("^/dot/a.b$", "/dot"),
    ] {
        site.rule(l, re(regex), ret(302, to));
    }
}
