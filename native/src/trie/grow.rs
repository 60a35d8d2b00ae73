//! One trie while its leaves change.

use alloy_primitives::{B256, map::HashSet};

use super::leaves::{self, Leaf};
use super::part::{Division, Part, Path, Place, Stored, TrieError, leaves_of, together};
use super::plan::{Child, Plan};
use super::state::EMPTY_ROOT;

/// How many leaves are one part at most.
pub const TOGETHER: usize = 16;

/// A key, and its value from now on.
pub type Entry = (B256, Option<Vec<u8>>);

/// One of the tries.
pub struct Trie<'a, T> {
    pub stored: &'a T,
    pub number: u64,
    /// How many bytes of a stored value are not the leaf's.
    pub prefix: usize,
}

/// What lies below a path, whatever the length of that path: the nodes further down stay the same when a parent vanishes.
enum Subtree {
    Leaf { key: B256, value: Vec<u8> },
    Branch { key: B256, depth: usize, branch: Child },
}

/// A subtree and its part; none where no leaf is left.
type Grown = Option<(Subtree, Place)>;

struct Growth<'a, T> {
    trie: Trie<'a, T>,
    plan: Plan,
    removed: &'a mut HashSet<Vec<u8>>,
}

impl<T: Stored> Trie<'_, T> {
    /// The root behind changes by rising key. What vanishes is added to `removed`.
    ///
    /// # Errors
    /// Where parts cannot be read. Then `root` is no longer what it was.
    pub fn update(
        &self,
        root: &mut Option<Place>,
        changed: &[Entry],
        removed: &mut HashSet<Vec<u8>>,
    ) -> Result<B256, TrieError> {
        let mut growth = Growth { trie: Trie { ..*self }, plan: Plan::default(), removed };
        let grown = match root.take() {
            Some(place) => growth.grow(&Path::ROOT, place, changed)?,
            None => growth.shape(&Path::ROOT, &merged(&[], changed)),
        };
        let Some((subtree, mut place)) = grown else {
            growth.removed.insert(Path::ROOT.record_key(self.number));
            return Ok(EMPTY_ROOT);
        };
        let node = growth.node(&subtree, 0);
        growth.plan.run();
        settle(&mut place, &growth.plan);
        *root = Some(place);
        Ok(growth.plan.reference(&node).root())
    }

    /// Reads a part if it was not.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn load(&self, place: &mut Place, path: &Path) -> Result<(), TrieError> {
        if matches!(place.part, Part::Stored) {
            place.part = Part::read(self.stored, self.number, path, self.prefix)?;
        }
        Ok(())
    }

    /// The stored value of a key.
    ///
    /// # Errors
    /// Where parts cannot be read.
    pub fn value(&self, mut place: &mut Place, key: &B256) -> Result<Option<Vec<u8>>, TrieError> {
        let mut path = Path::ROOT;
        loop {
            self.load(place, &path)?;
            match &mut place.part {
                Part::Divided(division) => {
                    let next = path.next(key);
                    let Some((_, child)) = &mut division.children[next] else { return Ok(None) };
                    (path, place) = (path.child(next), child);
                }
                Part::Together(leaves) => {
                    return Ok(leaves_of(leaves).find(|(leaf, _)| leaf == key).map(|(_, value)| value.to_vec()));
                }
                Part::Stored => unreachable!("it has just been read"),
            }
        }
    }

    /// Appends the nodes on the way to a key, or to where it is seen to be absent.
    ///
    /// # Errors
    /// Where parts cannot be read.
    pub fn prove(&self, place: &mut Place, key: &B256, proof: &mut Vec<Vec<u8>>) -> Result<(), TrieError> {
        self.prove_below(place, &Path::ROOT, 0, key, proof)
    }

    /// `from` is the depth of the node above which all is proven; between it and the path only one child was met.
    fn prove_below(
        &self,
        place: &mut Place,
        path: &Path,
        from: usize,
        key: &B256,
        proof: &mut Vec<Vec<u8>>,
    ) -> Result<(), TrieError> {
        self.load(place, path)?;
        match &mut place.part {
            Part::Stored => unreachable!("it has just been read"),
            Part::Together(leaves) => {
                let leaves: Vec<_> = leaves_of(leaves).map(|(key, value)| (key, &value[self.prefix..])).collect();
                leaves::prove(&leaves, from, key.as_slice(), proof);
                Ok(())
            }
            Part::Divided(division) => {
                if let Some(only) = division.only() {
                    let Some((_, child)) = &mut division.children[only] else { return Ok(()) };
                    return self.prove_below(child, &path.child(only), from, key, proof);
                }
                let mut plan = Plan::default();
                let branch = plan.branch(division.present().collect(), &[]);
                let node = plan.last();
                if from < path.depth() {
                    plan.extension(path.first().as_slice(), from, path.depth(), branch);
                    leaves::push(proof, plan.last(), from);
                    if super::node::shared_nibbles(path.first().as_slice(), key.as_slice(), from, path.depth())
                        < path.depth()
                    {
                        return Ok(());
                    }
                }
                leaves::push(proof, node, path.depth());
                let next = path.next(key);
                let Some((_, child)) = &mut division.children[next] else { return Ok(()) };
                self.prove_below(child, &path.child(next), path.depth() + 1, key, proof)
            }
        }
    }
}

