//! Conditions of our own as lines of `RewriteCond`.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::host::HostPattern;
use byway_core::target::{Part, Piece, What};

use super::super::cond::asks_for_file;
use super::text::word;
use crate::writing::own::subject;
use crate::writing::perl::{self, alternatives, fitting, globbed, has_alternatives, pcre, perl, split_alternatives};

type Why = &'static str;

/// The lines of a condition, and why they are not quite the condition.
pub(super) fn lines(condition: &Condition) -> Result<(Vec<String>, Option<Why>), Why> {
    let test = &condition.test;
    let not = condition.negate;
    if let Some(letter) = asks_for_file(condition) {
        return Ok((vec![format!("RewriteCond %{{REQUEST_FILENAME}} {}-{letter}", if not { "!" } else { "" })], None));
    }
    if let Subject::Text(pieces) = &condition.subject {
        return Ok((vec![text(pieces, test, not)?], None));
    }
    let (key, name) = subject(condition).ok_or(OTHER)?;
    match key {
        "method" => values("%{REQUEST_METHOD}", test, not),
        "scheme" => match test {
            Test::Is(scheme) => Ok((vec![self::scheme(scheme == "https", not)], None)),
            _ => values("%{REQUEST_SCHEME}", test, not),
        },
        "host" => Ok((vec![host(test, not)?], None)),
        "header" => {
            let (lines, why) = values(&format!("%{{HTTP:{name}}}"), test, not)?;
            Ok((lines, why.or(Some("Apache joins the lines of a field before it looks at them"))))
        }
        "cookie" => Ok((vec![cookie(name, test, not)?], None)),
        "query" => Ok((
            vec![query(name, test, not)?],
            Some("Apache compares the query as it was sent: needless escapes hide a pair"),
        )),
        "country" | "continent" | "eu" | "asn" => Err("a place: Apache asks no database of addresses"),
        "crawler" => Err("a condition on crawlers: Apache has no list of them"),
        "language" => Err("a condition on languages: Apache's rules do not weigh `Accept-Language`"),
        "split" => Err("a share of visitors: Apache does not divide them"),
        "address" if matches!(test, Test::Regex(_)) => values("%{REMOTE_ADDR}", test, not),
        "address" => Ok((vec![address(test, not)?], None)),
        _ => Err("it asks for something that Apache's rules have no variable for"),
    }
}

const OTHER: &str = "it compares a text that Apache has no variable for";

