//! Cases of `apache.md` as tables and rules: what a reader of Apache files would have to build.
//!
//! mod_rewrite of the server, then mod_alias, then the folder's own rules are tables one after the other; rules whose captures
//! are written out in another form (`[NE]`, `[B]`) stand in tables of their own. A folder's rules begin again after `[L]`.
// Long because each measured case is built by hand.

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::dialect::{
    APACHE, APACHE_B, APACHE_B_NE, APACHE_MATCH, APACHE_NE, APACHE_NO_DECODE, Dialect, QueryPolicy,
};
use byway_core::regex::Flavour;
use byway_core::rule::Then;
use byway_core::ruleset::Order::{Listed, Specific};
use byway_core::ruleset::TableId;
use byway_core::source::{PathPattern, Source};

use super::{Build, Site, any, asks, begins, below, exact, is, not, on, or, pattern, reply, rewrite, send};

pub(crate) const CASES: &[(&str, Build)] = &[
    ("Redirect: prefix and remainder", prefix_and_remainder),
    ("Redirect: the remainder is appended as text", remainder_as_text),
    ("Redirect: statuses", redirect_statuses),
    ("Redirect: the first that is listed", first_listed),
    ("Redirect: escapes", redirect_escapes),
    ("RedirectMatch", redirect_match),
    ("a relative target is made absolute", made_absolute),
    ("the port of ServerName", server_name_port),
    ("UseCanonicalName", canonical_name),
    ("Redirect in `.htaccess` and `<Location>`", redirect_in_folders),
    ("RewriteRule in the server", rule_in_server),
    ("RewriteRule: statuses", rule_statuses),
    ("RewriteRule in `.htaccess`", rule_in_htaccess),
    ("the folder's part is taken off", folder_taken_off),
    ("RewriteBase and relative targets", rewrite_base),
    ("the deepest `.htaccess` with rules stands alone", deepest_alone),
    ("RewriteOptions Inherit", inherit),
    ("RewriteCond on the host", cond_host),
    ("RewriteCond: AND, OR", cond_and_or),
    ("RewriteCond: back-references", back_references),
    ("RewriteCond on the query", cond_query),
    ("RewriteCond on method, fields, path", cond_fields),
    ("rules one after the other", one_after_the_other),
    ("rounds in `.htaccess`: L and END", rounds),
    ("rounds without end", endless_rounds),
    ("query flags", query_flags),
    ("captures in the path", captures_in_path),
    ("captures in the query", captures_in_query),
    ("escaped slashes let in", escaped_slashes),
    ("S and C", skip_and_chain),
    ("mod_rewrite before mod_alias", rewrite_before_alias),
    ("an absolute target without R", absolute_without_r),
    ("slashes and dot segments", slashes_and_dots),
    ("virtual hosts", virtual_hosts),
];

