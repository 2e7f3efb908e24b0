//! A disk in memory that can fail as real ones do: power cut at any write or flush, with unflushed writes lost, torn or kept; full; broken.
//! It can be taken back to any operation of a recording, so one run shows what every power cut in it leaves; bytes mean nothing to it.
//! SQLite reaches it through `vfs`; devices and spaces each own one.

mod file;
mod vfs;

pub use vfs::{connect, quicken_this_process};

use crate::random::Random;
use file::File;
use std::cell::RefCell;
use std::rc::Rc;

/// Sectors are written whole or not at all, so that is where a write can be torn.
const SECTOR_BYTES: usize = 512;

/// What an operation on the disk comes to, if not to what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room.
    Full,
    /// The operation failed, or there is no power.
    Broken,
}

/// What becomes of the writes that were not flushed when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// All of them are there: only the program died.
    Kept,
    /// None of them is.
    Lost,
    /// Each by itself is there, is not, or is there up to a sector.
    Torn(u64),
}

/// An operation that changes what is on the disk.
#[derive(Debug, Clone)]
enum Operation {
    Write { file: usize, at: usize, bytes: Box<[u8]> },
    Truncate { file: usize, len: usize },
    Flush { file: usize },
    Delete { file: usize },
}

/// Every operation since a moment.
#[derive(Debug, Clone, Default)]
struct Recording {
    files: Vec<File>,
    operations: Vec<Operation>,
}

/// All files as they were at one moment.
#[derive(Debug, Clone)]
pub struct Image(Vec<File>);

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    recording: Option<Recording>,
    /// So many operations from now one fails.
    fails_in: Option<u64>,
    off: bool,
    full: bool,
    /// Trouble that SQLite was given since it was last asked for.
    troubles: u64,
    /// Only `flush` flushes: SQLite's own wishes are not heard.
    by_hand: bool,
}

/// A handle to a disk; its clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Rc<RefCell<State>>);

impl Disk {
    /// An empty disk that does what SQLite asks for.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that flushes only when `flush` is called, as a Durable Object's storage does between events.
    pub fn flushed_by_hand() -> Self {
        let disk = Self::default();
        disk.0.borrow_mut().by_hand = true;
        disk
    }

    /// Remembers every operation from here on, until `stop`.
    pub fn record(&self) {
        let mut state = self.0.borrow_mut();
        state.recording = Some(Recording { files: state.files.clone(), operations: Vec::new() });
    }

    /// Ends the recording.
    pub fn stop(&self) -> Tape {
        Tape(self.0.borrow_mut().recording.take().expect("a recording"))
    }

    /// After so many more operations one fails, once.
    pub fn fail_in(&self, operations: u64) {
        self.0.borrow_mut().fails_in = Some(operations);
    }

    /// No file may grow from now on, or may again.
    pub fn set_full(&self, full: bool) {
        self.0.borrow_mut().full = full;
    }

    /// Nothing more goes wrong by itself.
    pub fn mend(&self) {
        let mut state = self.0.borrow_mut();
        (state.full, state.fails_in) = (false, None);
    }

    /// Nothing reaches the disk from now on; what holds files open may still be dropped.
    pub fn cut_power(&self) {
        self.0.borrow_mut().off = true;
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.0.borrow().off
    }

    /// How often something was refused since the last call.
    pub fn take_troubles(&self) -> u64 {
        std::mem::take(&mut self.0.borrow_mut().troubles)
    }

    /// Everything written is safe now.
    pub fn flush(&self) {
        self.0.borrow_mut().files.iter_mut().for_each(File::flush);
    }

    /// Switches the disk on again. Nothing may hold its files open.
    pub fn restart(&self, aftermath: Aftermath) {
        let mut state = self.0.borrow_mut();
        let mut fate = aftermath.fates();
        state.files.iter_mut().for_each(|file| file.settle(&mut fate));
        (state.off, state.fails_in, state.full) = (false, None, false);
    }

    /// A copy of all files, as a backup of the profile would make it.
    pub fn image(&self) -> Image {
        Image(self.0.borrow().files.clone())
    }

    /// Puts such a copy back. Nothing may hold files open.
    pub fn restore(&self, image: &Image) {
        self.0.borrow_mut().files = image.0.clone();
    }

    /// Carries an operation out, unless it fails.
    fn operate(&self, operation: Operation) -> Result<(), Trouble> {
        let mut state = self.0.borrow_mut();
        state.check(&operation)?;
        if let Some(recording) = state.recording.as_mut() {
            recording.operations.push(operation.clone());
        }
        match operation {
            Operation::Flush { .. } if state.by_hand => {}
            operation => apply(&mut state.files, operation),
        }
        Ok(())
    }

    fn open(&self, name: &str) -> usize {
        let mut state = self.0.borrow_mut();
        let found = state.files.iter().position(|file| file.name == name);
        let index = found.unwrap_or_else(|| {
            state.files.push(File::new(name));
            state.files.len() - 1
        });
        state.files[index].exists = true;
        index
    }

    fn exists(&self, name: &str) -> bool {
        self.0.borrow().files.iter().any(|file| file.exists && file.name == name)
    }

    fn delete(&self, name: &str) -> Result<(), Trouble> {
        let file = self.0.borrow().files.iter().position(|file| file.name == name);
        file.map_or(Ok(()), |file| self.operate(Operation::Delete { file }))
    }

