//! The journal: blocks that are durable, and not in the database yet.
//!
//! A block is one appended record and one wait for the disk. When the records are many they go into the database
//! together and the journal starts anew, so that opening reads a bounded number of them. A record that is cut off at
//! the end was never acknowledged and is left out; one that is damaged with sound ones behind it is an error.

use std::io;

use alloy_primitives::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::disk::Disk;

const MARK: [u8; 4] = *b"blk1";
const HEAD_BYTES: usize = 24;

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    len: u64,
    /// Records that go to the disk with the next one.
    notes: Vec<u8>,
}

/// What a journal holds.
pub struct Found {
    /// The sound records, each with its number.
    pub records: Vec<(u64, Bytes)>,
    /// Where a record is damaged that has sound ones behind it.
    pub damage: Option<u64>,
}

impl Journal {
    /// Open a journal and read it.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn open(disk: Box<dyn Disk>) -> io::Result<(Self, Found)> {
        let mut content = vec![0; usize::try_from(disk.size()?).map_err(io::Error::other)?];
        disk.read(0, &mut content)?;
        let content = Bytes::from(content);
        let (mut records, mut place) = (Vec::new(), 0);
        while let Some((number, payload)) = record(&content, place) {
            place += HEAD_BYTES + payload.len();
            records.push((number, payload));
        }
        let behind = (place + 1..content.len()).find(|other| record(&content, *other).is_some());
        Ok((
            Self { disk, len: place as u64, notes: Vec::new() },
            Found { records, damage: behind.map(|_| place as u64) },
        ))
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Append a record, and what was noted before; when this returns it survives a crash of the machine.
    ///
    /// # Errors
    ///
    /// The disk fails: whether the record is there is not known until the journal is opened again.
    pub fn append(&mut self, number: u64, payload: &[u8]) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.notes);
        put_record(&mut bytes, number, payload)?;
        self.disk.write(self.len, &bytes)?;
        self.disk.sync()?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Let a record go to the disk with the next one that is appended: it costs no wait of its own.
    ///
    /// # Errors
    ///
    /// It is too long.
    pub fn note(&mut self, number: u64, payload: &[u8]) -> io::Result<()> {
        put_record(&mut self.notes, number, payload)
    }

    /// Forget all records: they are durable elsewhere.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn clear(&mut self) -> io::Result<()> {
        self.disk.set_len(0)?;
        self.disk.sync()?;
        self.len = 0;
        self.notes.clear();
        Ok(())
    }
}

fn put_record(bytes: &mut Vec<u8>, number: u64, payload: &[u8]) -> io::Result<()> {
    bytes.extend_from_slice(&MARK);
    bytes.extend_from_slice(&u32::try_from(payload.len()).map_err(io::Error::other)?.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&xxh3_64_with_seed(payload, number).to_le_bytes());
    bytes.extend_from_slice(payload);
    Ok(())
}

fn record(content: &Bytes, place: usize) -> Option<(u64, Bytes)> {
    let head = content.get(place..place + HEAD_BYTES)?;
    if head[..4] != MARK {
        return None;
    }
    let size = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    let number = u64::from_le_bytes(head[8..16].try_into().ok()?);
    let begin = place + HEAD_BYTES;
    let payload = content.get(begin..begin.checked_add(size)?)?;
    let sum = xxh3_64_with_seed(payload, number).to_le_bytes();
    (head[16..24] == sum).then(|| (number, content.slice(begin..begin + size)))
}