impl<T: Stored> Trie<'_, T> {
    /// Makes every node from the stored leaves and compares it with what is stored. Gives the root; each leaf is shown to `visit`, and
    /// `parts` counts the records.
    ///
    /// # Errors
    /// Names the first record that is missing, or not what its parent says.
    pub fn check(&self, parts: &mut u64, visit: &mut impl FnMut(&B256, &[u8])) -> Result<B256, TrieError> {
        let mut growth = Growth { trie: Trie { ..*self }, plan: Plan::default(), removed: &mut HashSet::default() };
        let subtree = growth.checked(&Path::ROOT, parts, visit)?;
        let root = growth.node(&subtree, 0);
        growth.plan.run();
        Ok(growth.plan.reference(&root).root())
    }
}

impl<T: Stored> Growth<'_, T> {
    fn checked(
        &mut self,
        path: &Path,
        parts: &mut u64,
        visit: &mut impl FnMut(&B256, &[u8]),
    ) -> Result<Subtree, TrieError> {
        *parts += 1;
        let damaged = || TrieError::Damaged(path.record_key(self.trie.number));
        match Part::read(self.trie.stored, self.trie.number, path, self.trie.prefix)? {
            Part::Stored => Err(damaged()),
            Part::Together(leaves) => {
                let leaves: Vec<_> = leaves_of(&leaves).collect();
                leaves.iter().for_each(|(key, value)| visit(key, value));
                let subtree = self.subtree(&leaves, path.depth());
                subtree.ok_or_else(|| TrieError::Damaged(path.record_key(self.trie.number)))
            }
            Part::Divided(division) => {
                let mut last = None;
                for (nibble, expected) in division.present() {
                    let below = path.child(usize::from(nibble));
                    let subtree = self.checked(&below, parts, visit)?;
                    let child = self.node(&subtree, below.depth());
                    self.plan.run();
                    if Some(&self.plan.reference(&child)) != expected.known() {
                        return Err(TrieError::Damaged(below.record_key(self.trie.number)));
                    }
                    last = Some(subtree);
                }
                match last {
                    Some(subtree) if division.only().is_some() => Ok(subtree),
                    _ => Ok(self.branch(path.first(), path, &division)),
                }
            }
        }
    }

    fn grow(&mut self, path: &Path, mut place: Place, changed: &[Entry]) -> Result<Grown, TrieError> {
        self.trie.load(&mut place, path)?;
        match place.part {
            Part::Stored => unreachable!("it has just been read"),
            Part::Together(leaves) => Ok(self.shape(path, &merged(&leaves, changed))),
            Part::Divided(division) => self.divided(path, division, changed),
        }
    }

    /// Divides leaves until few are together.
    fn shape(&mut self, path: &Path, leaves: &[Leaf<B256>]) -> Grown {
        if leaves.len() <= TOGETHER {
            return Some((self.subtree(leaves, path.depth())?, Place::changed(together(leaves))));
        }
        let mut division = Box::<Division>::default();
        let mut last = None;
        for (child, group) in leaves::groups(leaves, path.depth()) {
            let (subtree, place) = self.shape(&path.child(child), group)?;
            division.children[child] = Some((self.node(&subtree, path.depth() + 1), place));
            last = Some(subtree);
        }
        let subtree = if division.only().is_some() { last? } else { self.branch(&leaves[0].0, path, &division) };
        Some((subtree, Place::changed(Part::Divided(division))))
    }

    fn divided(&mut self, path: &Path, mut division: Box<Division>, changed: &[Entry]) -> Result<Grown, TrieError> {
        let mut last = None;
        for group in changed.chunk_by(|one, other| path.next(&one.0) == path.next(&other.0)) {
            let child = path.next(&group[0].0);
            let below = path.child(child);
            let was_there = division.children[child].take();
            let is_known = was_there.is_some();
            let grown = match was_there {
                Some((_, place)) => self.grow(&below, place, group)?,
                None => self.shape(&below, &merged(&[], group)),
            };
            match grown {
                Some((subtree, place)) => {
                    division.children[child] = Some((self.node(&subtree, below.depth()), place));
                    last = Some((child, subtree));
                }
                None if is_known => _ = self.removed.insert(below.record_key(self.trie.number)),
                None => {}
            }
        }
        let Some(only) = division.only() else {
            let Some((first, _)) = division.present().next() else { return Ok(None) };
            let key = *path.child(usize::from(first)).first();
            let subtree = self.branch(&key, path, &division);
            return Ok(Some((subtree, Place::changed(Part::Divided(division)))));
        };
        self.single(path, division, only, last.filter(|(child, _)| *child == only).map(|(_, subtree)| subtree))
    }

    /// A branch that has one child left is none; and where that child is a part of few leaves, the part moves up.
    fn single(
        &mut self,
        path: &Path,
        mut division: Box<Division>,
        only: usize,
        known: Option<Subtree>,
    ) -> Result<Grown, TrieError> {
        let Some((reference, mut place)) = division.children[only].take() else { return Ok(None) };
        let below = path.child(only);
        let subtree = match known {
            Some(subtree) => subtree,
            None => self.unchanged(&below, &mut place)?,
        };
        if let Part::Together(leaves) = place.part {
            self.removed.insert(below.record_key(self.trie.number));
            return Ok(Some((subtree, Place::changed(Part::Together(leaves)))));
        }
        division.children[only] = Some((reference, place));
        Ok(Some((subtree, Place::changed(Part::Divided(division)))))
    }

    /// A subtree in which nothing changed, and that now has no sibling.
    fn unchanged(&mut self, path: &Path, place: &mut Place) -> Result<Subtree, TrieError> {
        self.trie.load(place, path)?;
        let damaged = || TrieError::Damaged(path.record_key(self.trie.number));
        match &mut place.part {
            Part::Stored => Err(damaged()),
            Part::Together(leaves) => {
                let leaves: Vec<_> = leaves_of(leaves).collect();
                self.subtree(&leaves, path.depth()).ok_or_else(|| TrieError::Damaged(path.record_key(self.trie.number)))
            }
            Part::Divided(division) => match division.only() {
                None => Ok(self.branch(path.first(), path, division)),
                Some(child) => match &mut division.children[child] {
                    Some((_, place)) => self.unchanged(&path.child(child), place),
                    None => Err(damaged()),
                },
            },
        }
    }

    fn branch(&mut self, key: &B256, path: &Path, division: &Division) -> Subtree {
        let branch = self.plan.branch(division.present().collect(), &[]);
        Subtree::Branch { key: *key, depth: path.depth(), branch }
    }

    fn subtree(&mut self, leaves: &[Leaf<B256>], depth: usize) -> Option<Subtree> {
        match leaves {
            [] => None,
            [(key, value)] => Some(Subtree::Leaf { key: *key, value: value[self.trie.prefix..].to_vec() }),
            [(key, _), ..] => {
                let fork = leaves::fork(leaves, depth);
                let leaves: Vec<_> = leaves.iter().map(|(key, value)| (*key, &value[self.trie.prefix..])).collect();
                let branch = leaves::branch(&mut self.plan, &leaves, fork);
                Some(Subtree::Branch { key: *key, depth: fork, branch })
            }
        }
    }

    /// The node of a subtree at the end of `depth` nibbles.
    fn node(&mut self, subtree: &Subtree, depth: usize) -> Child {
        match subtree {
            Subtree::Leaf { key, value } => self.plan.leaf(key.as_slice(), depth, value),
            Subtree::Branch { key, depth: at, branch } => self.plan.extension(key.as_slice(), depth, *at, *branch),
        }
    }
}

/// Puts hashes where nodes were planned.
fn settle(place: &mut Place, plan: &Plan) {
    let Part::Divided(division) = &mut place.part else { return };
    for (child, place) in division.children.iter_mut().flatten() {
        if matches!(child, Child::Planned(_)) {
            *child = Child::Known(plan.reference(child));
            settle(place, plan);
        }
    }
}

/// Leaves as they are with changes.
fn merged<'a>(stored: &'a [u8], changed: &'a [Entry]) -> Vec<Leaf<'a, B256>> {
    let mut leaves = Vec::with_capacity(changed.len() + stored.len() / 34);
    let mut stored = leaves_of(stored).peekable();
    for (key, value) in changed {
        while let Some(leaf) = stored.next_if(|(stored, _)| stored < key) {
            leaves.push(leaf);
        }
        stored.next_if(|(stored, _)| stored == key);
        if let Some(value) = value {
            leaves.push((*key, value.as_slice()));
        }
    }
    leaves.extend(stored);
    leaves
}