/// A text of another server that Apache has a variable for; patterns are PCRE's in both.
fn text(pieces: &[Piece<'_>], test: &Test, not: bool) -> Result<String, Why> {
    let (before, text) = match pieces {
        [Piece { what: What::Part(Part::Query | Part::WorkingQuery), .. }] => ("", "%{QUERY_STRING}"),
        [Piece { what: What::Part(Part::Path | Part::WorkingPath), .. }] => ("", "%{REQUEST_URI}"),
        // Path and query as they were sent stand in the request line alone, behind the method.
        [Piece { what: What::Part(Part::PathAndQuery), .. }] => ("^\\S+ ", "%{THE_REQUEST}"),
        [
            Piece { what: What::Part(Part::Method), .. },
            Piece { what: What::Literal(blank), .. },
            Piece { what: What::Part(Part::PathAndQuery), .. },
            Piece { what: What::Literal(protocol), .. },
        ] if blank == " " && protocol.starts_with(" HTTP/") => ("", "%{THE_REQUEST}"),
        _ => return Err(OTHER),
    };
    let of = |pattern: String, ignores_case| {
        let pattern = match (before, pattern.strip_prefix('^')) {
            ("", _) => pattern,
            // What begins and ends there begins and ends between two blanks here.
            (before, Some(rest)) => match rest.strip_suffix('$').filter(|rest| !rest.ends_with('\\')) {
                Some(rest) => format!("{before}{rest} "),
                None => format!("{before}{rest}"),
            },
            (before, None) => format!("{before}\\S*?{pattern}"),
        };
        line(text, &pattern, not, if ignores_case { " [NC]" } else { "" })
    };
    match test {
        Test::Is(value) if before.is_empty() => match value.contains(['"', '\\']) || value.contains(char::is_control) {
            true => of(format!("^{}$", fitting(value.as_bytes())), false),
            false if value.is_empty() => line(text, "^$", not, ""),
            false => line(text, &format!("={value}"), not, ""),
        },
        Test::Is(value) => of(format!("^{}$", fitting(value.as_bytes())), false),
        Test::In(values) => {
            let all: Vec<String> = values.iter().map(|value| fitting(value.as_bytes())).collect();
            of(format!("^{}$", alternatives(&all)), false)
        }
        Test::Regex(pattern) if !before.is_empty() && has_alternatives(&pattern.text) => {
            Err("a pattern for path and query with `|` outside of parentheses: put them around it")
        }
        Test::Regex(pattern) => of(pcre(pattern)?, pattern.case == LetterCase::Ignored),
        _ => Err(OTHER),
    }
}

/// The value of a pair of the query as a group; nothing where it is not there.
pub(super) fn value_of_pair(name: &str) -> Result<String, Why> {
    line("%{QUERY_STRING}", &format!("(?:^|&){}=([^&]*)|$", perl::sent(name)), false, "")
}

/// One line.
pub(super) fn line(test: &str, pattern: &str, not: bool, flags: &str) -> Result<String, Why> {
    let pattern = word(&format!("{}{pattern}", if not { "!" } else { "" }))?;
    Ok(format!("RewriteCond {} {pattern}{flags}", word(test)?))
}

/// Whether the request came over https.
pub(super) fn scheme(is_https: bool, not: bool) -> String {
    format!("RewriteCond %{{HTTPS}} {}", if is_https != not { "on" } else { "off" })
}

/// The host, whatever port stands behind it.
pub(super) fn is_host(hosts: &[HostPattern<'_>], not: bool) -> Result<String, Why> {
    let hosts: Vec<String> = hosts
        .iter()
        .map(|host| match host {
            HostPattern::Any => ".*".to_owned(),
            HostPattern::Exact(host) => fitting(host.as_bytes()),
            HostPattern::Below(parent) => format!(".+\\.{}", fitting(parent.as_bytes())),
        })
        .collect();
    let hosts = alternatives(&hosts);
    line("%{HTTP_HOST}", &format!("^{hosts}\\.?(?::\\d*)?$"), not, " [NC]")
}

fn host(test: &Test, not: bool) -> Result<String, Why> {
    if let Test::Regex(pattern) = test {
        let text = perl(pattern)?;
        let text = text.strip_prefix("(?i)").unwrap_or(text);
        // Behind the host there may be a port.
        let text = match text.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') && !has_alternatives(rest) => format!("{}\\.?(?::\\d*)?$", short(rest)),
            Some(_) => with_ports(text),
            None => text.to_owned(),
        };
        return line("%{HTTP_HOST}", &text, not, " [NC]");
    }
    if let Test::Glob(glob) = test {
        return line("%{HTTP_HOST}", &format!("^{}\\.?(?::\\d*)?$", globbed(glob, ".")), not, " [NC]");
    }
    let texts = match test {
        Test::Is(text) => std::slice::from_ref(text),
        Test::In(texts) => texts,
        _ => return Err("it compares the host in a way that Apache has no test for: name the hosts"),
    };
    let hosts: Result<Vec<HostPattern<'_>>, _> = texts.iter().map(|text| HostPattern::parse(text)).collect();
    is_host(&hosts.map_err(|_| "it names a host that no request can have")?, not)
}

/// A pattern for hosts with alternatives, each with the port that may stand behind it.
fn with_ports(text: &str) -> String {
    let all = split_alternatives(text);
    let bare: Option<Vec<&str>> = all.iter().map(|one| one.strip_prefix('^')?.strip_suffix('$')).collect();
    match bare {
        Some(bare) => format!("^(?:{})\\.?(?::\\d*)?$", bare.join("|")),
        None => {
            let ended =
                |one: &&str| one.strip_suffix('$').map_or((*one).to_owned(), |one| format!("{one}\\.?(?::\\d*)?$"));
            all.iter().map(ended).collect::<Vec<_>>().join("|")
        }
    }
}

/// A network, or several: an expression, for `RewriteCond` itself compares text.
fn address(test: &Test, not: bool) -> Result<String, Why> {
    let networks = match test {
        Test::Is(network) => std::slice::from_ref(network),
        Test::In(networks) => networks,
        _ => return Err("it compares addresses with a pattern: write networks, as `10.0.0.0/8`"),
    };
    let any: Vec<String> = networks.iter().map(|network| format!("-R '{network}'")).collect();
    let any = any.join(" || ");
    let text = match (not, networks.len()) {
        (true, 1) => format!("! {any}"),
        (true, _) => format!("! ({any})"),
        (false, _) => any,
    };
    Ok(format!("RewriteCond expr \"{text}\""))
}

/// A text of the request that is a value as a whole.
fn values(text: &str, test: &Test, not: bool) -> Result<(Vec<String>, Option<Why>), Why> {
    const EMPTY: &str = "a field that is not there counts as one that is empty";
    let one = |pattern: &str, flags: &str, why| Ok((vec![line(text, pattern, not, flags)?], why));
    match test {
        Test::Is(value) if value.is_empty() => one("=\"\"", "", Some(EMPTY)),
        // A pattern has escapes for what a line cannot hold.
        Test::Is(value) if !value.contains(['"', '\\']) && !value.contains(char::is_control) => {
            one(&format!("={value}"), "", None)
        }
        Test::Is(value) => one(&format!("^{}$", fitting(value.as_bytes())), "", None),
        Test::In(values) => {
            let all: Vec<String> = values.iter().map(|value| fitting(value.as_bytes())).collect();
            let why = values.iter().any(String::is_empty).then_some(EMPTY);
            one(&format!("^{}$", alternatives(&all)), "", why)
        }
        Test::Glob(glob) => {
            one(&format!("^{}$", globbed(glob, ".")), "", glob.bytes().all(|b| b == b'*').then_some(EMPTY))
        }
        Test::Regex(pattern) => {
            let flags = if pattern.case == LetterCase::Ignored { " [NC]" } else { "" };
            let why = pattern.finds(b"").unwrap_or(true).then_some(EMPTY);
            one(perl(pattern)?, flags, why)
        }
        Test::Range(first, last) if !not => {
            let lines = [("^-?\\d+$", None), ("-ge ", Some(first)), ("-le ", Some(last))];
            let lines = lines.map(|(begin, number)| {
                line(text, &format!("{begin}{}", number.map(ToString::to_string).unwrap_or_default()), false, "")
            });
            Ok((lines.into_iter().collect::<Result<_, _>>()?, None))
        }
        Test::Range(..) => Err("it takes numbers outside of a range: write a pattern"),
        Test::Present => one(".", "", Some(EMPTY)),
    }
}

fn cookie(name: &str, test: &Test, not: bool) -> Result<String, Why> {
    line("%{HTTP_COOKIE}", &perl::cookie(name, test)?, not, "")
}

/// A pair of the query.
pub(super) fn pair(name: &str, value: &str) -> Result<String, Why> {
    query(name, &Test::Is(value.to_owned()), false)
}

fn query(name: &str, test: &Test, not: bool) -> Result<String, Why> {
    line("%{QUERY_STRING}", &perl::pair(name, test)?, not, "")
}

/// A pattern of a host of which the last group leaves the port and a last dot alone.
fn short(text: &str) -> String {
    for (long, short) in [("(.+)", "([^:]+?)"), ("(.*)", "([^:]*?)")] {
        if let Some(head) = text.strip_suffix(long) {
            return format!("{head}{short}");
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_as_people_send_them() {
        assert_eq!(pair("id", "7").as_deref(), Ok("RewriteCond %{QUERY_STRING} (?:^|&)id=7(?:&|$)"));
        let networks = Test::In(vec!["10.0.0.0/8".into(), "::1".into()]);
        let written = address(&networks, true);
        assert_eq!(written.as_deref(), Ok("RewriteCond expr \"! (-R '10.0.0.0/8' || -R '::1')\""));
    }
}
