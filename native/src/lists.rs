//! Ethereum's commitment to a list: the root of the trie of its items under their encoded positions
//! (Yellow Paper, 4.3.2 and appendix D). Transactions and receipts of a block are committed to so.

use alloy_primitives::{B256, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Encodable, Header};

/// The root of a list of encoded items.
#[must_use]
pub fn ordered_root<T: AsRef<[u8]>>(items: &[T]) -> B256 {
    let mut entries: Vec<(Vec<u8>, &[u8])> =
        items.iter().enumerate().map(|(index, item)| (nibbles(&alloy_rlp::encode(index)), item.as_ref())).collect();
    entries.sort_unstable();
    if entries.is_empty() { keccak256([EMPTY_STRING_CODE]) } else { keccak256(node(&entries, 0)) }
}

fn nibbles(key: &[u8]) -> Vec<u8> {
    key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect()
}

/// Encode the node of these entries, which agree in their first `depth` nibbles. No key is a prefix of another.
fn node(entries: &[(Vec<u8>, &[u8])], depth: usize) -> Vec<u8> {
    if let [(key, item)] = entries {
        return list(&[string(&path(&key[depth..], true)), string(item)]);
    }
    let (first, last) = (&entries[0].0, &entries[entries.len() - 1].0);
    let shared = first[depth..].iter().zip(&last[depth..]).take_while(|(one, other)| one == other).count();
    if shared > 0 {
        let below = reference(node(entries, depth + shared));
        return list(&[string(&path(&first[depth..depth + shared], false)), below]);
    }
    let mut children = vec![vec![EMPTY_STRING_CODE]; 17];
    for group in entries.chunk_by(|one, other| one.0[depth] == other.0[depth]) {
        children[usize::from(group[0].0[depth])] = reference(node(group, depth + 1));
    }
    list(&children)
}

/// Hex-prefix encoding of a path (appendix C).
fn path(nibbles: &[u8], is_leaf: bool) -> Vec<u8> {
    let flag = if is_leaf { 2 } else { 0 };
    let (first, rest) =
        if nibbles.len() % 2 == 1 { ((flag + 1) << 4 | nibbles[0], &nibbles[1..]) } else { (flag << 4, nibbles) };
    std::iter::once(first).chain(rest.chunks(2).map(|pair| pair[0] << 4 | pair[1])).collect()
}

/// A node below another: itself if it is short, otherwise its hash.
fn reference(node: Vec<u8>) -> Vec<u8> {
    if node.len() < 32 { node } else { string(keccak256(node).as_slice()) }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    bytes.encode(&mut out);
    out
}

fn list(encoded: &[Vec<u8>]) -> Vec<u8> {
    let payload_length = encoded.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(payload_length + 4);
    Header { list: true, payload_length }.encode(&mut out);
    encoded.iter().for_each(|item| out.extend_from_slice(item));
    out
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;

    #[test]
    fn the_root_of_nothing_is_ethereums_empty_root() {
        let empty = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
        assert_eq!(ordered_root::<Vec<u8>>(&[]), empty);
    }

    #[test]
    fn every_item_and_its_place_count() {
        let items: Vec<Vec<u8>> = (0..300_u16).map(|number| number.to_be_bytes().repeat(20)).collect();
        let root = ordered_root(&items);
        for changed in [0, 1, 127, 128, 255, 256, 299] {
            let mut other = items.clone();
            other[changed][0] ^= 1;
            assert_ne!(ordered_root(&other), root);
        }
        let mut swapped = items.clone();
        swapped.swap(3, 200);
        assert_ne!(ordered_root(&swapped), root);
        assert_ne!(ordered_root(&items[..299]), root);
    }
}
