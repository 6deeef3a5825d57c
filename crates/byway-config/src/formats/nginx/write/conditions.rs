//! Conditions as nginx asks them: one by `if`, several by a `map` that joins what a `map` of each says, networks by `geo`.

use byway_core::condition::{Condition, Test};
use byway_core::dialect::LetterCase;
use byway_core::host::HostPattern;
use byway_core::request::Scheme;

use super::names::{Block, Names};
use super::words::{pattern_word, unnamed, word};
use crate::writing::own::subject;
use crate::writing::perl::{self, alternatives, fitting, globbed, perl};

type Why = &'static str;

const FIRST: &str = "of several fields of one name nginx looks at the first, and from 1.23 on at all of them joined";
const EMPTY: &str = "a field that is not there counts as one that is empty";
const QUERY: &str = "nginx compares the query as it was sent: needless escapes hide a pair";
const ADDRESS: &str = "nginx compares an address in a host as it was sent, and one has many spellings";

/// What has letters of one case only.
const ONE_CASE: [&str; 3] = ["$scheme", "$host", "$request_method"];

/// What is asked of a request beside its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The variable, or the text with variables.
    on: String,
    how: How,
    not: bool,
    /// What a variable that holds it is called, without its negation.
    wish: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    Is(String),
    Fits {
        pattern: String,
        ignores_case: bool,
    },
    /// One of these networks.
    From(Vec<String>),
}

impl Asked {
    fn fits(on: &str, pattern: String, not: bool, wish: String) -> Asked {
        Asked { on: on.to_owned(), how: How::Fits { pattern, ignores_case: false }, not, wish }
    }

    /// Whether the request is a GET or a HEAD.
    pub(super) fn reads() -> Asked {
        Asked::fits("$request_method", "^(?:GET|HEAD)$".to_owned(), false, "reads".to_owned())
    }

    /// Whether scheme and host are not these.
    pub(super) fn is_elsewhere(origin: &str) -> Asked {
        let (scheme, authority) = origin.split_once("://").unwrap_or(("http", origin));
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let port = match (port, scheme) {
            (Some(port), _) => format!(":{port}"),
            (None, "https") => "(?::443)?".to_owned(),
            (None, _) => "(?::80)?".to_owned(),
        };
        let pattern = format!("^{scheme}://{}\\.?{port}$", fitting(host.as_bytes()));
        let how = How::Fits { pattern, ignores_case: true };
        Asked { on: "$scheme://$http_host".to_owned(), how, not: true, wish: format!("is at {host}") }
    }

    /// Whether the query is not this one.
    pub(super) fn has_other_query(query: &str) -> Asked {
        Asked { on: "$args".to_owned(), how: How::Is(query.to_owned()), not: true, wish: "same query".to_owned() }
    }

    /// The port that the request names, or that its scheme has.
    pub(super) fn port(port: u16) -> Asked {
        let own = match port {
            80 => "^http://(?:\\[.*\\]|[^:]*)$|",
            443 => "^https://(?:\\[.*\\]|[^:]*)$|",
            _ => "",
        };
        Asked::fits("$scheme://$http_host", format!("{own}:{port}$"), false, format!("port is {port}"))
    }

    /// A pair of the query, and what that leaves open.
    pub(super) fn pair(name: &str, value: &str) -> Result<(Asked, Why), Why> {
        let pattern = perl::pair(name, &Test::Is(value.to_owned()))?;
        Ok((Asked::fits("$args", pattern, false, format!("{name} is {value}")), QUERY))
    }

    /// What stands between the parentheses of an `if`.
    pub(super) fn in_if(&self, names: &mut Names) -> String {
        let is_variable = self.on.starts_with('$') && !self.on[1..].contains(['$', ':', '/']);
        match &self.how {
            How::Is(text) if is_variable && !text.contains('$') => {
                format!("{} {} {}", self.on, if self.not { "!=" } else { "=" }, word(text))
            }
            How::Fits { pattern, ignores_case } if is_variable => {
                let sign = format!("{}~{}", if self.not { "!" } else { "" }, if *ignores_case { "*" } else { "" });
                format!("{} {sign} {}", self.on, pattern_word(pattern))
            }
            _ => match self.not {
                false => self.variable(names),
                true => format!("{} = 0", self.variable(names)),
            },
        }
    }

