//! Conditions as nginx asks them: one by `if`, several by a `map` that joins what a `map` of each says, networks by `geo`.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::target::{Part, Piece, What};

use super::names::{Block, Names};
use super::rule::Open;
use super::words::{pattern_word, unnamed, word};
use crate::formats::apache::asks_for_file;
use crate::writing::own::subject;
use crate::writing::perl::{self, alternatives, as_nginx, fitting, globbed, perl};

type Why = &'static str;

const FIRST: &str = "of several fields of one name nginx looks at the first, and from 1.23 on at all of them joined";
const EMPTY: &str = "a field that is not there counts as one that is empty";
const ARGUMENT: &str =
    "nginx finds a pair of the query by its name as it was sent, whatever its case, and does not decode it";
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
    /// Whether a target may take groups out of what its pattern finds.
    takes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    Is(String),
    /// It is neither nothing nor `0`, as where a variable stands in an `if` alone.
    Some,
    Fits {
        pattern: String,
        ignores_case: bool,
    },
    /// One of these networks.
    From(Vec<String>),
    /// A file (`f`) or a folder (`d`) is there under the path.
    There(char),
}

impl Asked {
    fn fits(on: &str, pattern: String, not: bool, wish: String) -> Asked {
        Asked { on: on.to_owned(), how: How::Fits { pattern, ignores_case: false }, not, wish, takes: false }
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
        Asked { on: "$scheme://$http_host".to_owned(), how, not: true, wish: format!("is at {host}"), takes: false }
    }

