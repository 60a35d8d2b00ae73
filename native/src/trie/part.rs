//! A trie in parts, each a record of the file and, once it was needed, in memory.
//!
//! Keys are hashes, so subtrees side by side have about as many leaves. One of few leaves is one part, and its nodes are made from them
//! whenever one changes; above those, each branch is a part that keeps its children's hashes. Parts are found by path, as the clients
//! geth and reth store nodes, so that a change replaces what was there and leaves nothing behind.

use std::fmt;
use std::ops::Range;

use alloy_primitives::B256;
use redb::{ReadableTable, StorageError, TableDefinition};

use super::leaves::Leaf;
use super::node::{Reference, WIDTH, nibble};
use super::plan::Child;

/// Number of a trie (8 bytes), depth (1 byte) and path: a part. Under the empty key: see [`super::state::Head`].
pub const TRIE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("trie");

/// A table of bytes by bytes.
pub trait Stored: ReadableTable<&'static [u8], &'static [u8]> {}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> Stored for T {}

/// Why the state trie could not be read.
#[derive(Debug)]
pub enum TrieError {
    /// The store says so.
    Storage(StorageError),
    /// The record under this key is missing, or is none that was written there.
    Damaged(Vec<u8>),
}

impl fmt::Display for TrieError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(out),
            Self::Damaged(key) => write!(out, "state trie, record {}", alloy_primitives::hex::encode_prefixed(key)),
        }
    }
}

impl std::error::Error for TrieError {}

impl From<StorageError> for TrieError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// The first nibbles of keys.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    first: B256,
    depth: usize,
}

impl Path {
    /// Of all keys.
    pub const ROOT: Self = Self { first: B256::ZERO, depth: 0 };

    /// One nibble more.
    pub fn child(&self, nibble: usize) -> Self {
        let mut first = self.first;
        first[self.depth / 2] |= (if self.depth.is_multiple_of(2) { nibble << 4 } else { nibble }) as u8;
        Self { first, depth: self.depth + 1 }
    }

    /// How many nibbles.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The first key that begins so.
    pub fn first(&self) -> &B256 {
        &self.first
    }

    /// The next nibble of a key that begins so.
    pub fn next(&self, key: &B256) -> usize {
        nibble(key.as_slice(), self.depth)
    }

    /// The key of the part there.
    pub fn record_key(&self, trie: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(9 + 32);
        key.extend_from_slice(&trie.to_be_bytes());
        key.push(self.depth as u8);
        key.extend_from_slice(&self.first[..self.depth.div_ceil(2)]);
        key
    }
}

/// The keys of all parts of a trie.
pub fn record_keys(trie: u64) -> Range<[u8; 8]> {
    trie.to_be_bytes()..(trie + 1).to_be_bytes()
}

/// A part, or where it has to be read.
#[derive(Debug)]
pub enum Part {
    /// In the file only.
    Stored,
    /// Few leaves: of each its key (32 bytes), the length of its value (1 byte) and its value, by rising key.
    Together(Vec<u8>),
    /// A branch above other parts.
    Divided(Box<Division>),
}

/// A part, and whether it differs from its record.
#[derive(Debug)]
pub struct Place {
    pub part: Part,
    pub is_changed: bool,
}

impl Place {
    /// In the file only.
    pub const STORED: Self = Self { part: Part::Stored, is_changed: false };

    /// A part that is to be written.
    pub fn changed(part: Part) -> Self {
        Self { part, is_changed: true }
    }
}

/// A branch whose leaves are too many to be one part.
#[derive(Debug, Default)]
pub struct Division {
    /// What the branch holds of each child, and the child.
    pub children: [Option<(Child, Place)>; WIDTH],
}

impl Division {
    /// The children there are, as a branch holds them.
    pub fn present(&self) -> impl Iterator<Item = (u8, Child)> {
        (0..).zip(&self.children).filter_map(|(nibble, child)| child.as_ref().map(|(child, _)| (nibble, *child)))
    }

    /// The nibble of the one child, if there is just one.
    pub fn only(&self) -> Option<usize> {
        let mut present = self.present();
        present.next().filter(|_| present.next().is_none()).map(|(child, _)| usize::from(child))
    }
}

const TOGETHER: u8 = 0;
const DIVIDED: u8 = 1;

impl Part {
    /// The record; none for what was not read, and so is there already.
    pub fn encode(&self) -> Option<Vec<u8>> {
        match self {
            Self::Stored => None,
            Self::Together(leaves) => Some([&[TOGETHER], leaves.as_slice()].concat()),
            Self::Divided(division) => {
                let mut out = vec![DIVIDED, 0, 0];
                let mut mask = 0u16;
                for (nibble, child) in division.present() {
                    mask |= 1 << nibble;
                    out.extend_from_slice(child.known()?.item());
                }
                out[1..3].copy_from_slice(&mask.to_be_bytes());
                Some(out)
            }
        }
    }

    fn decode(record: &[u8], prefix: usize) -> Option<Self> {
        let (kind, rest) = record.split_first()?;
        match *kind {
            TOGETHER => Some(Self::Together(rest.to_vec())).filter(|_| is_whole(rest, prefix)),
            DIVIDED => {
                let (mask, mut rest) = rest.split_first_chunk()?;
                let mut division = Division::default();
                for child in (0..WIDTH).filter(|child| u16::from_be_bytes(*mask) >> child & 1 == 1) {
                    let reference = Reference::first(rest)?;
                    rest = &rest[reference.item().len()..];
                    division.children[child] = Some((Child::Known(reference), Place::STORED));
                }
                (rest.is_empty() && *mask != [0, 0]).then(|| Self::Divided(Box::new(division)))
            }
            _ => None,
        }
    }

    /// Reads a part, whose values are longer than `prefix`.
    ///
    /// # Errors
    /// Where it is missing, or is none.
    pub fn read(stored: &impl Stored, trie: u64, path: &Path, prefix: usize) -> Result<Self, TrieError> {
        let key = path.record_key(trie);
        let record = stored.get(key.as_slice())?;
        record.and_then(|record| Self::decode(record.value(), prefix)).ok_or(TrieError::Damaged(key))
    }
}

fn is_whole(mut leaves: &[u8], prefix: usize) -> bool {
    while !leaves.is_empty() {
        match leaves.get(32).and_then(|length| leaves.get(33 + usize::from(*length)..)) {
            Some(rest) if usize::from(leaves[32]) > prefix => leaves = rest,
            _ => return false,
        }
    }
    true
}

/// The leaves of a part of few.
pub fn leaves_of(together: &[u8]) -> impl Iterator<Item = Leaf<'_, B256>> {
    let mut rest = together;
    std::iter::from_fn(move || {
        let (key, after) = rest.split_first_chunk::<32>()?;
        let (length, after) = after.split_first()?;
        let (value, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        Some((B256::from(*key), value))
    })
}

/// A part of few leaves.
pub fn together(leaves: &[Leaf<B256>]) -> Part {
    let mut out = Vec::with_capacity(leaves.iter().map(|(_, value)| 33 + value.len()).sum());
    for (key, value) in leaves {
        out.extend_from_slice(key.as_slice());
        out.push(value.len() as u8);
        out.extend_from_slice(value);
    }
    Part::Together(out)
}