    /// A variable that is 1 where it holds, its negation left aside.
    fn variable(&self, names: &mut Names) -> String {
        let on = word(&self.on);
        let (head, entries) = match &self.how {
            // Keys of a `map` ignore case, and some mean something else; patterns do neither.
            How::Is(text)
                if is_word_of_map(text)
                    || text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !ONE_CASE.contains(&&*self.on) =>
            {
                (format!("map {on}"), vec![pattern_word(&format!("~^{}$", fitting(text.as_bytes())))])
            }
            How::Is(text) => (format!("map {on}"), vec![word(text)]),
            How::Fits { pattern, ignores_case } => {
                let sign = if *ignores_case { "~*" } else { "~" };
                (format!("map {on}"), vec![pattern_word(&format!("{sign}{pattern}"))])
            }
            How::From(networks) => ("geo".to_owned(), networks.clone()),
        };
        let entries: Vec<(String, String)> = entries.into_iter().map(|key| (key, "1".to_owned())).collect();
        names.of(&Block { head, entries: &entries, default: "0", comment: None }, &self.wish)
    }

    fn words(&self) -> String {
        format!("{}{}", if self.not { "not " } else { "" }, self.wish.replace('_', " "))
    }
}

/// Whether a key means something else to a `map` than its text.
fn is_word_of_map(key: &str) -> bool {
    key.starts_with(['~', '\\']) || ["default", "include", "hostnames", "volatile"].contains(&key)
}

/// Several that must all hold: the variables that say so, one beside the other, and what they say then.
pub(super) fn joined(all: &[Asked], names: &mut Names) -> (String, String) {
    let on = all.iter().map(|one| one.variable(names)).collect();
    (on, all.iter().map(|one| if one.not { '0' } else { '1' }).collect())
}

/// What stands between the parentheses of an `if` for all of them; `wish` is the name that their join would like.
pub(super) fn in_if(all: &[Asked], wish: &str, names: &mut Names) -> String {
    match all {
        [one] => one.in_if(names),
        several => {
            let (on, key) = joined(several, names);
            let comment = several.iter().map(Asked::words).collect::<Vec<_>>().join(" and ");
            let block = Block {
                head: format!("map {on}"),
                entries: &[(key, "1".to_owned())],
                default: "0",
                comment: Some(comment),
            };
            names.of(&block, wish)
        }
    }
}

/// The scheme that a condition asks for alone.
pub(super) fn scheme(condition: &Condition) -> Option<Scheme> {
    let (Some(("scheme", _)), Test::Is(scheme)) = (subject(condition), &condition.test) else { return None };
    Some(if (scheme == "https") != condition.negate { Scheme::Https } else { Scheme::Http })
}

/// A condition, and why that is not quite the condition.
pub(super) fn asked(condition: &Condition) -> Result<(Asked, Option<Why>), Why> {
    let (key, name) = subject(condition).ok_or("a condition on a text of another server")?;
    let (test, not) = (&condition.test, condition.negate);
    match key {
        "method" => of_value("$request_method", "method", test, not),
        "scheme" => of_value("$scheme", "scheme", test, not),
        "host" => of_host(test, not),
        "header" => {
            let name = name.to_ascii_lowercase();
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err("a field whose name has more than letters, digits and `-`: nginx ignores it");
            }
            let on = match name.as_str() {
                "content-type" | "content-length" => format!("${}", name.replace('-', "_")),
                name => format!("$http_{}", name.replace('-', "_")),
            };
            let (asked, why) = of_value(&on, &name, test, not)?;
            Ok((asked, why.or(Some(FIRST))))
        }
        "cookie" => Ok((
            Asked::fits("$http_cookie", perl::cookie(name, test)?, not, wish(&format!("{name} cookie"), test)),
            None,
        )),
        "query" => {
            Ok((Asked::fits("$args", perl::pair(name, test)?, not, wish(&format!("query {name}"), test)), Some(QUERY)))
        }
        "address" => {
            let networks = match test {
                Test::Is(network) => vec![network.clone()],
                Test::In(networks) => networks.clone(),
                _ => return Err("a pattern for addresses"),
            };
            let wish = format!("from {}", networks.first().map_or("nowhere", String::as_str));
            Ok((Asked { on: "$remote_addr".to_owned(), how: How::From(networks), not, wish }, None))
        }
        "country" | "continent" | "eu" | "asn" => Err("a place: nginx has no database of addresses without a module"),
        "crawler" => Err("a condition on crawlers: nginx has no list of them"),
        "language" => Err("a condition on languages: nginx does not weigh `Accept-Language`"),
        "split" => Err("a share of visitors: write it by hand, with `split_clients`"),
        _ => Err("a condition that nginx cannot ask"),
    }
}

