//! Tries of sorted leaves in memory.

use alloy_primitives::{B256, keccak256};

use super::node::{EMPTY, Reference, nibble, put_string, shared_nibbles};
use super::plan::{Child, Plan};

/// A key in whole bytes, and what is stored under it; never empty.
pub type Leaf<'a, K> = (K, &'a [u8]);

/// The root of a trie: of leaves with rising keys.
pub fn root<K: AsRef<[u8]>>(leaves: &[Leaf<K>]) -> B256 {
    if leaves.is_empty() {
        return keccak256([EMPTY]);
    }
    let mut plan = Plan::default();
    let root = node(&mut plan, leaves, 0);
    plan.run();
    plan.reference(&root).root()
}

/// The root of a list: the trie in which RLP of its index is an item's key (transactions and receipts of a block).
pub fn ordered_root<T: AsRef<[u8]>>(items: &[T]) -> B256 {
    root(&ordered(items))
}

/// The nodes that prove what an index of a list holds.
pub fn ordered_proof<T: AsRef<[u8]>>(items: &[T], index: usize) -> Vec<Vec<u8>> {
    let mut proof = Vec::new();
    prove(&ordered(items), 0, &index_key(index), &mut proof);
    proof
}

/// The key of an index of a list.
pub fn index_key(index: usize) -> Vec<u8> {
    let bytes = index.to_be_bytes();
    let mut key = Vec::new();
    put_string(&mut key, &bytes[index.leading_zeros() as usize / 8..]);
    key
}

fn ordered<T: AsRef<[u8]>>(items: &[T]) -> Vec<Leaf<'_, Vec<u8>>> {
    let mut leaves: Vec<_> = items.iter().enumerate().map(|(index, item)| (index_key(index), item.as_ref())).collect();
    leaves.sort_unstable();
    leaves
}

/// Plans the node that holds all of some leaves, whose keys share `depth` nibbles.
pub fn node<K: AsRef<[u8]>>(plan: &mut Plan, leaves: &[Leaf<K>], depth: usize) -> Child {
    if let [(key, value)] = leaves {
        return plan.leaf(key.as_ref(), depth, value);
    }
    let fork = fork(leaves, depth);
    let branch = branch(plan, leaves, fork);
    plan.extension(leaves[0].0.as_ref(), depth, fork, branch)
}

/// Plans the branch at which several leaves part.
pub fn branch<K: AsRef<[u8]>>(plan: &mut Plan, leaves: &[Leaf<K>], fork: usize) -> Child {
    let children = groups(leaves, fork).map(|(child, group)| (child as u8, node(plan, group, fork + 1))).collect();
    let value = if ends(leaves, fork) { leaves[0].1 } else { &[] };
    plan.branch(children, value)
}

/// How many nibbles all leaves share.
pub fn fork<K: AsRef<[u8]>>(leaves: &[Leaf<K>], depth: usize) -> usize {
    let (first, last) = (leaves[0].0.as_ref(), leaves[leaves.len() - 1].0.as_ref());
    shared_nibbles(first, last, depth, 2 * first.len().min(last.len()))
}

/// The children of a branch: the nibble of each, and its leaves.
pub fn groups<'a, 'b, K: AsRef<[u8]>>(
    leaves: &'a [Leaf<'b, K>],
    fork: usize,
) -> impl Iterator<Item = (usize, &'a [Leaf<'b, K>])> {
    let child = move |(key, _): &Leaf<K>| nibble(key.as_ref(), fork);
    leaves[usize::from(ends(leaves, fork))..]
        .chunk_by(move |one, other| child(one) == child(other))
        .map(move |group| (child(&group[0]), group))
}

fn ends<K: AsRef<[u8]>>(leaves: &[Leaf<K>], fork: usize) -> bool {
    2 * leaves[0].0.as_ref().len() == fork
}

/// Appends the nodes on the way from `depth` to a key, or to where it is seen to be absent.
pub fn prove<K: AsRef<[u8]>>(leaves: &[Leaf<K>], depth: usize, key: &[u8], proof: &mut Vec<Vec<u8>>) {
    let mut plan = Plan::default();
    match leaves {
        [] => return,
        [(leaf, value)] => {
            plan.leaf(leaf.as_ref(), depth, value);
            return push(proof, plan.last(), depth);
        }
        _ => {}
    }
    let fork = fork(leaves, depth);
    let branch = branch(&mut plan, leaves, fork);
    let node = plan.last();
    let shared = shared_nibbles(leaves[0].0.as_ref(), key, depth, fork.min(2 * key.len()));
    if fork > depth {
        plan.extension(leaves[0].0.as_ref(), depth, fork, branch);
        push(proof, plan.last(), depth);
    }
    if shared < fork {
        return;
    }
    push(proof, node, fork);
    if 2 * key.len() > fork
        && let Some((_, group)) = groups(leaves, fork).find(|(child, _)| *child == nibble(key, fork))
    {
        prove(group, fork + 1, key, proof);
    }
}

/// Appends a node. Those inside their parent are not listed, but a root is, however short.
pub fn push(proof: &mut Vec<Vec<u8>>, node: Vec<u8>, depth: usize) {
    if depth == 0 || !Reference::to(&node).is_inline() {
        proof.push(node);
    }
}
