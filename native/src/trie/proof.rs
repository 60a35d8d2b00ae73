//! What a proof says to somebody who holds a root only.

use std::fmt;

use alloy_primitives::{B256, keccak256};
use alloy_rlp::Header;

use super::node::{EMPTY, WIDTH, nibble};
use super::state::EMPTY_ROOT;

/// Why a proof proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProofError {
    /// The node at this position is not the one that the root or the node before it names.
    OtherNode(usize),
    /// The node at this position is none.
    NoNode(usize),
    /// The proof ends before the key does.
    Incomplete,
    /// There are more nodes than the way to the key has; the first of them is at this position.
    Surplus(usize),
}

impl fmt::Display for ProofError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNode(position) => {
                write!(out, "proof, node {position}: not the one that the root or its parent names")
            }
            Self::NoNode(position) => write!(out, "proof, node {position}: no node of a trie"),
            Self::Incomplete => write!(out, "proof: it ends before the key does"),
            Self::Surplus(position) => write!(out, "proof, node {position}: the proof was complete before it"),
        }
    }
}

impl std::error::Error for ProofError {}

/// The value that a trie with this root has under a key, or that it has none. Every node has to be used.
///
/// # Errors
/// Where the nodes do not prove either.
pub fn verify(root: B256, key: &[u8], proof: &[Vec<u8>]) -> Result<Option<Vec<u8>>, ProofError> {
    let mut depth = 0;
    let mut position = 0;
    let mut wanted = root.to_vec();
    if root == EMPTY_ROOT && proof.is_empty() {
        return Ok(None);
    }
    let found = loop {
        let node = if wanted.len() == 32 {
            let node = proof.get(position).ok_or(ProofError::Incomplete)?;
            if keccak256(node).as_slice() != wanted {
                return Err(ProofError::OtherNode(position));
            }
            position += 1;
            node.clone()
        } else {
            wanted
        };
        match step(&node, key, &mut depth).ok_or(ProofError::NoNode(position.saturating_sub(1)))? {
            Step::Down(next) if next.is_empty() => break None,
            Step::Down(next) => wanted = next,
            Step::Found(value) => break Some(value).filter(|value| !value.is_empty()),
            Step::Absent => break None,
        }
    };
    if position < proof.len() { Err(ProofError::Surplus(position)) } else { Ok(found) }
}

enum Step {
    Down(Vec<u8>),
    Found(Vec<u8>),
    Absent,
}

/// One node further towards a key. A child that stands in its parent is given as it is, another by its hash.
fn step(node: &[u8], key: &[u8], depth: &mut usize) -> Option<Step> {
    if node == [EMPTY] {
        return Some(Step::Absent);
    }
    let items = items(node)?;
    let total = 2 * key.len();
    if items.len() == WIDTH + 1 {
        if *depth == total {
            return Some(Step::Found(string(items[WIDTH])?.to_vec()));
        }
        *depth += 1;
        return child(items[nibble(key, *depth - 1)]).map(Step::Down);
    }
    let [path, rest] = items[..] else { return None };
    let path = string(path)?;
    let flag = path.first()? >> 4;
    if flag > 3 || flag & 1 == 0 && path[0] & 0x0f != 0 {
        return None;
    }
    let start = 2 - usize::from(flag & 1);
    let nibbles = 2 * path.len() - start;
    let is_same =
        nibbles <= total - *depth && (0..nibbles).all(|at| nibble(path, start + at) == nibble(key, *depth + at));
    let is_leaf = flag & 2 != 0;
    if !is_same || is_leaf && *depth + nibbles != total {
        return Some(Step::Absent);
    }
    *depth += nibbles;
    if is_leaf { string(rest).map(|value| Step::Found(value.to_vec())) } else { child(rest).map(Step::Down) }
}

/// The items of an RLP list that is all of `node`, each with its header.
fn items(node: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = node;
    let header = Header::decode(&mut rest).ok().filter(|header| header.list && header.payload_length == rest.len())?;
    let mut rest = &rest[..header.payload_length];
    let mut items = Vec::with_capacity(WIDTH + 1);
    while !rest.is_empty() {
        let mut after = rest;
        let length = Header::decode(&mut after).ok()?.payload_length;
        let item_length = rest.len() - after.len() + length;
        items.push(rest.get(..item_length)?);
        rest = &rest[item_length..];
    }
    Some(items)
}

fn string(item: &[u8]) -> Option<&[u8]> {
    let mut rest = item;
    Header::decode(&mut rest).ok().filter(|header| !header.list)?;
    Some(rest)
}

fn child(item: &[u8]) -> Option<Vec<u8>> {
    if item.first()? >= &0xc0 {
        return (item.len() < 32).then(|| item.to_vec());
    }
    string(item).filter(|hash| hash.is_empty() || hash.len() == 32).map(<[u8]>::to_vec)
}
