//! The edge as a fuzzer sees it: one head and what follows it, read as the connection reads them.

use std::mem::MaybeUninit;

use byway_core::Scheme;

use crate::asked::{Effective, Via};
use crate::body::{Body, Fed};
use crate::head::{self, Room};
use crate::settings::Settings;

/// Reads the bytes as a connection would: heads, targets, bodies, until something is refused or more would have to come.
pub fn read_head_for_fuzzing(mut bytes: &[u8]) {
    let settings = Settings::default();
    loop {
        bytes = &bytes[head::empty_lines(bytes)..];
        let mut scanned = 0;
        let Ok(Some(end)) = head::find_end(bytes, &mut scanned, &settings) else { return };
        let mut room: Room<'_> = [const { MaybeUninit::uninit() }; Settings::FIELDS_MOST];
        let Ok(head) = head::parse(&bytes[..end], &mut room, &settings) else { return };
        let asked = Effective::of(head.method, head.target, head.host, &Via::direct(Scheme::Http));
        let body = Body::announced(head.framing);
        if let Ok(asked) = asked {
            assert!(!asked.path.iter().any(u8::is_ascii_control), "a control byte came through");
        }
        bytes = &bytes[end..];
        let Some(mut body) = body else { continue };
        match body.feed(bytes) {
            Fed::Done(taken) => bytes = &bytes[taken..],
            Fed::More | Fed::Broken => return,
        }
    }
}
