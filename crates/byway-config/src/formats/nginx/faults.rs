//! What nginx would stop at, with nginx's words for it, and what to write instead.

use super::{names, text};
use crate::diagnostic::Diagnostic;
use crate::pcre::Refused;
use crate::span::Span;

/// A mistake for which nginx would not start.
pub(super) fn syntax(message: impl Into<String>, span: Span) -> Diagnostic {
    let message = message.into();
    let help = help(&message);
    Diagnostic::error("nginx-syntax", message).at(span).label("nginx would stop here").help(help)
}

/// The same, with what to do.
pub(super) fn syntax_with(message: impl Into<String>, help: &str, span: Span) -> Diagnostic {
    Diagnostic::error("nginx-syntax", message.into()).at(span).label("nginx would stop here").help(help)
}

/// What to do about a brace of a pattern that stands outside of quotes.
pub(super) const BRACE: &str =
    "put the pattern in quotes, as `\"^/[0-9]{4}$\"`: outside of them nginx takes `{` for the beginning of a block";

/// What to do about a directive that was not ended.
pub(super) const END: &str = "end the directive with `;`";

/// A regular expression that nginx's library does not compile.
pub(super) fn pcre(pattern: &str, refused: &Refused, span: Span) -> Diagnostic {
    let rest = pattern.get(refused.at..).filter(|rest| !rest.is_empty());
    let at = rest.map(|rest| format!(" at \"{rest}\"")).unwrap_or_default();
    let message = format!("pcre2_compile() failed: {} in \"{pattern}\"{at}", refused.what);
    Diagnostic::error("bad-regex", message).at(span).label("nginx would stop here").help(refused.help())
}

fn help(message: &str) -> String {
    let quoted = message.split('"').nth(1).unwrap_or_default();
    let text = match message {
        _ if message.starts_with("unexpected end of file, expecting \";\"") => "end the directive with `;`",
        _ if message.starts_with("unexpected end of file") => "close the block with `}`",
        "unexpected \"}\"" => "end the directive before it with `;`, or take this `}` out",
        "unexpected \"{\"" => "write the name of a block before it, or take it out",
        "unexpected \";\"" => "write a directive before it, or take it out",
        _ if message.ends_with("is not terminated by \";\"") => "write `;` behind its last word",
        _ if message.ends_with("has no opening \"{\"") => "write `{` behind it, and `}` where its block ends",
        _ if message.starts_with("invalid number of arguments") => return words_of(quoted),
        _ if message.starts_with("unknown \"") => {
            if let Some(meant) = text::meant(quoted) {
                return format!("did you mean `${meant}`? A variable of your own is set before, as `set ${quoted} …;`");
            }
            return format!("set it before, as `set ${quoted} …;`, or look at its name");
        }
        _ if message.starts_with("invalid variable name") => {
            "write a name behind `$`; for the sign itself there is no escape"
        }
        _ if message.starts_with("the closing bracket") => "write `}` behind the name",
        _ if message.starts_with("a duplicate default") => "leave `default_server` with one of them",
        _ if message.starts_with("host not found") => {
            "write an address or a port; a template is filled in first, as `envsubst` does"
        }
        _ if message.starts_with("invalid range") => "write two addresses, as `10.0.0.0-10.0.0.255`",
        _ if message.starts_with("invalid return code") => "write a status, as `return 307 /b;`",
        _ if message.starts_with("invalid condition") => {
            "write `if ($name = text)`, `if ($name ~ pattern)` or `if (-f path)`"
        }
        _ if message.starts_with("invalid value") && message.ends_with("\"on\" or \"off\"") => "write `on` or `off`",
        _ if message.starts_with("invalid port") => "write a number from 1 to 65535, as `listen 80;`",
        _ if message.starts_with("invalid parameter \"30") => {
            "`rewrite` knows `redirect` (302) and `permanent` (301) alone: write `return` for another status"
        }
        _ if message.starts_with("invalid parameter") => "take it out, or look at how it is spelt",
        _ if message.starts_with("invalid location modifier") => "there are `=`, `^~`, `~` and `~*`",
        _ if message.starts_with("unexpected \"==\"") => "compare with one `=`",
        _ if message.ends_with("in condition") => "there are `=`, `!=`, `~`, `~*`, `!~` and `!~*`",
        _ if message.contains("must be between 300 and 599") => {
            "name the statuses of errors, as `error_page 404 /missing;`"
        }
        _ if message.starts_with("invalid value") => "write a status, as `404`, or `=307` behind those",
        _ if message.ends_with("directive is duplicate") => "keep one of the two",
        _ if message.starts_with("duplicate location") => "keep one of the two, or put what both do into one",
        _ if message.starts_with("a duplicate listen") => "keep one of the two",
        _ if message.ends_with("inside the exact location \"") || message.contains("cannot be inside") => {
            "put it beside that location"
        }
        _ if message.contains("is outside location") => "let its path begin as that of the location around it",
        _ if message.ends_with("can be on the server level only") => "put it beside the location that it stands in",
        _ if message.starts_with("the duplicate \"") => {
            return format!("`${quoted}` is nginx's own: choose another name");
        }
        _ if message.ends_with("directive is not allowed here") => return place_of(quoted),
        _ if message.starts_with("conflicting parameter") || message.starts_with("duplicate default") => {
            "keep one of the two entries"
        }
        _ if message.starts_with("invalid number of the map parameters") => {
            "an entry of a map is two words: quote one that holds blanks"
        }
        _ if message.starts_with("invalid network") => "write an address, or a network, as `192.0.2.0/24`",
        _ if message.starts_with("unexpected \"") => "end the word before it with a blank or `;`",
        _ if message.starts_with("too long parameter") => "close the quote, or end the directive with `;`",
        _ if message.starts_with("blocks stand inside") || message.starts_with("cycle") => "take one of them out",
        _ => "write it as nginx's documentation of the directive shows",
    };
    text.to_owned()
}

/// Where a directive stands.
fn place_of(name: &str) -> String {
    let inside = match name {
        "location" => "`server { … }` or `location { … }`",
        "server" | "map" | "geo" | "split_clients" => "`http { … }`, beside the servers",
        "listen" | "server_name" => "`server { … }`",
        "http" | "events" => "no other block",
        "if" => "`server { … }` or `location { … }`, and not into another `if`",
        _ => "`server { … }` or `location { … }`",
    };
    format!("`{name}` goes into {inside}")
}

/// How many words a directive takes.
fn words_of(name: &str) -> String {
    let Some(takes) = names::arguments_of(name) else { return "look at the number of its words".to_owned() };
    let (least, most) = (takes.start(), takes.end());
    match most - least {
        0 if *least == 0 => format!("write `{name}` alone"),
        0 => format!("`{name}` takes {least}, with a blank between them; quote a word that holds blanks"),
        1 => format!("`{name}` takes {least} or {most}; quote a word that holds blanks"),
        _ => format!("`{name}` takes {least} at least"),
    }
}
