//! Gathers the pieces in which the log is written into one write a commit.
//!
//! `SQLite` writes each page of its log in two pieces, so a commit of one event takes half a dozen system calls. On a disk
//! that syncs in a tenth of a millisecond they cost a third of that again. This layer between `SQLite` and the files keeps
//! what is written to the log, piece after piece, until the log is synced or looked at, and then writes it at once.
//!
//! It loses nothing: with `synchronous=FULL` a commit syncs the log before its caller, or the index that other
//! connections read by, hears of it. What has been gathered and not yet written belongs to no commit.
//!
//! Invariants:
//! - Every operation on a log but writing first writes out what is gathered, and fails if that fails.
//! - What could not be written out is forgotten: the commit that it belonged to has failed.
//! - Only files that `SQLite` opens as logs are touched; all others are the layer's below from their opening on.

#![expect(
    unsafe_code,
    reason = "SQLite's interface to files is C; nothing else here is"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use rusqlite::ffi;

/// The layer's name.
const NAME: &CStr = c"lyceum-gather";

/// The most that is gathered: `SQLite`'s own layer below takes the length of a write modulo 128 KiB.
const GATHERED_BYTES_MAX: usize = (128 << 10) - 1;

/// `SQLite`'s table of the layer below.
static BELOW: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());

/// An open log. The file of the layer below lies behind it in memory.
#[repr(C)]
struct Log {
    base: ffi::sqlite3_file,
    gathered: *mut Gathered,
}

/// What is to be written, and where.
#[derive(Default)]
struct Gathered {
    offset: i64,
    bytes: Vec<u8>,
}

impl Gathered {
    /// Whether a piece continues what is gathered.
    fn continues(&self, offset: i64) -> bool {
        self.bytes.is_empty() || self.offset + self.bytes.len() as i64 == offset
    }
}

/// Returns the name under which `SQLite` knows the layer; nothing if it does not take it, and then its own serves.
pub(super) fn layer() -> Option<&'static CStr> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    REGISTERED.get_or_init(register).then_some(NAME)
}

fn register() -> bool {
    // SAFETY: no name asks for the default layer; the answer lives as long as the program.
    let below = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
    if below.is_null() {
        return false;
    }
    BELOW.store(below, Ordering::Release);
    // SAFETY: the table of a registered layer, which is not changed after it was made.
    let mut layer = unsafe { *below };
    layer.szOsFile += size_of::<Log>() as c_int;
    layer.pNext = ptr::null_mut();
    layer.zName = NAME.as_ptr();
    layer.xOpen = Some(open);
    // SAFETY: the table is never freed.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(layer)), 0) };
    code == ffi::SQLITE_OK
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without shared memory and mapped pages, which logs do not have.
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Returns the file of the layer below behind a log.
fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite gives each file `szOsFile` bytes, which is the size of both.
    unsafe { file.cast::<Log>().add(1).cast() }
}

fn gathered<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Gathered {
    // SAFETY: made when the log was opened, freed when it is closed; SQLite uses a file from one thread at a time.
    unsafe { &mut *(*file.cast::<Log>()).gathered }
}

/// Calls a method of the file behind a log.
macro_rules! pass {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let behind = behind($file);
        // SAFETY: the file behind was opened by the layer below, which set its table of methods.
        unsafe {
            match (*(*behind).pMethods).$method {
                Some(method) => method(behind $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

/// Writes out what is gathered, or returns from the method with the failure.
macro_rules! write_out {
    ($file:expr) => {
        let code = write_out($file);
        if code != ffi::SQLITE_OK {
            return code;
        }
    };
}

fn write_out(file: *mut ffi::sqlite3_file) -> c_int {
    let gathered = gathered(file);
    if gathered.bytes.is_empty() {
        return ffi::SQLITE_OK;
    }
    let bytes = gathered.bytes.as_ptr().cast();
    let code = pass!(
        file,
        xWrite,
        bytes,
        gathered.bytes.len() as c_int,
        gathered.offset
    );
    gathered.bytes.clear();
    code
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let below = BELOW.load(Ordering::Acquire);
    // SAFETY: set before this layer was registered, to a table that is never freed.
    let Some(open) = (unsafe { (*below).xOpen }) else {
        return ffi::SQLITE_CANTOPEN;
    };
    if flags & ffi::SQLITE_OPEN_WAL == 0 {
        // SAFETY: the file has more room than the layer below needs.
        return unsafe { open(below, name, file, flags, out) };
    }
    // SAFETY: the file has room for both; a null table says that there is nothing to close.
    unsafe {
        (*file).pMethods = ptr::null();
        let code = open(below, name, behind(file), flags, out);
        if code == ffi::SQLITE_OK {
            (*file.cast::<Log>()).gathered = Box::into_raw(Box::default());
            (*file).pMethods = &raw const METHODS;
        }
        code
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let written = write_out(file);
    // SAFETY: made by `open`; SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<Log>()).gathered) });
    let closed = pass!(file, xClose);
    if written == ffi::SQLITE_OK {
        closed
    } else {
        written
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    let would_be = gathered(file).bytes.len() + length as usize;
    if !gathered(file).continues(offset) || would_be > GATHERED_BYTES_MAX {
        write_out!(file);
    }
    let gathered = gathered(file);
    if gathered.bytes.is_empty() {
        gathered.offset = offset;
    }
    // SAFETY: SQLite gives `length` bytes, which is not negative.
    let piece = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length as usize) };
    gathered.bytes.extend_from_slice(piece);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    bytes: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    write_out!(file);
    pass!(file, xRead, bytes, length, offset)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    write_out!(file);
    pass!(file, xTruncate, length)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    write_out!(file);
    pass!(file, xSync, flags)
}

unsafe extern "C" fn size(file: *mut ffi::sqlite3_file, length: *mut i64) -> c_int {
    write_out!(file);
    pass!(file, xFileSize, length)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    write_out!(file);
    pass!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    write_out!(file);
    pass!(file, xUnlock, level)
}

unsafe extern "C" fn check_lock(file: *mut ffi::sqlite3_file, held: *mut c_int) -> c_int {
    write_out!(file);
    pass!(file, xCheckReservedLock, held)
}

unsafe extern "C" fn control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    write_out!(file);
    pass!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xSectorSize)
}

unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xDeviceCharacteristics)
}