    /// Whether the query is not this one.
    pub(super) fn has_other_query(query: &str) -> Asked {
        Asked {
            on: "$args".to_owned(),
            how: How::Is(query.to_owned()),
            not: true,
            wish: "same query".to_owned(),
            takes: false,
        }
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

    /// Whether it is a pattern that takes groups out of what it looks at.
    pub(super) fn takes_groups(&self) -> bool {
        self.takes
    }

    /// The file or folder that it asks for, and whether it must not be there.
    pub(super) fn asks_for_file(&self) -> Option<(char, bool)> {
        match self.how {
            How::There(letter) => Some((letter, self.not)),
            _ => None,
        }
    }

    /// Whether it asks that the path is not this one, or none that is known.
    pub(super) fn is_elsewhere_than(&self, path: &str) -> bool {
        let How::Fits { pattern, .. } = &self.how else { return false };
        let other = pattern.strip_prefix("^(?!").and_then(|rest| rest.strip_suffix("(?:/|$))"));
        self.on == "$uri" && other.is_some_and(|other| path.is_empty() || other == fitting(path.as_bytes()))
    }

    /// The pattern that it asks of the path, and whether that ignores letter case.
    pub(super) fn path_pattern(&self) -> Option<(&str, bool)> {
        match &self.how {
            How::Fits { pattern, ignores_case } if self.on == "$uri" && !self.not => Some((pattern, *ignores_case)),
            _ => None,
        }
    }

    /// Whether a control character is in the path.
    pub(super) fn has_control(which: Open) -> Option<Asked> {
        let pattern = match which {
            Open::Never => return None,
            Open::ButLineFeed => "[\\x01-\\x09\\x0b-\\x1f\\x7f]",
            Open::Always => "[[:cntrl:]]",
        };
        Some(Asked::fits("$uri", pattern.to_owned(), false, "has control".to_owned()))
    }

    /// What a variable is called that holds a group of it.
    pub(super) fn part(&self, number: u8, names: &mut Names) -> String {
        let name = format!("{} part {number}", self.on.trim_start_matches('$'));
        names.once(&name, &name).0
    }

    /// What stands between the parentheses of an `if`.
    pub(super) fn in_if(&self, names: &mut Names) -> String {
        let is_variable = self.on.starts_with('$') && !self.on[1..].contains(['$', ':', '/']);
        match &self.how {
            How::There(letter) => format!("{}-{letter} $request_filename", if self.not { "!" } else { "" }),
            How::Some if self.not => format!("{} ~ \"^0?$\"", self.on),
            How::Some => self.on.clone(),
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
            How::There(letter) => return there(*letter).to_owned(),
            How::Some => {
                let entries = ["\"\"", "0"].map(|key| (key.to_owned(), "0".to_owned()));
                let head = format!("map {on}");
                return names.of(&Block { head, entries: &entries, default: "1", comment: None }, &self.wish);
            }
            // Keys of a `map` ignore case, and some mean something else; patterns do neither.
            How::Is(text)
                if is_word_of_map(text)
                    || text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !ONE_CASE.contains(&&*self.on) =>
            {
                // A path may go on with a line feed, before which `$` is an end as well.
                let end = if self.on == "$uri" { "\\z" } else { "$" };
                (format!("map {on}"), vec![pattern_word(&format!("~^{}{end}", fitting(text.as_bytes())))])
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

/// The variable that says whether something is there; it is set where it is asked beside other things.
pub(super) fn there(letter: char) -> &'static str {
    if letter == 'd' { "$is_folder" } else { "$is_file" }
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
    if let Some(letter) = asks_for_file(condition) {
        let wish = there(letter).to_owned();
        let letter = if letter == 'd' { 'd' } else { 'f' };
        let how = How::There(letter);
        let asked = Asked { on: "$request_filename".to_owned(), how, not: condition.negate, wish, takes: false };
        return Ok((asked, None));
    }
    let takes = matches!(condition.test, Test::Regex(_)) && !condition.negate;
    asked_of(condition).map(|(asked, why)| (Asked { takes, ..asked }, why))
}

fn asked_of(condition: &Condition) -> Result<(Asked, Option<Why>), Why> {
    let (test, not) = (&condition.test, condition.negate);
    if let Subject::Text(pieces) = &condition.subject {
        return Ok((text(pieces, test, not)?, None));
    }
    let (key, name) = subject(condition).ok_or(OTHER)?;
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
        // Its groups are those of the value, as where byway asks for it.
        "query" if matches!(test, Test::Regex(_)) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            let (asked, _) = of_value(&format!("$arg_{}", name.to_ascii_lowercase()), name, test, not)?;
            Ok((asked, Some(ARGUMENT)))
        }
        "query" => {
            Ok((Asked::fits("$args", perl::pair(name, test)?, not, wish(&format!("query {name}"), test)), Some(QUERY)))
        }
        "address" if matches!(test, Test::Regex(_)) => of_value("$remote_addr", "address", test, not),
        "address" => {
            let networks = match test {
                Test::Is(network) => vec![network.clone()],
                Test::In(networks) => networks.clone(),
                _ => return Err("it compares addresses with a pattern: write networks, as `10.0.0.0/8`"),
            };
            let wish = format!("from {}", networks.first().map_or("nowhere", String::as_str));
            Ok((Asked { on: "$remote_addr".to_owned(), how: How::From(networks), not, wish, takes: false }, None))
        }
        "country" | "continent" | "eu" | "asn" => Err("a place: nginx has no database of addresses without a module"),
        "crawler" => Err("a condition on crawlers: nginx has no list of them"),
        "language" => Err("a condition on languages: nginx does not weigh `Accept-Language`"),
        "split" => Err("a share of visitors: write it by hand, with `split_clients`"),
        _ => Err("it asks for something that nginx has no variable for"),
    }
}

const OTHER: &str = "it compares a text that nginx has no variable for";

/// A variable of nginx's with a name of the request behind its own.
fn variable(family: &str, name: &str) -> Result<String, Why> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    match name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        true => Ok(format!("${family}_{name}")),
        false => Err(OTHER),
    }
}

/// Whether one of these is what nginx takes for no value.
fn is_nothing(texts: &[String]) -> bool {
    texts.len() == 2 && texts.iter().all(|text| matches!(text.as_str(), "" | "0"))
}

