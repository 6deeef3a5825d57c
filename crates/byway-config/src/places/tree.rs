//! The search tree of an MMDB file, entered in its middle: the first sixteen bits of an IPv4 address are looked up in a table.
//!
//! One bit after the other, an address costs some twenty reads that wait for one another, most of them far apart in memory; with
//! the table it costs those below /16 and one. The answer is the number that stands in the file; what is there, others read. IPv6
//! is left to the reader of the file, since nobody shares its first bits.

use std::net::Ipv4Addr;

use maxminddb::Metadata;

/// How many bits of an address the table takes.
const BITS: u32 = 16;

/// Where IPv4 is in a tree. The bytes of the file are handed in, and must be those that it was made of.
pub(super) struct Tree {
    nodes: u32,
    size: RecordSize,
    /// Where the first bits of an address lead: to a node, or past the last node where they decide.
    table: Vec<u32>,
}

#[derive(Clone, Copy)]
enum RecordSize {
    Bits24,
    Bits28,
    Bits32,
}

impl Tree {
    /// Of a file with this metadata; `None` where the file is of no kind that is known.
    pub(super) fn of(bytes: &[u8], metadata: &Metadata) -> Option<Tree> {
        let size = match metadata.record_size {
            24 => RecordSize::Bits24,
            28 => RecordSize::Bits28,
            32 => RecordSize::Bits32,
            _ => return None,
        };
        let mut tree = Tree { nodes: metadata.node_count, size, table: Vec::new() };
        // Among addresses of IPv6, those of IPv4 are below 96 zeros.
        let zeros = if metadata.ip_version == 6 { 96 } else { 0 };
        let start = (0..zeros).fold(0, |at, _| tree.below(bytes, at, 0));
        let mut table = vec![start];
        for _ in 0..BITS {
            table = table.iter().flat_map(|&at| [0, 1].map(|side| tree.below(bytes, at, side))).collect();
        }
        tree.table = table;
        Some(tree)
    }

    /// What stands in the tree for an address: the same number for all addresses of which the file says the same. `None` where it
    /// says nothing.
    pub(super) fn record(&self, bytes: &[u8], address: Ipv4Addr) -> Option<u32> {
        let address = address.to_bits();
        let mut at = self.table.get((address >> (32 - BITS)) as usize).copied()?;
        for bit in BITS..32 {
            if at >= self.nodes {
                break;
            }
            at = self.below(bytes, at, address >> (31 - bit) & 1);
        }
        Some(at).filter(|&at| at > self.nodes)
    }

    /// What is on a side of a node; what is no node leads nowhere, and stays itself.
    fn below(&self, bytes: &[u8], at: u32, side: u32) -> u32 {
        if at >= self.nodes {
            return at;
        }
        let (at, side) = (at as usize, side as usize);
        let read = |from: usize, size: usize| {
            let read = bytes.get(from..from + size).unwrap_or_default();
            read.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
        };
        match self.size {
            RecordSize::Bits24 => read(at * 6 + side * 3, 3),
            RecordSize::Bits28 => {
                let middle = read(at * 7 + 3, 1);
                let high = if side == 0 { middle >> 4 } else { middle & 0xF };
                high << 24 | read(at * 7 + side * 4, 3)
            }
            RecordSize::Bits32 => read(at * 8 + side * 4, 4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: u32 = 40;

    /// A tree of IPv4 whose sides are nodes, nothing (the number of nodes), or records behind it; drawn by a small generator.
    fn drawn(depth: u32) -> Vec<[u32; 2]> {
        let (mut nodes, mut waiting, mut state) = (vec![[u32::MAX; 2]], vec![(0, 1)], 307u64);
        while let Some((at, of_depth)) = waiting.pop() {
            for side in 0..2 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let draw = (state >> 33) as u32;
                nodes[at][side] = match of_depth < 3 || of_depth < depth && draw % 100 < 54 {
                    true => {
                        nodes.push([u32::MAX; 2]);
                        waiting.push((nodes.len() - 1, of_depth + 1));
                        nodes.len() as u32 - 1
                    }
                    false => (1 << 20) | (draw % RECORDS),
                };
            }
        }
        let count = nodes.len() as u32;
        let settled = |side: u32| if side >= 1 << 20 { count + (side & 0xF_FFFF) } else { side };
        nodes.iter().map(|sides| sides.map(settled)).collect()
    }

    fn written(nodes: &[[u32; 2]], bits: u16) -> Vec<u8> {
        let node = |[left, right]: &[u32; 2]| match bits {
            24 => [&left.to_be_bytes()[1..], &right.to_be_bytes()[1..]].concat(),
            28 => {
                let middle = (left >> 24) as u8 & 0xF;
                let middle = [middle << 4 | (right >> 24) as u8 & 0xF];
                [&left.to_be_bytes()[1..], &middle[..], &right.to_be_bytes()[1..]].concat()
            }
            _ => [left.to_be_bytes(), right.to_be_bytes()].concat(),
        };
        nodes.iter().flat_map(node).collect()
    }

    fn metadata(nodes: usize, record_size: u16, ip_version: u16) -> Metadata {
        Metadata {
            binary_format_major_version: 2,
            binary_format_minor_version: 0,
            build_epoch: 0,
            database_type: String::new(),
            description: Default::default(),
            ip_version,
            languages: Vec::new(),
            node_count: nodes as u32,
            record_size,
        }
    }

    #[test]
    fn the_table_says_what_the_tree_says() {
        let nodes = drawn(32);
        assert!(nodes.len() > 100, "{}", nodes.len());
        let mut deepest = 0;
        for bits in [24, 28, 32] {
            let bytes = written(&nodes, bits);
            let tree = Tree::of(&bytes, &metadata(nodes.len(), bits, 4)).expect("a known kind");
            for number in 0..200_000u32 {
                let address = number.wrapping_mul(2_654_435_761);
                let (mut at, mut depth) = (0, 0);
                while (at as usize) < nodes.len() {
                    at = nodes[at as usize][(address >> (31 - depth) & 1) as usize];
                    depth += 1;
                }
                deepest = deepest.max(depth);
                let wanted = Some(at).filter(|&at| at as usize > nodes.len());
                assert_eq!(tree.record(&bytes, Ipv4Addr::from_bits(address)), wanted, "{address:x} at {bits} bits");
            }
        }
        assert!(deepest > BITS, "the tree is no deeper than the table: {deepest}");
    }

    #[test]
    fn addresses_of_ipv4_are_below_those_of_ipv6() {
        let mut nodes: Vec<[u32; 2]> = (1..=96).map(|next| [next, 97]).collect();
        nodes.push([97, 98]);
        let bytes = written(&nodes, 24);
        let tree = Tree::of(&bytes, &metadata(nodes.len(), 24, 6)).expect("a known kind");
        assert_eq!(tree.record(&bytes, Ipv4Addr::new(9, 0, 0, 1)), None);
        assert_eq!(tree.record(&bytes, Ipv4Addr::new(200, 0, 0, 1)), Some(98));
    }

    #[test]
    fn a_tree_that_is_cut_off_leads_nowhere() {
        let nodes = drawn(20);
        let bytes = written(&nodes, 24);
        for end in [0, 1, 5, 6, 100, bytes.len() / 2] {
            let cut = &bytes[..end.min(bytes.len())];
            let tree = Tree::of(cut, &metadata(nodes.len(), 24, 4)).expect("a known kind");
            for number in 0..1_000u32 {
                tree.record(cut, Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)));
            }
        }
        assert!(Tree::of(&bytes, &metadata(nodes.len(), 20, 4)).is_none());
    }
}
