//! Files as the core needs them: a page is what was written, or reading it is an error that names it.

use std::{
    fmt::Debug,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Mutex,
};

use redb::StorageBackend;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a page, as the database writes them.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of a page with its checksum, as they are in the file.
pub const STORED_BYTES: usize = PAGE_BYTES + 8;

/// A file, or what stands for one in tests of failures.
pub trait Disk: Debug + Send + Sync + 'static {
    /// How many bytes it has.
    ///
    /// # Errors
    ///
    /// The disk fails.
    fn size(&self) -> io::Result<u64>;
    /// Fill `out` with what stands at a place.
    ///
    /// # Errors
    ///
    /// The file ends before, or the disk fails.
    fn read(&self, place: u64, out: &mut [u8]) -> io::Result<()>;
    /// Write at a place; the file grows as far as that takes.
    ///
    /// # Errors
    ///
    /// The disk fails.
    fn write(&self, place: u64, data: &[u8]) -> io::Result<()>;
    /// Cut the file, or grow it with zeros.
    ///
    /// # Errors
    ///
    /// The disk fails.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Wait until all that was written survives a crash of the machine.
    ///
    /// # Errors
    ///
    /// The disk fails.
    fn sync(&self) -> io::Result<()>;
}

const UNPOISONED: &str = "nothing panics while it holds this lock";

impl Disk for Mutex<File> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.lock().expect(UNPOISONED).metadata()?.len())
    }

    fn read(&self, place: u64, out: &mut [u8]) -> io::Result<()> {
        let mut file = self.lock().expect(UNPOISONED);
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(out)
    }

    fn write(&self, place: u64, data: &[u8]) -> io::Result<()> {
        let mut file = self.lock().expect(UNPOISONED);
        file.seek(SeekFrom::Start(place))?;
        file.write_all(data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.lock().expect(UNPOISONED).set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().expect(UNPOISONED).sync_data()
    }
}

/// The pages of a database. Page 0 is its head, which it writes in place and checks itself; every other page is
/// followed by a checksum of its bytes and its number.
#[derive(Debug)]
pub struct Pages<D: ?Sized>(pub std::sync::Arc<D>);

impl<D: ?Sized> Clone for Pages<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

fn checksum(page: u64, bytes: &[u8]) -> [u8; 8] {
    xxh3_64_with_seed(bytes, page).to_le_bytes()
}

fn stored_place(place: u64) -> u64 {
    place / PAGE_BYTES as u64 * STORED_BYTES as u64 + place % PAGE_BYTES as u64
}

/// What a page that is not as it was written is called, and where it is.
#[must_use]
pub fn damage(page: u64) -> String {
    let begin = page * STORED_BYTES as u64;
    format!("page {page}, bytes {begin} to {}", begin + STORED_BYTES as u64 - 1)
}

impl<D: Disk + ?Sized> Pages<D> {
    /// How many pages there are.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn count(&self) -> io::Result<u64> {
        Ok(self.0.size()?.div_ceil(STORED_BYTES as u64))
    }

    /// Read whole pages from one on, each checked.
    ///
    /// # Errors
    ///
    /// The disk fails, or (`InvalidData`) a page is not what was written.
    pub fn read_pages(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        let (pages, _) = out.as_chunks_mut::<PAGE_BYTES>();
        let mut stored = vec![0; pages.len() * STORED_BYTES];
        self.0.read(first * STORED_BYTES as u64, &mut stored)?;
        for ((page, stored), number) in pages.iter_mut().zip(stored.chunks_exact(STORED_BYTES)).zip(first..) {
            let (bytes, sum) = stored.split_at(PAGE_BYTES);
            // A page that was never written is zero, like its checksum.
            if number > 0 && sum != checksum(number, bytes) && stored.iter().any(|byte| *byte != 0) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, damage(number)));
            }
            page.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn write_pages(&self, first: u64, data: &[u8]) -> io::Result<()> {
        let (pages, _) = data.as_chunks::<PAGE_BYTES>();
        let mut stored = Vec::with_capacity(pages.len() * STORED_BYTES);
        for (page, number) in pages.iter().zip(first..) {
            stored.extend_from_slice(page);
            stored.extend_from_slice(&checksum(number, page));
        }
        self.0.write(first * STORED_BYTES as u64, &stored)
    }
}

impl<D: Disk + ?Sized> StorageBackend for Pages<D> {
    fn len(&self) -> io::Result<u64> {
        let len = self.0.size()?;
        let (pages, rest) = (len / STORED_BYTES as u64, len % STORED_BYTES as u64);
        Ok(pages * PAGE_BYTES as u64 + rest.min(PAGE_BYTES as u64))
    }

    fn read(&self, place: u64, out: &mut [u8]) -> io::Result<()> {
        let page = PAGE_BYTES as u64;
        let (first, skipped) = (place / page, (place % page) as usize);
        if first == 0 && skipped + out.len() <= PAGE_BYTES {
            return self.0.read(place, out);
        }
        if skipped == 0 && out.len().is_multiple_of(PAGE_BYTES) {
            return self.read_pages(first, out);
        }
        let mut whole = vec![0; (skipped + out.len()).next_multiple_of(PAGE_BYTES)];
        self.read_pages(first, &mut whole)?;
        out.copy_from_slice(&whole[skipped..skipped + out.len()]);
        Ok(())
    }

    fn write(&self, place: u64, data: &[u8]) -> io::Result<()> {
        let page = PAGE_BYTES as u64;
        let (first, skipped) = (place / page, (place % page) as usize);
        if first == 0 && skipped + data.len() <= PAGE_BYTES {
            return self.0.write(place, data);
        }
        if skipped == 0 && data.len().is_multiple_of(PAGE_BYTES) {
            return self.write_pages(first, data);
        }
        let mut whole = vec![0; (skipped + data.len()).next_multiple_of(PAGE_BYTES)];
        self.read_pages(first, &mut whole)?;
        whole[skipped..skipped + data.len()].copy_from_slice(data);
        self.write_pages(first, &whole)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // A page is there with its checksum, or not at all.
        let stored = if len.is_multiple_of(PAGE_BYTES as u64) {
            len / PAGE_BYTES as u64 * STORED_BYTES as u64
        } else {
            stored_place(len)
        };
        self.0.set_len(stored)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }
}