fn re(text: &'static str) -> Source<'static> {
    Source::of_path(PathPattern::Regex(pattern(text, Flavour::PcreDotAll)))
}

/// The request's query stands where the target has none.
fn to(status: u16, text: &'static str) -> Action<'static> {
    send(status, text, QueryPolicy::Replace)
}

fn inside(text: &'static str, then: Then) -> Action<'static> {
    rewrite(text, QueryPolicy::Replace, then)
}

fn found(text: &'static str, regex: &'static str) -> Condition {
    asks(text, Test::Regex(pattern(regex, Flavour::PcreDotAll)))
}

fn listed(site: &mut Site) -> TableId {
    site.root(&APACHE, Listed)
}

/// A captured `?` is answered with 403 (2.4.60 and later).
fn no_question_mark(site: &mut Site, table: TableId, regex: &'static str) {
    site.when(table, re(regex), &[found("{1}", r"\?")], reply(403));
}

fn prefix_and_remainder(site: &mut Site) {
    let t = listed(site);
    site.rule(t, below("/old"), to(307, "https://new.example/base{rest}"));
    site.rule(t, begins("/dir/"), to(308, "https://new.example/d/{1}"));
    site.rule(t, below("/deep/one"), to(302, "https://new.example/1{rest}"));
}

fn remainder_as_text(site: &mut Site) {
    let t = listed(site);
    site.rule(t, below("/slash"), to(302, "https://new.example/base/{rest}"));
    site.rule(t, begins("/less/"), to(302, "https://new.example/base{1}"));
    site.rule(t, below("/query"), to(302, "https://new.example/t?own=1{rest}"));
    site.rule(t, below("/hash"), to(302, "https://new.example/t#part{rest}"));
    site.rule(t, re("^/host$"), to(302, "https://new.example"));
    site.rule(t, below("/host"), to(302, "https://new.example{=}{rest}"));
}

fn redirect_statuses(site: &mut Site) {
    let t = listed(site);
    for (path, status) in [
        ("/default", 302),
        ("/temp", 302),
        ("/permanent", 301),
        ("/seeother", 303),
        ("/rtemp", 302),
        ("/rpermanent", 301),
        ("/301", 301),
        ("/303", 303),
        ("/307", 307),
        ("/308", 308),
    ] {
        site.rule(t, below(path), to(status, "https://new.example/{rest}"));
    }
    for (path, status) in [("/gone", 410), ("/403", 403), ("/404", 404), ("/410", 410), ("/451", 451)] {
        site.rule(t, below(path), reply(status));
    }
}

fn first_listed(site: &mut Site) {
    let t = listed(site);
    for (path, status, target) in [
        ("/order", 301, "https://first.example{=}{rest}"),
        ("/order/sub", 302, "https://second.example{=}{rest}"),
        ("/long/sub", 302, "https://long.example{=}{rest}"),
        ("/long", 302, "https://short.example{=}{rest}"),
    ] {
        site.rule(t, below(path), to(status, target));
    }
    site.rule(t, re("^/mixed/a"), to(307, "https://match.example/"));
    site.rule(t, below("/mixed"), to(308, "https://prefix.example{=}{rest}"));
    site.rule(t, re("^/mixed/b"), to(307, "https://never.example/"));
    site.rule(t, begins("/"), to(302, "https://rest.example/{1}"));
}

fn redirect_escapes(site: &mut Site) {
    let t = listed(site);
    site.rule(t, below("/r"), to(302, "https://new.example/t{rest}"));
    site.rule(t, below("/a b"), to(302, "https://new.example/blank{rest}"));
    site.rule(t, below("/a%20c"), to(302, "https://new.example/never{rest}"));
    site.rule(t, below("/é"), to(302, "https://new.example/%C3%A9{rest}"));
    site.rule(t, below("/target"), to(302, "https://new.example/a%20b/%41%20{rest}"));
}

fn redirect_match(site: &mut Site) {
    let t = listed(site);
    site.rule(t, re(r"\.gif$"), to(301, "https://new.example/image.jpg"));
    site.rule(t, re(r"^/blog/(\d+)/([^/]*)$"), to(302, "https://new.example/post/{2}?id={1}"));
    site.rule(t, re("^/c/(.*)$"), to(307, "https://new.example/c/{1}"));
    site.rule(t, re("^(/zero/(.)(x)?)"), to(303, "/got/{1}/{2}/%5b{3}%5d/"));
    site.rule(t, re("(?i)^/any/case$"), to(308, "/case"));
    site.rule(t, re("^/gone/"), reply(410));
    site.rule(t, re("^/amp/(.*)$"), to(302, "https://new.example/&/$1/{1}"));
    site.rule(t, re("^/name/(.+)$"), to(302, "https://new.example/{1}"));
}

fn made_absolute(site: &mut Site) {
    let t = listed(site);
    site.rule(t, below("/r"), to(302, "/t{rest}"));
    site.rule(t, below("/double"), to(302, "/{=/other.example/t}{rest}"));
    site.rule(t, re("^/w$"), to(302, "/t"));
    site.rule(t, re("^/bare$"), to(302, "/t"));
    site.rule(t, re("^/wdouble$"), to(302, "/{=/other.example/t}"));
    site.rule(t, re("^/slashes/(.*)$"), to(302, "/{1}"));
}

fn server_name_port(site: &mut Site) {
    let hosts = site.root(&APACHE, Specific);
    let (www, plain) = (site.table(&APACHE, Listed), site.table(&APACHE, Listed));
    let listening = site.table(&APACHE, Listed);
    for (host, table) in
        [("www.example.test", www), ("example.test", www), ("plain.test", plain), ("listening.test", listening)]
    {
        site.rule(hosts, on(host, any()), Action::Enter(table));
    }
    for (table, r, w, v) in [
        (www, "{scheme}://{host}{else:81}/t{rest}", "{scheme}://{host}{else:81}/t", "https://{host}{else:81}/"),
        (plain, "{scheme}://{host}{else:80}/t{rest}", "{scheme}://{host}{else:80}/t", "https://{host}{else:80}/"),
    ] {
        site.rule(table, below("/r"), to(302, r));
        site.rule(table, re("^/w$"), to(302, w));
        site.rule(table, re("^/v$"), to(302, v));
    }
    site.rule(listening, below("/r"), to(302, "{scheme}://{host}{else:8080}/t{rest}"));
}

fn canonical_name(site: &mut Site) {
    let t = listed(site);
    site.rule(t, below("/r"), to(302, "{scheme}://www.example.test:81/t{rest}"));
    site.rule(t, re("^/w$"), to(302, "{scheme}://www.example.test:81/t"));
    site.rule(t, re("^/n$"), to(302, "https://www.example.test:81/"));
    site.rule(t, re("^/h$"), to(302, "https://{http_host}/"));
}

/// The server's list, then a child's, then its parent's.
fn redirect_in_folders(site: &mut Site) {
    let server = listed(site);
    let (child, parent) = (site.table(&APACHE, Listed), site.table(&APACHE, Listed));
    site.after(child, parent);
    site.rule(server, below("/docs/server"), to(301, "https://server.example{=}{rest}"));
    site.rule(server, below("/loc"), to(307, "https://loc.example/x"));
    site.rule(server, re(r"^/item/([^/]+)/(\w+)"), to(307, "https://loc.example/{1}"));
    site.rule(server, re("^/docs/sub$"), to(301, "/docs/sub/"));
    site.rule(server, begins("/docs/sub/"), Action::Enter(child));
    site.rule(server, begins("/docs/"), Action::Enter(parent));
    site.rule(child, below("/docs/sub/both"), to(303, "https://child.example{=}{rest}"));
    site.rule(child, below("/docs/sub/c"), to(303, "https://child.example/c{rest}"));
    site.rule(parent, below("/docs/a"), to(302, "https://docs.example/a{rest}"));
    site.rule(parent, below("/docs/sub/both"), to(302, "https://parent.example{=}{rest}"));
    site.rule(parent, re("^/docs/sub/p(.*)$"), to(302, "https://docs.example/p/{1}"));
}

fn rule_in_server(site: &mut Site) {
    let t = listed(site);
    site.rule(t, re("^/old/(.*)$"), to(307, "/new/{1}"));
    site.rule(t, re("^never/(.*)$"), to(307, "/no-slash/{1}"));
    site.rule(t, re("^/?either/(.*)$"), to(308, "https://new.example/{1}"));
    site.rule(t, re("part"), to(302, "/found"));
    site.rule(t, re("(?i)^/any/case$"), to(302, "/case"));
    site.when(
        t,
        any(),
        &[not(found("{uri}", r"^/(spared|a\.html)"))],
        send(301, "/everything-else", QueryPolicy::Drop),
    );
}

fn rule_statuses(site: &mut Site) {
    let t = listed(site);
    for (regex, status) in [
        ("^/r$", 302),
        ("^/permanent$", 301),
        ("^/temp$", 302),
        ("^/seeother$", 303),
        ("^/301$", 301),
        ("^/303$", 303),
        ("^/307$", 307),
        ("^/308$", 308),
    ] {
        site.rule(t, re(regex), to(status, "/t"));
    }
    for (regex, status) in [("^/404$", 404), ("^/410$", 410), ("^/451$", 451), ("^/forbidden$", 403), ("^/gone$", 410)]
    {
        site.rule(t, re(regex), reply(status));
    }
}

fn htaccess(site: &mut Site) -> TableId {
    let table = site.folder(&APACHE, "/");
    site.begin(table);
    table
}

fn rule_in_htaccess(site: &mut Site) {
    let t = htaccess(site);
    site.rule(t, re("^/slash$"), to(307, "/never"));
    site.rule(t, re("^plain/(.*)$"), to(307, "/new/{1}"));
    site.rule(t, re("^/?either$"), to(307, "https://new.example/"));
    site.rule(t, re("^$"), to(307, "/home"));
    site.rule(t, re("^sub/(.*)$"), to(307, "/s/{1}"));
    site.rule(t, re("^((.*)/all)$"), to(307, "/all/{2}/%5b{1}%5d"));
}

/// The folders of a site, the deepest first: each is entered by its path, with that taken off.
fn folders<const N: usize>(site: &mut Site, names: [&'static str; N]) -> [TableId; N] {
    let choice = site.root(&APACHE, Specific);
    names.map(|name| {
        let table = site.folder(&APACHE, name);
        site.rule(choice, begins_longest(name), Action::Enter(table));
        table
    })
}

fn begins_longest(name: &'static str) -> Source<'static> {
    begins(name)
}

fn folder_taken_off(site: &mut Site) {
    let [docs, other] = folders(site, ["/docs/", "/other/"]);
    // A folder that is asked for without its slash is mod_dir's.
    let slash = site.root(&APACHE, Listed);
    site.rule(slash, re("^/(docs/sub|docs|other)$"), to(301, "/{1}/"));
    site.rule(docs, re("^docs/x$"), to(307, "/never"));
    site.rule(docs, re("^x$"), to(307, "/new/x"));
    site.when(docs, re("^sub$"), &[], to(301, "/docs/sub/"));
    site.rule(docs, re("^sub/(.*)$"), to(307, "/new/%5b{1}%5d"));
    site.rule(docs, re("^$"), to(307, "/index"));
    site.rule(other, re("^x$"), to(307, "/from-directory"));
    site.rule(other, re("^other/x$"), to(307, "/never"));
}

/// What a target without a slash is put behind is the reader's to write out.
fn rewrite_base(site: &mut Site) {
    let [based, bare, root] = folders(site, ["/based/", "/bare/", "/top/"]);
    site.rule(based, re("^a$"), to(307, "/public/c"));
    site.rule(based, re("^b/(.*)$"), to(307, "/public/d/{1}?own=1"));
    site.rule(based, re("^abs$"), to(307, "/c"));
    site.rule(based, re("^up$"), to(307, "/public/../c"));
    site.rule(based, re("^url$"), to(307, "https://new.example/c"));
    site.rule(bare, re("^a$"), to(307, "/srv/www/bare/c"));
    site.rule(bare, re("^abs$"), to(307, "/c"));
    site.rule(bare, re("^in$"), inside("/bare/f.html", Then::Table(bare)));
    site.rule(root, re("^a$"), to(307, "/c"));
    site.rule(root, re("^in$"), inside("/bare/f.html", Then::End));
}

fn deepest_alone(site: &mut Site) {
    let [root, one, _on, _off, rules] = folders(site, ["/", "/one/", "/one/on/", "/one/off/", "/one/rules/"]);
    site.rule(root, re("^(.*)x$"), to(307, "/from-root/{1}"));
    site.rule(one, re("^(.*)y$"), to(307, "/from-one/{1}"));
    site.rule(rules, re("^(.*)z$"), to(307, "/from-rules/{1}"));
}

fn inherit(site: &mut Site) {
    let [root, after, before] = folders(site, ["/", "/after/", "/before/"]);
    let parents = |site: &mut Site, table| {
        site.rule(table, re("^(.*)x$"), to(307, "/from-root/%5b{1}%5d"));
        site.rule(table, re("^after/(.*)y$"), to(307, "/root-y/{1}"));
    };
    parents(site, root);
    site.rule(after, re("^(.*)xx$"), to(307, "/from-after/%5b{1}%5d"));
    site.rule(after, re("^go$"), inside("/after/ax", Then::Next));
    parents(site, after);
    parents(site, before);
    site.rule(before, re("^(.*)xx$"), to(307, "/from-before/%5b{1}%5d"));
    site.rule(before, re("^(.*)y$"), to(307, "/from-before-y/%5b{1}%5d"));
}

fn cond_host(site: &mut Site) {
    let t = listed(site);
    site.when(
        t,
        re("^/(.*)$"),
        &[found("{http_host}", r"(?i)^www\.example\.test$")],
        to(301, "http://example.test/{1}"),
    );
    let others = [
        not(found("{http_host}", r"(?i)^(www\.)?example\.test(:\d+)?$")),
        not(is("{http_host}", "spared.test")),
        not(is("{http_host}", "")),
    ];
    site.when(t, any(), &others, to(308, "https://example.test{uri}"));
    site.when(t, re("^/name$"), &[is("{host}", "example.test")], to(302, "/seen"));
}

fn cond_and_or(site: &mut Site) {
    let t = listed(site);
    let one = |name| is(name, "1");
    let (a, b, c, d) = (one("{f:x-a}"), one("{f:x-b}"), one("{f:x-c}"), one("{f:x-d}"));
    site.when(t, re("^/and$"), &[a.clone(), b.clone()], to(302, "/and-hit"));
    site.rule(t, re("^/and$"), to(302, "/unconditioned"));
    site.when(t, re("^/or$"), &[or(a.clone()), b.clone()], to(302, "/or-hit"));
    site.when(t, re("^/groups$"), &[or(a.clone()), b, or(c), d], to(302, "/groups-hit"));
    site.when(t, re("^/dangling$"), &[or(a)], to(302, "/dangling-hit"));
}

fn back_references(site: &mut Site) {
    let t = listed(site);
    let users = found("{http_host}", r"(?i)^(?:www\.)?([^.:]+)\.users\.test(:\d+)?$");
    site.when(t, re("^/(.*)$"), &[users], to(307, "https://users.example/{%1}/{1}/%5b{%2}%5d/{%0}"));
    let first = |name| found(name, "^(.)");
    site.when(t, re("^/last$"), &[first("{f:x-a}"), first("{f:x-b}")], to(302, "/last/{%1}"));
    site.when(t, re("^/not$"), &[first("{f:x-a}"), not(first("{f:x-b}"))], to(302, "/not/%5b{%1}%5d"));
    site.when(t, re("^/or$"), &[or(found("{f:x-a}", "^(a)")), found("{f:x-b}", "^(b)")], to(302, "/or/{%1}"));
    site.when(t, re("^/same/(.*)$"), &[found("{1}/{f:x-a}", r"^(.+)/\1$")], to(302, "/same-hit/{%1}"));
    site.when(t, re("^/chain$"), &[found("{f:x-a}", "^(.)(.)"), found("{%2}{%1}", "^(.*)$")], to(302, "/chain/{%1}"));
    site.rule(t, re("^/none$"), to(302, "/none/%5b{%1}%5d%5b%5d"));
}

fn cond_query(site: &mut Site) {
    let t = listed(site);
    let page = || re(r"^/page\.php$");
    let drop = |text| send(301, text, QueryPolicy::Drop);
    site.when(t, page(), &[found("{args}", r"^id=(\d+)$")], drop("/page/{%1}"));
    site.when(t, page(), &[found("{args}", "(?:^|&)cat=([^&]*)(?:&|$)")], drop("/cat/{%1}"));
    site.when(t, page(), &[found("{args}", "(?:^|&)q=([^&]*)(?:&|$)")], to(301, "/search?s={%1}"));
    let ne = site.table(&APACHE_NE, Listed);
    let last = site.table(&APACHE, Listed);
    site.after(t, ne);
    site.after(ne, last);
    site.when(ne, page(), &[found("{args}", "(?:^|&)n=([^&]*)(?:&|$)")], to(301, "/search?s={%1}"));
    site.when(last, page(), &[found("{args}", "^$")], to(301, "/none"));
    site.when(last, page(), &[not(is("{args}", "keep"))], reply(410));
}

fn cond_fields(site: &mut Site) {
    let t = listed(site);
    site.when(t, re("^/form"), &[is("{method}", "POST")], to(307, "https://new.example{uri}"));
    site.when(t, re("^/form"), &[not(found("{method}", "^(GET|HEAD)$"))], to(308, "https://new.example{uri}"));
    site.rule(t, re("^/form"), to(301, "https://new.example{uri}"));
    site.when(t, re("^/ua$"), &[found("{f:user-agent}", "(?i)(iphone|android)")], to(302, "/mobile/{%1}"));
    site.when(t, re("^/ua$"), &[is("{f:user-agent}", "")], to(302, "/no-agent"));
    site.when(t, re("^/doc$"), &[found("{f:accept}", "text/turtle")], to(303, "/doc.ttl"));
    site.when(t, re("^/doc$"), &[not(found("{f:accept}", "application/json"))], to(303, "/doc.html"));
    site.when(t, re("^/lang$"), &[found("{f:cookie}", r"(?:^|;\s*)lang=([a-z]+)")], to(302, "/{%1}/"));
    site.when(t, re("^/beta$"), &[found("{f:x-beta}", ".")], to(302, "/is-beta/{f:x-beta}"));
    site.when(t, re("c$"), &[found("{uri}", "^/uri/([^/]+)/")], to(302, "/uri-hit/{%1}"));
    site.when(t, re("^/secure(.*)$"), &[is("{scheme}", "http")], to(307, "https://{http_host}/secure{1}"));
    site.when(t, re("^/raw"), &[found("{method} {asked} HTTP/1.1", r"\s/raw%20")], to(302, "/raw-seen"));
    site.when(t, re("^/n$"), &[asks("{f:x-n}", Test::Range(5, i64::MAX))], to(302, "/five-or-more"));
    // `>4`: longer than one character, or one that sorts behind.
    site.when(t, re("^/t$"), &[found("{f:x-n}", r"^(?:..|[5-9:-\xff])")], to(302, "/text-after-4"));
}

fn one_after_the_other(site: &mut Site) {
    let t = listed(site);
    site.rule(t, re("^/a/(.*)$"), inside("/b/{1}", Then::Next));
    site.rule(t, re("^/b/(.*)$"), inside("/c/{1}", Then::Next));
    site.rule(t, re("^/c/go$"), to(307, "/gone"));
    site.rule(t, re("^/l/(.*)$"), inside("/c/{1}", Then::End));
    site.rule(t, re("^/c/(.+)x$"), to(302, "/cx/{1}"));
    site.rule(t, re("^/d/(.*)$"), inside("/e/{1}?d=1", Then::Next));
    site.rule(t, re("^/e/(.*)$"), send(302, "/t/{1}?e=1", QueryPolicy::Keep));
    site.rule(t, re("^/dash$"), to(302, "/after-dash"));
}

fn rounds(site: &mut Site) {
    let t = htaccess(site);
    let again = |text| inside(text, Then::Table(t));
    site.rule(t, re("^a/(.*)$"), again("/b/{1}"));
    site.rule(t, re("^b/(.*)$"), again("/c/{1}"));
    site.rule(t, re("^c/go$"), to(307, "/seen-c"));
    site.rule(t, re("^x/(.*)$"), inside("/b/{1}", Then::End));
    site.rule(t, re("^y/(.*)$"), again("/b/{1}"));
    site.rule(t, re("^end$"), inside("/e.html", Then::End));
    site.rule(t, re(r"^e\.html$"), to(307, "/seen-e"));
    // A relative target that changes nothing begins no round.
    site.rule(t, re("^stay$"), inside("/stay", Then::End));
    site.rule(t, re("^z/(.*)$"), inside("/c/{1}", Then::End));
}

fn endless_rounds(site: &mut Site) {
    let t = htaccess(site);
    let again = |text| inside(text, Then::Table(t));
    site.rule(t, re("^n/1(.*)$"), again("/n/{1}"));
    site.rule(t, re("^n/(.*)$"), to(302, "/done/%5b{1}%5d"));
    site.rule(t, re("^loop/(.*)$"), again("/loop/x{1}"));
    site.rule(t, re("^ping$"), again("/pong"));
    site.rule(t, re("^pong$"), again("/ping"));
    site.rule(t, re("^same/(.*)$"), again("/same/{1}"));
}

fn query_flags(site: &mut Site) {
    let t = listed(site);
    for (regex, text, query) in [
        ("^/keep$", "/t", QueryPolicy::Replace),
        ("^/own$", "/t?own=1", QueryPolicy::Replace),
        ("^/qsa$", "/t?own=1", QueryPolicy::Keep),
        ("^/qsa-bare$", "/t", QueryPolicy::Keep),
        ("^/qsd$", "/t", QueryPolicy::Drop),
        ("^/qsd-own$", "/t?own=1", QueryPolicy::Drop),
        ("^/both$", "/t?own=1", QueryPolicy::Drop),
        ("^/mark$", "/t", QueryPolicy::Drop),
        ("^/two$", "/t?a=1%3fb=2", QueryPolicy::Replace),
        ("^/qsl$", "/t%3fa=1?b=2", QueryPolicy::Replace),
        ("^/abs$", "https://new.example/t", QueryPolicy::Replace),
        ("^/abs-own$", "https://new.example/t?own=1", QueryPolicy::Replace),
        ("^/abs-qsa$", "https://new.example/t?own=1", QueryPolicy::Keep),
        ("^/hash$", "/t%23part", QueryPolicy::Replace),
        ("^/hash-ne$", "/t#part", QueryPolicy::Replace),
    ] {
        site.rule(t, re(regex), send(302, text, query));
    }
    // What a variable brings is escaped like a capture, and stays as it is with `[NE]`.
    site.rule(t, re("^/var$"), to(302, "/t?was={args}"));
    let ne = site.table(&APACHE_NE, Listed);
    site.after(t, ne);
    site.rule(ne, re("^/var-ne$"), to(302, "/t?was={args}"));
}

/// Chains a table for each form in which captures are written.
fn chain(site: &mut Site, dialects: &[&'static Dialect]) -> Vec<TableId> {
    let tables: Vec<TableId> = dialects.iter().map(|dialect| site.table(dialect, Listed)).collect();
    site.begin(tables[0]);
    for pair in tables.windows(2) {
        site.after(pair[0], pair[1]);
    }
    tables
}

fn captures_in_path(site: &mut Site) {
    let tables = chain(site, &[&APACHE, &APACHE_NE, &APACHE_B, &APACHE_B_NE, &APACHE]);
    let all = [("^/go/(.*)$", 0), ("^/ne/(.*)$", 1), ("^/b/(.*)$", 2), ("^/bne/(.*)$", 3)];
    for (regex, table) in all {
        if table < 2 {
            no_question_mark(site, tables[table], regex);
        }
        site.rule(tables[table], re(regex), to(302, "/t/{1}"));
    }
    site.rule(tables[4], re("^/abs/(.*)$"), to(302, "https://new.example/{1}"));
    site.rule(tables[4], re("^/lit$"), to(302, "/t/10a%20b/%c3%a9"));
    site.rule(tables[4], re("^/lit2$"), to(302, "/t/%2541%2520a%20b"));
    site.rule(tables[4], re("^/lit-ne$"), to(302, "/t/%41%20"));
}

fn captures_in_query(site: &mut Site) {
    let tables = chain(site, &[&APACHE, &APACHE_B, &APACHE_NE, &APACHE_B_NE, &APACHE_MATCH]);
    site.rule(tables[0], re("^/q/(.*)$"), to(302, "/s?u={1}"));
    site.rule(tables[1], re("^/b/(.*)$"), to(302, "/s?u={1}"));
    site.when(tables[2], re("^/ne/(.*)$"), &[found("{1}", " ")], reply(403));
    site.rule(tables[2], re("^/ne/(.*)$"), to(302, "/s?u={1}"));
    site.rule(tables[3], re("^/bne/(.*)$"), to(302, "/s?u={1}"));
    site.rule(tables[3], re("^/qsa/(.*)$"), send(302, "/s?u={1}", QueryPolicy::Keep));
    // `[BNP]`, a blank as `%20`.
    site.rule(tables[4], re("^/bnp/(.*)$"), to(302, "/s?u={1}"));
}

fn escaped_slashes(site: &mut Site) {
    let t = site.root(&APACHE_NO_DECODE, Listed);
    site.rule(t, re("^/go/([^/]*)$"), to(302, "/t/{1}"));
    site.rule(t, re("^/many/a%2Fb$"), to(302, "/t/a%2Fb"));
    site.rule(t, below("/r"), to(302, "https://new.example/t{rest}"));
}

/// A skip enters the table behind what it skips; a chain that holds goes on in a table of its own.
fn skip_and_chain(site: &mut Site) {
    let begin = listed(site);
    let (skipped, then) = (site.table(&APACHE, Listed), site.table(&APACHE, Listed));
    let (second, third, rest) = (site.table(&APACHE, Listed), site.table(&APACHE, Listed), site.table(&APACHE, Listed));
    for (table, next) in [(begin, skipped), (skipped, then), (then, rest), (second, rest), (third, rest)] {
        site.after(table, next);
    }
    site.when(begin, re("^/s"), &[is("{f:x-skip}", "1")], Action::Enter(then));
    site.rule(skipped, re("^/s/a$"), to(302, "/a-hit"));
    site.rule(skipped, re("^/s/b$"), to(302, "/b-hit"));
    site.rule(then, re("^/s/"), to(302, "/rest"));
    site.rule(then, re("^/c/(.*)$"), inside("/d/{1}", Then::Table(second)));
    site.rule(second, re("^/d/x(.*)$"), inside("/e/{1}", Then::Table(third)));
    site.rule(third, re("^/"), to(302, "/chained"));
    site.rule(rest, re("^/d/"), to(302, "/chain-broke"));
}

fn rewrite_before_alias(site: &mut Site) {
    let rewrites = listed(site);
    let alias = site.table(&APACHE, Listed);
    let sub = site.folder(&APACHE, "/sub/");
    site.after(rewrites, alias);
    site.after(alias, sub);
    site.rule(rewrites, re("^/both"), to(307, "/rewritten"));
    site.rule(rewrites, re("^/inner"), inside("/target", Then::End));
    site.rule(rewrites, re("^/pt"), inside("/target", Then::Table(alias)));
    site.rule(alias, below("/both"), to(302, "https://alias.example/{rest}"));
    site.rule(alias, below("/alias"), to(302, "https://alias.example/{rest}"));
    site.rule(alias, below("/inner"), to(302, "https://alias.example/inner{rest}"));
    site.rule(alias, below("/pt"), to(302, "https://alias.example/never{rest}"));
    site.rule(alias, below("/target"), to(302, "https://alias.example/target{rest}"));
    site.rule(sub, re("^both"), to(307, "/rewritten"));
    site.rule(sub, re("^inner"), inside("/alias", Then::Table(alias)));
}

/// A target of the host's own is cut down to its path, if the port that ServerName writes stands in it.
fn absolute_without_r(site: &mut Site) {
    let hosts = site.root(&APACHE, Specific);
    let (own, plain) = (site.table(&APACHE, Listed), site.table(&APACHE, Listed));
    site.rule(hosts, on("plain.test", any()), Action::Enter(plain));
    site.rule(hosts, any(), Action::Enter(own));
    site.rule(own, re("^/other$"), to(302, "https://new.example/x"));
    site.rule(own, re("^/own(-alias)?$"), inside("/f.html", Then::End));
    site.rule(own, re("^/own-less$"), to(302, "http://example.test/f.html"));
    site.rule(own, re("^/own-tls$"), to(302, "https://example.test:8080/f.html"));
    site.when(
        own,
        re("^/own-host$"),
        &[found("{http_host}", "(?i)^(example|alias).test:8080$")],
        inside("/f.html", Then::End),
    );
    site.rule(own, re("^/own-host$"), to(302, "http://{http_host}/f.html"));
    site.rule(own, re("^/own-r$"), to(307, "http://example.test:8080/f.html"));
    site.rule(own, re("^/own-other$"), to(302, "http://other.test:8080/f.html"));
    site.rule(own, re("^/capture(/.*)$"), to(302, "https://new.example{1}"));
    site.rule(own, re("^/caps$"), to(302, "https://new.example/x"));
    site.rule(own, re("^/var$"), to(302, "{scheme}://new.example/x"));
    site.rule(plain, re("^/own$"), to(302, "http://plain.test/f.html"));
    site.rule(plain, re("^/own-port$"), to(302, "http://plain.test:8080/f.html"));
}

fn slashes_and_dots(site: &mut Site) {
    let t = site.root(&APACHE_NE, Listed);
    let sub = site.folder(&APACHE_NE, "/sub/");
    site.rule(t, re("^/t/(.*)$"), to(302, "/t?[{1}]"));
    site.rule(t, begins("/sub/"), Action::Enter(sub));
    site.rule(t, exact("/a/b"), to(302, "/hit"));
    site.rule(sub, re("^(.*)$"), to(302, "/s?[{1}]"));
}

fn virtual_hosts(site: &mut Site) {
    let hosts = site.root(&APACHE, Listed);
    let first = site.table(&APACHE, Listed);
    let www = site.table(&APACHE, Listed);
    let named = |names: &[&str]| {
        let globs = names.iter().map(|name| asks("{host}", Test::Glob((*name).to_owned())));
        let mut globs: Vec<Condition> = globs.map(or).collect();
        globs.last_mut().expect("a name").or_next = false;
        globs
    };
    site.when(hosts, any(), &named(&["first.test"]), Action::Enter(first));
    site.when(hosts, any(), &named(&["www.example.test", "*.alias.test", "a?.test"]), Action::Enter(www));
    site.rule(hosts, any(), Action::Enter(first));
    site.rule(first, begins("/"), to(302, "https://first.example/{1}"));
    site.rule(www, re("^/(.*)$"), to(301, "http://example.test/{1}"));
}