/// The name of a variable that says whether a subject passes a test.
fn wish(subject: &str, test: &Test) -> String {
    match test {
        Test::Is(value) => format!("{subject} is {value}"),
        Test::In(values) if values.len() <= 3 => format!("{subject} is {}", values.join(" or ")),
        Test::In(_) => format!("{subject} is listed"),
        Test::Glob(text) => format!("{subject} is like {text}"),
        Test::Regex(pattern) => format!("{subject} fits {}", pattern.text),
        Test::Range(first, last) => format!("{subject} is {first} to {last}"),
        Test::Present => format!("{subject} is there"),
    }
}

/// How many numbers a range may hold that is written out.
const NUMBERS: i64 = 64;

/// A text of the request that is a value as a whole.
fn of_value(on: &str, subject: &str, test: &Test, not: bool) -> Result<(Asked, Option<Why>), Why> {
    let wish = wish(subject, test);
    let fits = |pattern: String| Asked::fits(on, pattern, not, wish.clone());
    Ok(match test {
        Test::Is(value) => {
            let asked = Asked { on: on.to_owned(), how: How::Is(value.clone()), not, wish };
            (asked, value.is_empty().then_some(EMPTY))
        }
        Test::In(values) => {
            let all: Vec<String> = values.iter().map(|value| fitting(value.as_bytes())).collect();
            (fits(format!("^{}$", alternatives(&all))), values.iter().any(String::is_empty).then_some(EMPTY))
        }
        Test::Glob(glob) => {
            (fits(format!("^{}$", globbed(glob, "."))), glob.bytes().all(|b| b == b'*').then_some(EMPTY))
        }
        Test::Regex(pattern) => {
            let ignores_case = pattern.case == LetterCase::Ignored;
            let how = How::Fits { pattern: unnamed(perl(pattern)?), ignores_case };
            let why = pattern.finds(b"").unwrap_or(true).then_some(EMPTY);
            (Asked { on: on.to_owned(), how, not, wish }, why)
        }
        Test::Range(first, last) if *first >= 0 && last - first < NUMBERS => {
            let all: Vec<String> = (*first..=*last).map(|number| number.to_string()).collect();
            (fits(format!("^\\+?0*{}$", alternatives(&all))), None)
        }
        Test::Range(..) => return Err("a number in a range: nginx compares no numbers"),
        Test::Present => {
            let how = How::Is(String::new());
            (Asked { on: on.to_owned(), how, not: !not, wish: format!("no {subject}") }, Some(EMPTY))
        }
    })
}

fn of_host(test: &Test, not: bool) -> Result<(Asked, Option<Why>), Why> {
    let texts = match test {
        Test::Is(text) => std::slice::from_ref(text),
        Test::In(texts) => texts,
        _ => return of_value("$host", "host", test, not),
    };
    let why = texts.iter().any(|text| text.starts_with('[')).then_some(ADDRESS);
    let mut all = Vec::new();
    for text in texts {
        all.push(match HostPattern::parse(text).map_err(|_| "a host that is none")? {
            HostPattern::Any => ".*".to_owned(),
            HostPattern::Exact(host) if texts.len() == 1 => {
                let how = How::Is(host.to_string());
                return Ok((Asked { on: "$host".to_owned(), how, not, wish: format!("host is {host}") }, why));
            }
            HostPattern::Exact(host) => fitting(host.as_bytes()),
            HostPattern::Below(parent) => format!(".+\\.{}", fitting(parent.as_bytes())),
        });
    }
    Ok((Asked::fits("$host", format!("^{}$", alternatives(&all)), not, wish("host", test)), why))
}
