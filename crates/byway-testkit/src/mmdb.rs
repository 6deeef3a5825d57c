//! Databases of places for tests, written from scratch: the MMDB format 2.0 of MaxMind's specification, with whatever records.
//!
//! Trees are for IPv6 with IPv4 below `::/96`, records of 24 bits, which is what small files are.

use std::net::IpAddr;

/// A value of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(&'static str),
    /// A number.
    Number(u32),
    /// Yes or no.
    Flag(bool),
    /// Names and values.
    Map(Vec<(&'static str, Value)>),
}

/// The bytes of a file that knows these networks, as `192.0.2.0/24`; of several that hold an address the longest counts.
///
/// ```
/// use byway_testkit::mmdb::{Value, file};
/// let record = Value::Map(vec![("country_code", Value::Text("DE"))]);
/// let bytes = file("test country", 1_700_000_000, &[("192.0.2.0/24", record)]);
/// assert!(bytes.windows(11).any(|part| part == b"MaxMind.com"));
/// ```
pub fn file(kind: &str, built: u64, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut sorted: Vec<(u128, u8, &Value)> = networks.iter().map(|(text, value)| parsed(text, value)).collect();
    sorted.sort_by_key(|(address, bits, _)| (*bits, *address));
    let (mut tree, mut data) = (vec![[Slot::Empty; 2]], Vec::new());
    for (address, bits, value) in sorted {
        let at = data.len();
        write(value, &mut data);
        insert(&mut tree, address, bits, at);
    }
    let nodes = tree.len();
    let mut bytes = Vec::new();
    for slot in tree.into_iter().flatten() {
        let record = match slot {
            Slot::Empty => nodes,
            Slot::Node(node) => node,
            Slot::Data(at) => nodes + 16 + at,
        };
        bytes.extend_from_slice(&(record as u32).to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    write_metadata(kind, built, nodes as u32, &mut bytes);
    bytes
}

#[derive(Clone, Copy)]
enum Slot {
    Empty,
    Node(usize),
    Data(usize),
}

fn parsed<'v>(text: &str, value: &'v Value) -> (u128, u8, &'v Value) {
    let (address, bits) = text.split_once('/').expect("a network has its length behind a slash");
    let bits: u8 = bits.parse().expect("a length is a number");
    match address.parse().expect("a network begins with its address") {
        IpAddr::V4(address) => (u128::from(u32::from(address)), bits + 96, value),
        IpAddr::V6(address) => (u128::from(address), bits, value),
    }
}

fn insert(tree: &mut Vec<[Slot; 2]>, address: u128, bits: u8, data: usize) {
    let mut node = 0;
    for depth in 0..bits {
        let side = (address >> (127 - depth) & 1) as usize;
        if depth + 1 == bits {
            tree[node][side] = Slot::Data(data);
            return;
        }
        node = match tree[node][side] {
            Slot::Node(next) => next,
            // What a wider network said holds for both halves.
            held => {
                tree.push([held; 2]);
                tree[node][side] = Slot::Node(tree.len() - 1);
                tree.len() - 1
            }
        };
    }
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (kind, extended) = if kind > 7 { (0, Some(kind - 7)) } else { (kind, None) };
    let (short, more) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    assert!(more.is_none_or(|more| more < 256), "values of a test are short");
    out.push(kind << 5 | short as u8);
    out.extend(extended);
    out.extend(more.map(|more| more as u8));
}

fn text(text: &str, out: &mut Vec<u8>) {
    control(2, text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// A number of this type, without its leading zeros.
fn number(kind: u8, number: u64, out: &mut Vec<u8>) {
    let size = 8 - number.leading_zeros() as usize / 8;
    control(kind, size, out);
    out.extend_from_slice(&number.to_be_bytes()[8 - size..]);
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(value) => text(value, out),
        Value::Number(value) => number(6, u64::from(*value), out),
        Value::Flag(value) => control(14, usize::from(*value), out),
        Value::Map(pairs) => {
            control(7, pairs.len(), out);
            for (name, value) in pairs {
                text(name, out);
                write(value, out);
            }
        }
    }
}

fn write_metadata(kind: &str, built: u64, nodes: u32, out: &mut Vec<u8>) {
    control(7, 9, out);
    for (name, kind, value) in [
        ("binary_format_major_version", 5, 2),
        ("binary_format_minor_version", 5, 0),
        ("build_epoch", 9, built),
        ("ip_version", 5, 6),
        ("node_count", 6, u64::from(nodes)),
        ("record_size", 5, 24),
    ] {
        text(name, out);
        number(kind, value, out);
    }
    text("database_type", out);
    text(kind, out);
    text("description", out);
    control(7, 1, out);
    text("en", out);
    text("made for tests", out);
    text("languages", out);
    control(11, 0, out);
}