/// A text of another server that nginx has a variable for; patterns are PCRE's in both.
fn text(pieces: &[Piece<'_>], test: &Test, not: bool) -> Result<Asked, Why> {
    let (on, called) = match pieces {
        [Piece { what: What::Part(Part::Query | Part::WorkingQuery), .. }] => ("$args", "query"),
        [Piece { what: What::Part(Part::Path | Part::WorkingPath), .. }] => ("$uri", "path"),
        [Piece { what: What::Part(Part::PathAndQuery), .. }] => ("$request_uri", "request uri"),
        [
            Piece { what: What::Part(Part::Method), .. },
            Piece { what: What::Literal(blank), .. },
            Piece { what: What::Part(Part::PathAndQuery), .. },
            Piece { what: What::Literal(protocol), .. },
        ] if blank == " " && protocol.starts_with(" HTTP/") => ("$request", "request line"),
        [Piece { what: What::Argument(name), .. }] => (&*variable("arg", name)?, &**name),
        [Piece { what: What::Field(name), .. }] => (&*variable("http", name)?, &**name),
        [Piece { what: What::Cookie(name), .. }] => (&*variable("cookie", name)?, &**name),
        _ => return Err(OTHER),
    };
    let wish = wish(called, test);
    let mut not = not;
    let how = match test {
        Test::In(texts) if is_nothing(texts) => {
            not = !not;
            How::Some
        }
        Test::Is(text) => How::Is(text.clone()),
        Test::In(texts) => {
            let all: Vec<String> = texts.iter().map(|text| fitting(text.as_bytes())).collect();
            How::Fits { pattern: format!("^{}$", alternatives(&all)), ignores_case: false }
        }
        Test::Regex(pattern) => {
            let text = unnamed(&as_nginx(pattern)?);
            How::Fits { pattern: text, ignores_case: pattern.case == LetterCase::Ignored }
        }
        _ => return Err(OTHER),
    };
    Ok(Asked { on: on.to_owned(), how, not, wish, takes: false })
}

/// The name of a variable that says whether a subject passes a test.
fn wish(subject: &str, test: &Test) -> String {
    match test {
        Test::Is(value) => format!("{subject} is {value}"),
        Test::In(values) if is_nothing(values) => format!("has {subject}"),
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
            let asked = Asked { on: on.to_owned(), how: How::Is(value.clone()), not, wish, takes: false };
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
            let text = unnamed(perl(pattern)?);
            // Flags in front are a sign of nginx's, and a host has small letters anyway.
            let (text, ignores_case) = match text.strip_prefix("(?i)") {
                Some(rest) if on == "$host" && !rest.contains(|sign: char| sign.is_ascii_uppercase()) => (rest, false),
                Some(rest) => (rest, true),
                None => (&*text, pattern.case == LetterCase::Ignored),
            };
            let how = How::Fits { pattern: text.to_owned(), ignores_case };
            let why = pattern.finds(b"").unwrap_or(true).then_some(EMPTY);
            (Asked { on: on.to_owned(), how, not, wish, takes: false }, why)
        }
        Test::Range(first, last) if *first >= 0 && last - first < NUMBERS => {
            let all: Vec<String> = (*first..=*last).map(|number| number.to_string()).collect();
            (fits(format!("^\\+?0*{}$", alternatives(&all))), None)
        }
        Test::Range(..) => {
            return Err("it compares a number with a long range, and nginx compares none: write a pattern");
        }
        Test::Present => {
            let how = How::Is(String::new());
            (Asked { on: on.to_owned(), how, not: !not, wish: format!("no {subject}"), takes: false }, Some(EMPTY))
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
        all.push(match HostPattern::parse(text).map_err(|_| "it names a host that no request can have")? {
            HostPattern::Any => ".*".to_owned(),
            HostPattern::Exact(host) if texts.len() == 1 => {
                let how = How::Is(host.to_string());
                return Ok((
                    Asked { on: "$host".to_owned(), how, not, wish: format!("host is {host}"), takes: false },
                    why,
                ));
            }
            HostPattern::Exact(host) => fitting(host.as_bytes()),
            HostPattern::Below(parent) => format!(".+\\.{}", fitting(parent.as_bytes())),
        });
    }
    Ok((Asked::fits("$host", format!("^{}$", alternatives(&all)), not, wish("host", test)), why))
}
