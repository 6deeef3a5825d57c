//! Conditions of our own as lines of `RewriteCond`.

use byway_core::condition::{Condition, Test};
use byway_core::dialect::LetterCase;
use byway_core::host::HostPattern;

use super::text::word;
use crate::writing::own::subject;
use crate::writing::perl::{self, alternatives, fitting, globbed, has_alternatives, perl};

type Why = &'static str;

/// The lines of a condition, and why they are not quite the condition.
pub(super) fn lines(condition: &Condition) -> Result<(Vec<String>, Option<Why>), Why> {
    let (key, name) = subject(condition).ok_or("a condition on a text of another server")?;
    let test = &condition.test;
    let not = condition.negate;
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
        "address" => Ok((vec![address(test, not)?], None)),
        _ => Err("a condition that Apache cannot ask"),
    }
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
        // Behind the host there may be a port.
        let text = match text.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') && !has_alternatives(rest) => format!("{rest}\\.?(?::\\d*)?$"),
            Some(_) => return Err("a pattern for hosts with alternatives or an escape at its end"),
            None => text.to_owned(),
        };
        return line("%{HTTP_HOST}", &text, not, " [NC]");
    }
    let texts = match test {
        Test::Is(text) => std::slice::from_ref(text),
        Test::In(texts) => texts,
        _ => return Err("a pattern for hosts that is neither a regex nor a list"),
    };
    let hosts: Result<Vec<HostPattern<'_>>, _> = texts.iter().map(|text| HostPattern::parse(text)).collect();
    is_host(&hosts.map_err(|_| "a host that is none")?, not)
}

/// A network, or several: an expression, for `RewriteCond` itself compares text.
fn address(test: &Test, not: bool) -> Result<String, Why> {
    let networks = match test {
        Test::Is(network) => std::slice::from_ref(network),
        Test::In(networks) => networks,
        _ => return Err("a pattern for addresses"),
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
        Test::Range(..) => Err("a number outside of a range"),
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
