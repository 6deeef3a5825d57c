//! `byway serve --demo`: a handful of rules, and pages that explain 307 by doing it.
//!
//! The rules are text like anybody's, in `demo/rules.toml`. What they do not take comes here: a page with three forms, and the
//! places where their orders arrive, which say what arrived. The answer leaves when the head is there, so a place knows how long
//! a body is, and not what it says. All that a request brought is escaped; the pages run no script and load nothing from
//! elsewhere.

use std::sync::Arc;

use byway_server::settings::{Asked, Page, Pages};

/// The rules of the demonstration, as their author wrote them.
pub(crate) const RULES: &str = include_str!("rules.toml");

const PAGE: &str = include_str!("page.html");
const ARRIVED: &str = include_str!("arrived.html");
const STYLE: &str = include_str!("demo.css");

/// The pages of the demonstration.
#[derive(Debug)]
pub(crate) struct Demo {
    page: Arc<[u8]>,
}

impl Demo {
    /// The pages for a server that listens here.
    pub(crate) fn at(url: &str) -> Demo {
        let page = PAGE
            .replace("{curl}", &escaped(&curl_lines(url).join("\n")))
            .replace("{rules}", &escaped(RULES.trim_end()));
        Demo { page: page.into_bytes().into() }
    }
}

impl Pages for Demo {
    fn page(&self, asked: &Asked<'_>) -> Option<Page> {
        match asked.path {
            "/" => Some(html(self.page.clone())),
            "/demo.css" => Some(Page { content_type: "text/css; charset=utf-8", ..html(STYLE.as_bytes().into()) }),
            "/arrived/302" => Some(html(arrived(asked, &LOST).into_bytes().into())),
            "/arrived/303" => Some(html(arrived(asked, &SEEN).into_bytes().into())),
            path if path.starts_with("/api/v2/") => Some(api(asked)),
            _ => None,
        }
    }
}

/// The lines to try in a shell, each after the words that say what for.
pub(crate) fn curl_lines(url: &str) -> [String; 6] {
    let base = match url.strip_prefix("unix:") {
        Some(path) => format!("--unix-socket {path} http://localhost"),
        // The certificate may be one that was made for trying out.
        None if url.starts_with("https:") => format!("-k {url}"),
        None => url.to_owned(),
    };
    let [see, keep, lose] = [
        "-i -d item=kettle BASE/api/v1/orders",
        "-L -d item=kettle BASE/api/v1/orders",
        "-L -d item=kettle BASE/orders-by-302",
    ]
    .map(|line| format!("curl {}", line.replace("BASE", &base)));
    [
        "# the 307 itself".to_owned(),
        see,
        "# followed: POST and its body arrive".to_owned(),
        keep,
        "# the same by 302: a GET arrives, without the order".to_owned(),
        lose,
    ]
}

fn html(body: Arc<[u8]>) -> Page {
    Page { status: 200, content_type: "text/html; charset=utf-8", body }
}

/// Where the 307 leads: a page for the form, a few words for everyone else.
fn api(asked: &Asked<'_>) -> Page {
    if asked.query == Some("from=form") {
        let story = if asked.method == "POST" { &KEPT } else { &ASKED };
        return html(arrived(asked, story).into_bytes().into());
    }
    let text = format!(
        "{} arrived at {}, {}.\nA 307 from /api/v1 leads here: for now, with the same method and the same body.\n",
        asked.method,
        asked.path,
        body(asked)
    );
    Page { content_type: "text/plain; charset=utf-8", ..html(text.into_bytes().into()) }
}

/// What is said of an order that came to the end of its way.
struct Story {
    class: &'static str,
    headline: &'static str,
    told: &'static str,
}

const KEPT: Story = Story {
    class: "kept",
    headline: "The order arrived.",
    told: "You sent POST to /api/v1/orders. The answer was 307, and your browser asked again here: the same method, the same body. \
           Nobody had to fill in the form twice.",
};
const ASKED: Story = Story {
    class: "",
    headline: "Nothing was sent.",
    told: "This is where the orders arrive. A form that is sent to /api/v1/orders comes here through a 307, with its method and body.",
};
const LOST: Story = Story {
    class: "lost",
    headline: "The order did not arrive.",
    told: "You sent POST. The answer was 302, and browsers make GET of that and drop the body (RFC 9110 §15.4.3 allows it). \
           Had it been 307, the order would be here.",
};
const SEEN: Story = Story {
    class: "",
    headline: "Taken there, read here.",
    told: "You sent POST. 303 says: that was taken, now fetch this page. GET is what is wanted here, so that reloading does not \
           order again. It is right after a form was handled, and wrong where a request has only moved.",
};

fn arrived(asked: &Asked<'_>, story: &Story) -> String {
    let query = asked.query.map(|query| format!("?{query}")).unwrap_or_default();
    // What the request brought goes in last: no mark in it is looked at again.
    ARRIVED
        .replace("{class}", story.class)
        .replace("{headline}", story.headline)
        .replace("{story}", story.told)
        .replace("{body}", &format!("It came {}.", body(asked)))
        .replace("{method}", &escaped(asked.method))
        .replace("{asked}", &escaped(&format!("{}{query}", asked.path)))
}

fn body(asked: &Asked<'_>) -> String {
    match asked.content_length {
        Some(1) => "with a body of 1 byte".to_owned(),
        Some(length) if length > 0 => format!("with a body of {length} bytes"),
        None if !matches!(asked.method, "GET" | "HEAD") => "with a body of unknown length, or none".to_owned(),
        _ => "without a body".to_owned(),
    }
}

/// A text in HTML, between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(method: &'a str, path: &'a str, query: Option<&'a str>, length: Option<u64>) -> String {
        let demo = Demo::at("unix:/run/demo.sock");
        let page = demo.page(&Asked { method, path, query, content_length: length }).expect("a page");
        String::from_utf8(page.body.to_vec()).expect("text")
    }

    #[test]
    fn an_order_says_how_it_arrived() {
        assert!(
            asked("POST", "/api/v2/orders", None, Some(11))
                .starts_with("POST arrived at /api/v2/orders, with a body of 11 bytes.")
        );
        assert!(asked("POST", "/api/v2/orders", Some("from=form"), Some(11)).contains("The order arrived."));
        assert!(asked("GET", "/arrived/302", None, None).contains("The order did not arrive."));
    }

    #[test]
    fn what_a_request_brings_is_escaped() {
        let page = asked("POST'\"", "/arrived/302", Some("<script>{method}"), None);
        assert!(page.contains("/arrived/302?&lt;script&gt;{method}") && page.contains("POST&#39;&quot;"), "{page}");
    }

    #[test]
    fn the_page_loads_and_runs_nothing() {
        for page in [PAGE, ARRIVED] {
            assert!(
                page.contains("default-src 'none'")
                    && !page.contains("<script")
                    && !page.contains("http://")
                    && !page.contains("style=")
            );
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
