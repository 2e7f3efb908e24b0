//! SQLite's way to the disks: a VFS whose file names begin with a disk's number, and files whose methods call the disk.
//! It has no shared memory, like the browser's, so a WAL needs exclusive locking; disks belong to the thread that made them.
//! Part of the disk; the only unsafe code of the simulator.
#![expect(unsafe_code, reason = "SQLite's VFS is a table of C functions")]

use super::{Disk, Operation, State, Trouble};
use rusqlite::{Connection, OpenFlags, ffi};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::rc::{Rc, Weak};
use std::sync::Once;

const NAME: &CStr = c"ebbtide-simulated";

/// Longest file name: a number, a slash, and what a test calls its database.
const MOST_NAME_BYTES: c_int = 128;

/// The last number that was given, and the disks by theirs.
type Numbered = (u64, BTreeMap<u64, Weak<RefCell<State>>>);

thread_local! {
    static DISKS: RefCell<Numbered> = const { RefCell::new((0, BTreeMap::new())) };
}

/// Opens a database on a disk. The disk may be used by the calling thread only.
pub fn connect(disk: &Disk, name: &str) -> rusqlite::Result<Connection> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    let number = DISKS.with_borrow_mut(|(last, disks)| {
        disks.retain(|_, disk| disk.strong_count() > 0);
        *last += 1;
        disks.insert(*last, Rc::downgrade(&disk.0));
        *last
    });
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags_and_vfs(format!("{number}/{name}"), flags, NAME)
}

/// Spares SQLite the book-keeping that only a process of many threads or little memory needs. Before the first connection.
pub fn quicken_this_process() {
    // SAFETY: called before SQLite is initialised, with the arguments that each option takes.
    let results = unsafe {
        [
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int),
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_LOOKASIDE, 256 as c_int, 400 as c_int),
        ]
    };
    assert_eq!(results, [ffi::SQLITE_OK; 2], "SQLite was used before");
}

/// SQLite's file, with the disk behind it. Files without a name are temporary and live on a disk of their own.
#[repr(C)]
struct Handle {
    base: ffi::sqlite3_file,
    disk: *mut Disk,
    file: usize,
}

fn register() {
    // SAFETY: the default VFS lives as long as the process, and so does the new one.
    unsafe {
        let base = ffi::sqlite3_vfs_find(std::ptr::null());
        let vfs = Box::leak(Box::new(std::ptr::read(base)));
        vfs.szOsFile = size_of::<Handle>() as c_int;
        vfs.mxPathname = MOST_NAME_BYTES;
        vfs.pNext = null_mut();
        vfs.zName = NAME.as_ptr();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xFullPathname = Some(full_name);
        vfs.xRandomness = Some(randomness);
        let registered = ffi::sqlite3_vfs_register(vfs, 0);
        assert_eq!(registered, ffi::SQLITE_OK, "the VFS can be registered");
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// The disk and the file's name on it.
fn find<T>(name: *const c_char, found: impl FnOnce(&Disk, &str) -> T) -> Option<T> {
    // SAFETY: SQLite passes names that end with a zero byte.
    let name = unsafe { CStr::from_ptr(name) }.to_str().ok()?;
    let (number, file) = name.split_once('/')?;
    let number: u64 = number.parse().ok()?;
    let disk = Disk(DISKS.with_borrow(|(_, disks)| disks.get(&number).and_then(Weak::upgrade))?);
    Some(found(&disk, file))
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let handle = file.cast::<Handle>();
    let opened = if name.is_null() {
        let disk = Disk::new();
        let file = disk.open("temporary");
        Some((disk, file))
    } else {
        let may_create = flags & ffi::SQLITE_OPEN_CREATE != 0;
        find(name, |disk, file| {
            ((may_create || disk.exists(file)) && !disk.is_off()).then(|| (disk.clone(), disk.open(file)))
        })
        .flatten()
    };
    // SAFETY: SQLite gives `szOsFile` bytes, and a place for the flags or none.
    unsafe {
        (*handle).base.pMethods = std::ptr::null();
        let Some((disk, index)) = opened else { return ffi::SQLITE_CANTOPEN };
        (*handle).disk = Box::into_raw(Box::new(disk));
        (*handle).file = index;
        (*handle).base.pMethods = &METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, _: c_int) -> c_int {
    match find(name, |disk, file| disk.delete(file)) {
        Some(Ok(())) => ffi::SQLITE_OK,
        _ => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, name: *const c_char, _: c_int, answer: *mut c_int) -> c_int {
    let exists = find(name, |disk, file| disk.exists(file)).unwrap_or(false);
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *answer = c_int::from(exists) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_name(_: *mut ffi::sqlite3_vfs, name: *const c_char, room: c_int, out: *mut c_char) -> c_int {
    // SAFETY: the name ends with a zero byte, and `out` has room for so many.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > room as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    ffi::SQLITE_OK
}

/// The same salts in every run.
unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, room: c_int, out: *mut c_char) -> c_int {
    // SAFETY: `out` has room for so many bytes.
    unsafe { std::ptr::write_bytes(out, 0x5a, room as usize) };
    room
}

/// The disk and file behind a handle.
unsafe fn behind<'a>(file: *mut ffi::sqlite3_file) -> (&'a Disk, usize) {
    // SAFETY: every file of this VFS was opened above and is not closed yet.
    unsafe {
        let handle = file.cast::<Handle>();
        (&*(*handle).disk, (*handle).file)
    }
}

fn code(done: Result<(), Trouble>, broken: c_int) -> c_int {
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(Trouble::Full) => ffi::SQLITE_FULL,
        Err(Trouble::Broken) => broken,
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the box was made in `open`, and SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<Handle>()).disk) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, bytes: c_int, at: i64) -> c_int {
    // SAFETY: SQLite gives room for so many bytes.
    let ((disk, file), into) =
        unsafe { (behind(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), bytes as usize)) };
    match disk.read(file, at as usize, into) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, bytes: c_int, at: i64) -> c_int {
    // SAFETY: SQLite gives so many bytes.
    let ((disk, file), from) = unsafe { (behind(file), std::slice::from_raw_parts(from.cast::<u8>(), bytes as usize)) };
    code(disk.operate(Operation::Write { file, at: at as usize, bytes: from.into() }), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: an open file of this VFS.
    let (disk, file) = unsafe { behind(file) };
    code(disk.operate(Operation::Truncate { file, len: len as usize }), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file of this VFS.
    let (disk, file) = unsafe { behind(file) };
    code(disk.operate(Operation::Flush { file }), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, answer: *mut i64) -> c_int {
    // SAFETY: an open file of this VFS, and a place for the answer.
    unsafe {
        let (disk, file) = behind(file);
        *answer = disk.len(file) as i64;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_: *mut ffi::sqlite3_file, answer: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *answer = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    super::SECTOR_BYTES as c_int
}

unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN | ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
