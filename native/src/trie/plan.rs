//! Nodes that are to be hashed: many at once, those at the bottom first.

use alloy_primitives::B256;

use super::node::{Reference, WIDTH, encode_branch, encode_extension, encode_leaf};
use crate::keccak::{hash_many, permutations};

/// A child of a planned node.
#[derive(Clone, Copy, Debug)]
pub enum Child {
    /// Nothing changed in it.
    Known(Reference),
    /// The number of a planned node.
    Planned(u32),
}

enum Node {
    Encoded,
    Extension { key: B256, from: usize, to: usize, child: Child },
    Branch { children: Vec<(u8, Child)>, value: Vec<u8> },
}

struct Planned {
    node: Node,
    /// Where an encoded node begins and ends.
    start: usize,
    end: usize,
    number: u32,
}

impl Child {
    /// What a parent holds, once it is known.
    pub fn known(&self) -> Option<&Reference> {
        match self {
            Self::Known(reference) => Some(reference),
            Self::Planned(_) => None,
        }
    }
}

/// Nodes by height: one above the highest of its children, which therefore are hashed before it.
#[derive(Default)]
pub struct Plan {
    heights: Vec<u8>,
    levels: Vec<Vec<Planned>>,
    encoded: Vec<u8>,
    references: Vec<Reference>,
}

impl Plan {
    fn add(&mut self, node: Node, height: usize, start: usize) -> Child {
        let number = self.heights.len() as u32;
        if self.levels.len() <= height {
            self.levels.resize_with(height + 1, Vec::new);
        }
        self.heights.push(height as u8);
        self.levels[height].push(Planned { node, start, end: self.encoded.len(), number });
        Child::Planned(number)
    }

    fn height(&self, child: &Child) -> usize {
        match child {
            Child::Known(_) => 0,
            Child::Planned(number) => usize::from(self.heights[*number as usize]) + 1,
        }
    }

    /// A leaf whose key has `depth` nibbles above it.
    pub fn leaf(&mut self, key: &[u8], depth: usize, value: &[u8]) -> Child {
        let start = self.encoded.len();
        encode_leaf(&mut self.encoded, key, depth, value);
        self.add(Node::Encoded, 0, start)
    }

    /// An extension by the nibbles of `key` between two positions; the child itself where there are none.
    pub fn extension(&mut self, key: &[u8], from: usize, to: usize, child: Child) -> Child {
        if from == to {
            return child;
        }
        let mut padded = B256::ZERO;
        padded[..to.div_ceil(2)].copy_from_slice(&key[..to.div_ceil(2)]);
        self.add(Node::Extension { key: padded, from, to, child }, self.height(&child), 0)
    }

    /// A branch.
    pub fn branch(&mut self, children: Vec<(u8, Child)>, value: &[u8]) -> Child {
        let height = children.iter().map(|(_, child)| self.height(child)).max().unwrap_or(0);
        self.add(Node::Branch { children, value: value.to_vec() }, height, 0)
    }

    /// Encodes and hashes everything that is planned.
    pub fn run(&mut self) {
        self.execute();
        self.encoded.clear();
    }

    /// Does the same, and gives the node that was planned last.
    pub fn last(&mut self) -> Vec<u8> {
        let (start, end) = self.execute();
        let last = self.encoded[start..end].to_vec();
        self.encoded.clear();
        last
    }

    fn execute(&mut self) -> (usize, usize) {
        let mut last = (0, 0);
        self.references.resize(self.heights.len(), Reference::hash(B256::ZERO));
        for mut level in std::mem::take(&mut self.levels) {
            for planned in &mut level {
                self.encode(planned);
                if planned.number as usize + 1 == self.heights.len() {
                    last = (planned.start, planned.end);
                }
            }
            level.retain(|planned| {
                let is_long = planned.end - planned.start >= 32;
                if !is_long {
                    self.references[planned.number as usize] = Reference::to(&self.encoded[planned.start..planned.end]);
                }
                is_long
            });
            level.sort_unstable_by_key(|planned| permutations(planned.end - planned.start));
            let nodes: Vec<&[u8]> = level.iter().map(|planned| &self.encoded[planned.start..planned.end]).collect();
            for (planned, hash) in level.iter().zip(hash_many(&nodes)) {
                self.references[planned.number as usize] = Reference::hash(hash);
            }
        }
        last
    }

    fn encode(&mut self, planned: &mut Planned) {
        let references = &self.references;
        let item = |child: &Child| match child {
            Child::Known(reference) => *reference,
            Child::Planned(number) => references[*number as usize],
        };
        match &planned.node {
            Node::Encoded => return,
            Node::Extension { key, from, to, child } => {
                planned.start = self.encoded.len();
                encode_extension(&mut self.encoded, key.as_slice(), *from, *to, item(child).item());
            }
            Node::Branch { children, value } => {
                let mut slots = [None; WIDTH];
                for (nibble, child) in children {
                    slots[usize::from(*nibble)] = Some(item(child));
                }
                planned.start = self.encoded.len();
                let items = slots.iter().map(|slot| slot.as_ref().map_or(&[][..], Reference::item));
                encode_branch(&mut self.encoded, items, value);
            }
        }
        planned.end = self.encoded.len();
    }

    /// What a parent holds of a node. Whatever was planned has to have run.
    pub fn reference(&self, child: &Child) -> Reference {
        match child {
            Child::Known(reference) => *reference,
            Child::Planned(number) => self.references[*number as usize],
        }
    }
}
