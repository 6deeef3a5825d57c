//! The small HTML pages that go with an answer, for people whose client does not follow.
//!
//! The server and the tower layer send the same pages. They are written straight into the answer's buffer; [`redirect_len`]
//! says beforehand how long one will be, since `Content-Length` stands in front of it.

use byway_core::status::{Permanence, RedirectStatus};

/// The media type of every page here.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// How every page begins.
const DOCTYPE: &str = "<!doctype html>";

/// What makes browsers that do not know 308 go on all the same (RFC 7538 §4). They go on with GET: for GET alone.
const REFRESH: [&str; 2] = ["<meta http-equiv=\"refresh\" content=\"0; url=", "\">"];

const PARTS: [&str; 5] = ["<!doctype html><title>", "</title><p>", " <a href=\"", "\">", "</a>\n"];

/// Appends the page of a redirect: its status and the link.
///
/// ```
/// use byway_core::status::RedirectStatus::TemporaryRedirect;
/// let mut page = Vec::new();
/// byway_tower::page::redirect(TemporaryRedirect, "/a?b=1&c=%22", &mut page);
/// assert_eq!(page.len(), byway_tower::page::redirect_len(TemporaryRedirect, "/a?b=1&c=%22"));
/// assert!(String::from_utf8(page).unwrap().contains(r#"<a href="/a?b=1&amp;c=%22">"#));
/// ```
pub fn redirect(status: RedirectStatus, location: &str, out: &mut Vec<u8>) {
    let [open, title_end, link, link_end, end] = PARTS;
    for text in [open, status.reason(), title_end, lead(status), link] {
        out.extend_from_slice(text.as_bytes());
    }
    escape(location, out);
    out.extend_from_slice(link_end.as_bytes());
    escape(location, out);
    out.extend_from_slice(end.as_bytes());
}

/// How many bytes [`redirect`] appends.
pub fn redirect_len(status: RedirectStatus, location: &str) -> usize {
    let fixed: usize = PARTS.iter().map(|part| part.len()).sum();
    fixed + status.reason().len() + lead(status).len() + 2 * escaped_len(location)
}

/// Appends the page of a redirect for a method: with GET, that of 308 also leads on who does not know 308 (RFC 7538 §4).
///
/// ```
/// use byway_core::status::RedirectStatus::PermanentRedirect;
/// let mut page = Vec::new();
/// byway_tower::page::redirect_for(PermanentRedirect, "GET", "/a", &mut page);
/// assert_eq!(page.len(), byway_tower::page::redirect_for_len(PermanentRedirect, "GET", "/a"));
/// assert!(String::from_utf8(page).unwrap().contains(r#"<meta http-equiv="refresh" content="0; url=/a">"#));
/// ```
pub fn redirect_for(status: RedirectStatus, method: &str, location: &str, out: &mut Vec<u8>) {
    if !leads_on(status, method) {
        return redirect(status, location, out);
    }
    out.extend_from_slice(DOCTYPE.as_bytes());
    out.extend_from_slice(REFRESH[0].as_bytes());
    escape(location, out);
    out.extend_from_slice(REFRESH[1].as_bytes());
    let at = out.len();
    redirect(status, location, out);
    out.drain(at..at + DOCTYPE.len());
}

/// How many bytes [`redirect_for`] appends. HEAD is answered as GET, and a content that is not sent has the same length.
pub fn redirect_for_len(status: RedirectStatus, method: &str, location: &str) -> usize {
    let refresh = || REFRESH.iter().map(|part| part.len()).sum::<usize>() + escaped_len(location);
    redirect_len(status, location) + if leads_on(status, method) { refresh() } else { 0 }
}

fn leads_on(status: RedirectStatus, method: &str) -> bool {
    status == RedirectStatus::PermanentRedirect && matches!(method, "GET" | "HEAD")
}

/// Appends a plain page with a title and a sentence.
///
/// ```
/// let mut page = Vec::new();
/// byway_tower::page::plain("Not Found", "No redirect & no page is here.", &mut page);
/// assert_eq!(page, b"<!doctype html><title>Not Found</title><p>No redirect &amp; no page is here.\n");
/// assert_eq!(page.len(), byway_tower::page::plain_len("Not Found", "No redirect & no page is here."));
/// ```
pub fn plain(title: &str, sentence: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(PARTS[0].as_bytes());
    escape(title, out);
    out.extend_from_slice(PARTS[1].as_bytes());
    escape(sentence, out);
    out.push(b'\n');
}

/// How many bytes [`plain`] appends.
pub fn plain_len(title: &str, sentence: &str) -> usize {
    PARTS[0].len() + escaped_len(title) + PARTS[1].len() + escaped_len(sentence) + 1
}

/// Appends text as HTML shows it, in content and in quoted attributes.
///
/// ```
/// let mut out = Vec::new();
/// byway_tower::page::escape(r#"<"'&>"#, &mut out);
/// assert_eq!(out, b"&lt;&quot;&#39;&amp;&gt;");
/// ```
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| entity(byte).is_some()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(entity(rest[at]).unwrap_or_default().as_bytes());
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn escaped_len(text: &str) -> usize {
    text.len() + text.bytes().filter_map(entity).map(|entity| entity.len() - 1).sum::<usize>()
}

fn entity(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&#39;"),
        _ => None,
    }
}

fn lead(status: RedirectStatus) -> &'static str {
    match (status, status.permanence()) {
        (RedirectStatus::SeeOther, _) => "See",
        (_, Permanence::Permanent) => "Moved for good to",
        (_, Permanence::Temporary) => "For now, go to",
    }
}
