//! Requests that are refused before anything is decided: each has its line in the log, with what is known of it.

mod common;

use std::fs;

use byway_server::Settings;
use byway_server::settings::{Log, LogFormat, Queries};
use common::{Client, quick, start_with};

/// The log lines of these requests, each on a connection of its own, without their time.
fn lines(format: LogFormat, queries: Queries, requests: &[&[u8]]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let log = Some(Log { path: path.clone(), format, queries });
    let header_time = std::time::Duration::from_millis(100);
    let server = start_with(Settings { log, header_time, request_line: 100, ..quick() });
    for request in requests {
        let mut client = Client::to(&server);
        assert!(client.send(request).receive_for("HEAD").status() >= 400);
    }
    drop(server);
    let text = fs::read_to_string(&path).expect("written before the end");
    let time = if format == LogFormat::Json { ("\"time\":\"", "\",") } else { ("[", "] ") };
    let timeless = |line: &str| {
        let (before, rest) = line.split_once(time.0).expect("a time");
        format!("{before}{}", rest.split_once(time.1).expect("its end").1)
    };
    text.lines().map(timeless).collect()
}

#[test]
fn combined_lines_say_why() {
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200));
    let requests: [&[u8]; 8] = [
        b"GET /a?secret=1 HTTP/1.1\r\n\r\n",
        b"HEAD /a\"\x1b[31m HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"TRACE /t HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET https://t.test/x HTTP/1.1\r\nHost: t.test\r\n\r\n",
        b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /v HTTP/3.0\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02",
        b"GET /slow HTTP/1.1\r\nHo",
    ];
    let got = lines(LogFormat::Combined, Queries::Hidden, &requests);
    let expected = [
        r#""GET /a HTTP/1.1" 400 SIZE "-" "-" "There is no Host field.""#,
        r#""HEAD /a\x22\x1B[31m HTTP/1.1" 400 - "-" "-" "The request line is not valid.""#,
        r#""TRACE /t HTTP/1.1" 405 SIZE "-" "-" "This method is not served here.""#,
        r#""GET https://t.test/x HTTP/1.1" 421 SIZE "-" "-" "This scheme is not served on this connection.""#,
        r#""POST /c HTTP/1.1" 501 SIZE "-" "-" "This transfer coding is not known here.""#,
        r#""GET /v HTTP/3.0" 505 SIZE "-" "-" "This version of HTTP is not served here.""#,
        r#""-" 400 SIZE "-" "-" "This is no request.""#,
        r#""GET /slow HTTP/1.1" 408 SIZE "-" "-" "The head of the request took too long.""#,
    ];
    for (line, expected) in got.iter().zip(expected) {
        let rest = line.strip_prefix("127.0.0.1 - - ").expect("the address");
        let (request, after) = rest.split_at(rest.find("\" ").expect("a request") + 6);
        let size = after.split(' ').next().expect("a size");
        let after = if size == "-" { after.to_owned() } else { after.replacen(size, "SIZE", 1) };
        assert_eq!(format!("{request}{after}"), expected);
    }
    assert_eq!(got.len(), expected.len());
    let got = lines(LogFormat::Common, Queries::Shown, &[long.as_bytes(), b"GET /?a HTTP/1.1\r\n\r\n"]);
    assert!(got[0].contains("\"GET /aaaa") && got[0].ends_with("\"The request line is too long.\""), "{got:?}");
    assert!(got[1].contains("\"GET /?a HTTP/1.1\" 400 "), "{got:?}");
}

#[test]
fn json_lines_have_what_is_known() {
    let requests: [&[u8]; 2] = [b"GET /a?b HTTP/1.1\r\n\r\n", b"\x16\x03"];
    let hidden = lines(LogFormat::Json, Queries::Hidden, &requests);
    assert_eq!(
        hidden,
        [
            r#"{"address":"127.0.0.1","method":"GET","path":"/a","protocol":"HTTP/1.1","status":400,"refused":"There is no Host field."}"#,
            r#"{"address":"127.0.0.1","status":400,"refused":"This is no request."}"#,
        ]
    );
    let shown = lines(LogFormat::Json, Queries::Shown, &requests);
    assert!(shown[0].contains(r#""path":"/a","query":"b","protocol""#), "{shown:?}");
}
