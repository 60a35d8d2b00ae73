//! The store on disks that fail: killed at any byte of any write, with writes that were not waited for torn, lost or reordered, it
//! opens at the last acknowledged block; and a changed byte of a closed file is found and named, or means nothing.

mod common;

use std::io;
use std::sync::{Arc, Mutex};

use alloy_primitives::B256;
use common::{next_block, open};
use gridbourse_native::{
    disk::{Disk, Pages},
    error::{Error, Result},
    store::Store,
    verify::{scrub, verify},
};
use proptest::prelude::*;

const BLOCKS: u64 = 12;
/// Under this name the number of the next block is kept beside the blocks.
const NOTED: &str = "noted";

#[derive(Clone, Debug)]
enum Step {
    Write { disk: usize, place: u64, data: Vec<u8> },
    SetLength { disk: usize, length: u64 },
    Sync { disk: usize },
}

impl Step {
    fn disk(&self) -> usize {
        match self {
            Self::Write { disk, .. } | Self::SetLength { disk, .. } | Self::Sync { disk } => *disk,
        }
    }

    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { place, data, .. } => {
                let end = *place as usize + data.len();
                image.resize(image.len().max(end), 0);
                image[*place as usize..end].copy_from_slice(data);
            }
            Self::SetLength { length, .. } => image.resize(*length as usize, 0),
            Self::Sync { .. } => {}
        }
    }
}

/// Two disks, and everything that was asked of them.
#[derive(Default, Debug)]
struct World {
    images: [Vec<u8>; 2],
    steps: Vec<Step>,
    /// The step that fails, and whether all later ones do too.
    failing: Option<(usize, bool)>,
}

const MAIN: usize = 0;
const JOURNAL: usize = 1;

#[derive(Clone, Debug)]
struct SimulatedDisk {
    world: Arc<Mutex<World>>,
    disk: usize,
}

impl SimulatedDisk {
    fn step(&self, step: Step) -> io::Result<()> {
        let world = &mut *self.world.lock().unwrap();
        let number = world.steps.len();
        step.apply(&mut world.images[self.disk]);
        world.steps.push(step);
        match world.failing {
            Some((first, forever)) if number == first || forever && number > first => {
                Err(io::Error::other("the disk does not want to"))
            }
            _ => Ok(()),
        }
    }
}

impl Disk for SimulatedDisk {
    fn size(&self) -> io::Result<u64> {
        Ok(self.world.lock().unwrap().images[self.disk].len() as u64)
    }