    fn read(&self, file: usize, at: usize, into: &mut [u8]) -> Result<bool, Trouble> {
        let state = self.0.borrow();
        if state.off { Err(Trouble::Broken) } else { Ok(state.files[file].read(at, into)) }
    }

    fn len(&self, file: usize) -> usize {
        self.0.borrow().files[file].len()
    }
}

impl State {
    fn check(&mut self, operation: &Operation) -> Result<(), Trouble> {
        if self.off {
            return Err(Trouble::Broken);
        }
        let grows = match operation {
            Operation::Write { file, at, bytes } => at + bytes.len() > self.files[*file].len(),
            _ => false,
        };
        if self.full && grows {
            self.troubles += 1;
            return Err(Trouble::Full);
        }
        match self.fails_in {
            Some(0) => {
                self.fails_in = None;
                self.troubles += 1;
                Err(Trouble::Broken)
            }
            Some(left) => {
                self.fails_in = Some(left - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn apply(files: &mut [File], operation: Operation) {
    match operation {
        Operation::Write { file, at, bytes } => files[file].write(at, bytes),
        Operation::Truncate { file, len } => files[file].truncate(len),
        Operation::Flush { file } => files[file].flush(),
        Operation::Delete { file } => files[file].delete(),
    }
}

impl Aftermath {
    /// How many bytes of an unflushed write are there, given its length.
    fn fates(self) -> impl FnMut(usize) -> usize {
        let mut random = Random::new(if let Aftermath::Torn(seed) = self { seed } else { 0 });
        move |bytes| match self {
            Aftermath::Kept => bytes,
            Aftermath::Lost => 0,
            Aftermath::Torn(_) => match random.below(3) {
                0 => 0,
                1 => bytes,
                _ => random.below(bytes as u64 + 1) as usize / SECTOR_BYTES * SECTOR_BYTES,
            },
        }
    }
}

/// A recording: the disk before it, and every operation since.
#[derive(Debug, Clone)]
pub struct Tape(Recording);

impl Tape {
    /// How many operations there were.
    pub fn operations(&self) -> usize {
        self.0.operations.len()
    }

    /// The disk as it would be had the power gone after so many of them.
    pub fn cut_after(&self, operations: usize, aftermath: Aftermath) -> Image {
        let mut files = self.0.files.clone();
        for operation in &self.0.operations[..operations] {
            // A file may have been made since the recording began.
            let (Operation::Write { file, .. }
            | Operation::Truncate { file, .. }
            | Operation::Flush { file }
            | Operation::Delete { file }) = operation;
            while files.len() <= *file {
                files.push(File::absent(""));
            }
            apply(&mut files, operation.clone());
        }
        let mut fate = aftermath.fates();
        files.iter_mut().for_each(|file| file.settle(&mut fate));
        Image(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn open(disk: &Disk) -> Connection {
        let connection = connect(disk, "test.db").expect("a connection");
        let pragmas = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS t (x TEXT)";
        connection.execute_batch(pragmas).expect("pragmas");
        connection
    }

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("a count")
    }

    #[test]
    fn sm01_a_committed_transaction_survives_any_power_cut_and_a_torn_one_vanishes() {
        let disk = Disk::new();
        let connection = open(&disk);
        connection.execute("INSERT INTO t VALUES ('before')", []).expect("an insert");
        disk.record();
        connection.execute("INSERT INTO t VALUES (hex(zeroblob(9000)))", []).expect("an insert");
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
        let tape = disk.stop();
        assert!(tape.operations() > 10, "{}", tape.operations());
        for cut in 0..=tape.operations() {
            for aftermath in [Aftermath::Kept, Aftermath::Lost, Aftermath::Torn(1), Aftermath::Torn(2)] {
                let after = Disk::new();
                after.restore(&tape.cut_after(cut, aftermath));
                let connection = open(&after);
                assert!((1..=2).contains(&rows(&connection)), "cut after {cut}, {aftermath:?}");
                assert!(cut < tape.operations() || rows(&connection) == 2, "the flushed transaction is lost");
                let check: String =
                    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a row");
                assert_eq!(check, "ok", "cut after {cut}, {aftermath:?}");
            }
        }
    }

    #[test]
    fn sm01_unflushed_writes_are_lost_with_the_power_and_kept_when_only_the_program_dies() {
        for (aftermath, expected) in [(Aftermath::Lost, 0), (Aftermath::Kept, 1)] {
            let disk = Disk::flushed_by_hand();
            let connection = open(&disk);
            disk.flush();
            connection.execute("INSERT INTO t VALUES ('x')", []).expect("an insert");
            disk.cut_power();
            drop(connection);
            disk.restart(aftermath);
            assert_eq!(rows(&open(&disk)), expected);
        }
    }

    #[test]
    fn sm02_a_full_disk_and_a_failed_write_are_told_as_such_and_leave_the_database_usable() {
        let disk = Disk::new();
        let connection = open(&disk);
        disk.set_full(true);
        let insert = "INSERT INTO t VALUES (hex(zeroblob(9000)))";
        let full = connection.execute(insert, []).expect_err("no room");
        assert_eq!(full.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
        disk.set_full(false);
        disk.fail_in(2);
        let broken = connection.execute(insert, []).expect_err("a broken disk");
        assert_eq!(broken.sqlite_error_code(), Some(rusqlite::ErrorCode::SystemIoFailure));
        assert_eq!((disk.take_troubles(), rows(&connection)), (2, 0));
        connection.execute(insert, []).expect("room again");
        assert_eq!(rows(&connection), 1);
    }
}
