//! Nodes as Ethereum encodes them.

use alloy_primitives::{B256, keccak256};
use alloy_rlp::Header;

/// RLP of the empty string: an absent child, and what the root of an empty trie is the hash of.
pub const EMPTY: u8 = 0x80;

/// How many children a branch has.
pub const WIDTH: usize = 16;

/// The nibble of a key at a position.
pub fn nibble(key: &[u8], position: usize) -> usize {
    let byte = key[position / 2];
    usize::from(if position.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f })
}

/// How many nibbles two keys share, at most `limit`, where they are known to share `from`.
pub fn shared_nibbles(one: &[u8], other: &[u8], from: usize, limit: usize) -> usize {
    (from..limit).find(|&at| nibble(one, at) != nibble(other, at)).unwrap_or(limit)
}

/// What a parent holds of a child: its hash, or the child itself where it is shorter than a hash. As an RLP item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    length: u8,
    item: [u8; 33],
}

impl Reference {
    /// Refers to an encoded node.
    pub fn to(node: &[u8]) -> Self {
        if node.len() < 32 { Self::read(node) } else { Self::hash(keccak256(node)) }
    }

    /// Refers to a node by its hash.
    pub fn hash(hash: B256) -> Self {
        let mut item = [EMPTY + 32; 33];
        item[1..].copy_from_slice(hash.as_slice());
        Self { length: 33, item }
    }

    /// Holds a short node.
    fn read(item: &[u8]) -> Self {
        let mut copy = [0; 33];
        copy[..item.len()].copy_from_slice(item);
        Self { length: item.len() as u8, item: copy }
    }

    /// The reference at the start of `bytes`; none where they hold no whole one.
    pub fn first(bytes: &[u8]) -> Option<Self> {
        let length = match *bytes.first()? {
            0xa0 => 33,
            list @ 0xc0..0xe0 => usize::from(list - 0xc0) + 1,
            _ => return None,
        };
        bytes.get(..length).map(Self::read)
    }

    /// The RLP item.
    pub fn item(&self) -> &[u8] {
        &self.item[..usize::from(self.length)]
    }

    /// Whether the child stands in its parent, so that a proof does not list it.
    pub fn is_inline(&self) -> bool {
        self.length < 33
    }

    /// The hash of the node, as a root is one however short the node.
    pub fn root(&self) -> B256 {
        if self.is_inline() { keccak256(self.item()) } else { B256::from_slice(&self.item[1..]) }
    }
}

/// Appends a byte string as an RLP item.
pub fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    if string.len() != 1 || string[0] >= EMPTY {
        Header { list: false, payload_length: string.len() }.encode(out);
    }
    out.extend_from_slice(string);
}

fn string_length(string: &[u8]) -> usize {
    if string.len() == 1 && string[0] < EMPTY {
        return 1;
    }
    string.len() + Header { list: false, payload_length: string.len() }.length()
}

/// The nibbles of `key` from one position to another as bytes (hex prefix): whether odd and whether a leaf's stand in front.
fn hex_prefix(key: &[u8], from: usize, to: usize, is_leaf: bool) -> ([u8; 33], usize) {
    let mut out = [0; 33];
    let length = (to - from) / 2 + 1;
    let flag = if is_leaf { 0x20 } else { 0 };
    if (to - from).is_multiple_of(2) {
        out[0] = flag;
    } else {
        out[0] = flag | 0x10 | nibble(key, from) as u8;
    }
    let start = from + (to - from) % 2;
    for (index, byte) in out[1..length].iter_mut().enumerate() {
        let at = start + 2 * index;
        *byte = (nibble(key, at) << 4 | nibble(key, at + 1)) as u8;
    }
    (out, length)
}

/// Appends a leaf: the rest of its key from `depth` on, and its value.
pub fn encode_leaf(out: &mut Vec<u8>, key: &[u8], depth: usize, value: &[u8]) {
    let (path, length) = hex_prefix(key, depth, 2 * key.len(), true);
    let path = &path[..length];
    Header { list: true, payload_length: string_length(path) + string_length(value) }.encode(out);
    put_string(out, path);
    put_string(out, value);
}

/// Appends an extension: the nibbles of `key` from `depth` to `to`, and the item of what is there.
pub fn encode_extension(out: &mut Vec<u8>, key: &[u8], depth: usize, to: usize, child: &[u8]) {
    let (path, length) = hex_prefix(key, depth, to, false);
    let path = &path[..length];
    Header { list: true, payload_length: string_length(path) + child.len() }.encode(out);
    put_string(out, path);
    out.extend_from_slice(child);
}

/// Appends a branch: the item of each child, empty where there is none, and the value of the key that ends there.
pub fn encode_branch<'a>(out: &mut Vec<u8>, children: impl Iterator<Item = &'a [u8]> + Clone, value: &[u8]) {
    let length: usize = children.clone().map(|item| item.len().max(1)).sum();
    Header { list: true, payload_length: length + string_length(value) }.encode(out);
    for item in children {
        if item.is_empty() {
            out.push(EMPTY);
        }
        out.extend_from_slice(item);
    }
    put_string(out, value);
}