    fn read(&self, place: u64, out: &mut [u8]) -> io::Result<()> {
        let world = self.world.lock().unwrap();
        let place = place as usize;
        let found = world.images[self.disk].get(place..place + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn write(&self, place: u64, data: &[u8]) -> io::Result<()> {
        self.step(Step::Write { disk: self.disk, place, data: data.to_vec() })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.step(Step::SetLength { disk: self.disk, length })
    }

    fn sync(&self) -> io::Result<()> {
        self.step(Step::Sync { disk: self.disk })
    }
}

fn world(images: [Vec<u8>; 2]) -> Arc<Mutex<World>> {
    Arc::new(Mutex::new(World { images, ..World::default() }))
}

fn open_in(world: &Arc<Mutex<World>>) -> Result<Store> {
    let disk = |disk| SimulatedDisk { world: world.clone(), disk };
    open(Arc::new(disk(MAIN)), Box::new(disk(JOURNAL)))
}

/// Append blocks, with a checkpoint every four. Gives the hashes of the acknowledged ones, and at which step each was.
fn work(world: &Arc<Mutex<World>>, acknowledged: &mut Vec<(B256, usize)>) -> Result<()> {
    let mut store = open_in(world)?;
    for height in 1..=BLOCKS {
        let block = next_block(&store)?;
        store.put_meta(NOTED, &height.to_le_bytes())?;
        store.append(block, height)?;
        acknowledged.push((store.head_hash(), world.lock().unwrap().steps.len()));
        if height.is_multiple_of(4) {
            store.checkpoint()?;
        }
    }
    store.close()
}

/// The steps of a whole run, the blocks with the step that made each durable, and the files in the end.
type Run = (Vec<Step>, Vec<(B256, usize)>, [Vec<u8>; 2]);

/// What was done without a failure.
fn whole() -> Run {
    let (world, mut acknowledged) = (world(Default::default()), Vec::new());
    work(&world, &mut acknowledged).unwrap();
    let world = world.lock().unwrap();
    (world.steps.clone(), acknowledged, world.images.clone())
}

/// Open what a crash left: all acknowledged blocks are there, at most one more, and everything fits together.
fn reopened(images: [Vec<u8>; 2], hashes: &[(B256, usize)], acknowledged: usize, when: &str) {
    let store = open_in(&world(images)).unwrap_or_else(|error| panic!("{when}: {error}"));
    let height = store.head().height as usize;
    assert!((acknowledged..=acknowledged + 1).contains(&height), "{when}: {height} blocks of {acknowledged}");
    if height > 0 {
        assert_eq!(store.head_hash(), hashes[height - 1].0, "{when}");
    }
    let noted = store.meta(NOTED).unwrap().map_or(0, |noted| u64::from_le_bytes(noted.try_into().unwrap())) as usize;
    assert!((height..=height + 1).contains(&noted), "{when}: what was noted with block {noted} of {height}");
    verify(&store).unwrap_or_else(|error| panic!("{when}: {error}"));
}

/// The disks after a crash before a step: what was synced is there; of the rest `keep` tells how many bytes of each write.
fn crashed(steps: &[Step], mut keep: impl FnMut(usize) -> usize, reversed: bool) -> [Vec<u8>; 2] {
    let mut images: [Vec<u8>; 2] = Default::default();
    for (disk, image) in images.iter_mut().enumerate() {
        let mine: Vec<&Step> = steps.iter().filter(|step| step.disk() == disk).collect();
        let synced = mine.iter().rposition(|step| matches!(step, Step::Sync { .. })).map_or(0, |last| last + 1);
        mine[..synced].iter().for_each(|step| step.apply(image));
        let mut rest: Vec<Step> = mine[synced..].iter().map(|step| (*step).clone()).collect();
        if reversed {
            rest.reverse();
        }
        for mut step in rest {
            match &mut step {
                Step::Write { data, .. } => data.truncate(keep(data.len())),
                Step::SetLength { .. } if keep(1) == 0 => continue,
                _ => {}
            }
            step.apply(image);
        }
    }
    images
}

fn count(acknowledged: &[(B256, usize)], steps: usize) -> usize {
    acknowledged.iter().filter(|(_, at)| *at <= steps).count()
}

#[test]
fn killed_before_any_step_it_opens_at_the_last_acknowledged_block() {
    let (steps, acknowledged, _) = whole();
    for killed in 0..=steps.len() {
        let known = count(&acknowledged, killed);
        let when = |how: &str| format!("killed before step {killed} of {}, {how}", steps.len());
        let before = &steps[..killed];
        reopened(crashed(before, |length| length, false), &acknowledged, known, &when("all written"));
        reopened(crashed(before, |_| 0, false), &acknowledged, known, &when("nothing written since the last sync"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn torn_lost_and_reordered_writes_lose_nothing_that_was_acknowledged(
        killed in any::<prop::sample::Index>(),
        parts in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), 0.0..1.0], 1..20),
        reversed in any::<bool>(),
    ) {
        let (steps, acknowledged, _) = whole();
        let killed = killed.index(steps.len() + 1);
        let mut parts = parts.iter().cycle();
        let keep = |length: usize| (length as f64 * parts.next().unwrap()) as usize;
        let images = crashed(&steps[..killed], keep, reversed);
        reopened(images, &acknowledged, count(&acknowledged, killed), &format!("killed before step {killed}"));
    }
}

#[test]
fn a_disk_that_fails_at_any_step_loses_nothing_that_was_acknowledged() {
    let (steps, hashes, _) = whole();
    for first in 0..steps.len() {
        for forever in [false, true] {
            let (world, mut acknowledged) = (world(Default::default()), Vec::new());
            world.lock().unwrap().failing = Some((first, forever));
            let done = work(&world, &mut acknowledged);
            let (images, taken) = {
                let world = world.lock().unwrap();
                (world.images.clone(), world.steps.len())
            };
            let when = format!("step {first} failed{}", if forever { " and all behind it" } else { "" });
            // Roots are written beside the work: how many steps there are differs by some from run to run.
            assert!(done.is_err() || !forever || taken <= first, "{when} of {taken}: nobody noticed");
            reopened(images, &hashes, acknowledged.len(), &when);
        }
    }
}

/// Whether a damaged file is as good as the sound one, or the error names the place.
fn is_found(images: [Vec<u8>; 2]) -> bool {
    let world = world(images);
    let named = |error: Error| match error {
        Error::Corrupted { place, finding, .. } => {
            assert!(!place.is_empty() && finding.contains("restore"), "{place}: {finding}")
        }
        Error::OtherGenesis(_) => {}
        other => panic!("{other}"),
    };
    match open_in(&world) {
        Err(error) => named(error),
        Ok(store) => match verify(&store) {
            Err(error) => named(error),
            Ok(()) => {
                let pages: Pages<dyn Disk> = store.pages();
                return !matches!(scrub(&pages, 0, u64::MAX), Ok((None, _)));
            }
        },
    }
    true
}

#[test]
fn a_changed_byte_of_a_closed_file_is_found_or_means_nothing() {
    let (_, hashes, images) = whole();
    assert!(images[JOURNAL].is_empty());
    let (mut found, mut harmless) = (0, 0);
    // Steps by a prime, so that every place of a page comes up.
    for place in (0..images[MAIN].len()).step_by(1_009) {
        let mut damaged = images.clone();
        damaged[MAIN][place] ^= 1 << (place % 8);
        if is_found(damaged.clone()) {
            found += 1;
        } else {
            // Nobody reads that byte: the chain is the same.
            let store = open_in(&world(damaged)).unwrap();
            assert_eq!(store.head_hash(), hashes[hashes.len() - 1].0, "byte {place}");
            harmless += 1;
        }
    }
    assert!(found > 20 * harmless, "{found} found, {harmless} harmless");
}

#[test]
fn a_shortened_file_is_found() {
    let (_, hashes, images) = whole();
    for length in (1..images[MAIN].len()).step_by(2_003) {
        let mut damaged = images.clone();
        damaged[MAIN].truncate(length);
        if !is_found(damaged.clone()) {
            let store = open_in(&world(damaged)).unwrap();
            assert_eq!(store.head_hash(), hashes[hashes.len() - 1].0, "{length} bytes");
        }
    }
}
