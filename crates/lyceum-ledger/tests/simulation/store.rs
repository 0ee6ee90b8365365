//! The event store on a disk that forgets: a layer between the store and the system's files, made the default for the whole
//! test program.

#![expect(
    unsafe_code,
    reason = "SQLite's interface to files is C; nothing else here is"
)]

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};

use rusqlite::ffi;

use crate::disk::{Disk, Fate, Operation};

/// A disk that the store and the test have in common.
pub(crate) type Shared = Arc<Mutex<Disk>>;

/// Disks by the directory whose files are on them.
static DISKS: LazyLock<Mutex<HashMap<PathBuf, Shared>>> = LazyLock::new(Mutex::default);

pub(crate) fn lock(disk: &Shared) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the store's files in `directory` on a disk that forgets.
pub(crate) fn mount(directory: &Path, disk: Disk) -> Shared {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(register);
    let shared = Arc::new(Mutex::new(disk));
    DISKS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(directory.to_path_buf(), Arc::clone(&shared));
    shared
}

/// Ends what [`mount`] began.
pub(crate) fn unmount(directory: &Path) {
    DISKS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(directory);
}

/// An open file of the store. The system's own file lies behind it in memory.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    place: *mut Place,
}

/// Which file it is; `None` for files that no test watches.
struct Place {
    disk: Option<Shared>,
    path: PathBuf,
}

fn system() -> *mut ffi::sqlite3_vfs {
    // SAFETY: the name is a string with its zero; the answer lives as long as the program.
    unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) }
}

/// Makes this layer the default of the program.
fn register() {
    let system = system();
    assert!(!system.is_null(), "SQLite has no file system `unix`");
    // SAFETY: SQLite's own table, never changed after it was made.
    let mut layer = unsafe { *system };
    layer.szOsFile += size_of::<File>() as c_int;
    layer.pNext = ptr::null_mut();
    layer.zName = c"forgets".as_ptr();
    layer.xOpen = Some(open);
    layer.xDelete = Some(delete);
    let layer = Box::leak(Box::new(layer));
    // SAFETY: the table is never freed.
    let code = unsafe { ffi::sqlite3_vfs_register(layer, 1) };
    assert_eq!(code, ffi::SQLITE_OK);
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock_file),
    xUnlock: Some(unlock_file),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(map_shared),
    xShmLock: Some(lock_shared),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(unmap_shared),
    xFetch: None,
    xUnfetch: None,
};

/// Returns the system's file behind ours.
fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite gives each file `szOsFile` bytes, which is the size of both.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// Calls a method of the system's file behind ours.
macro_rules! pass {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let behind = behind($file);
        // SAFETY: the file behind was opened by the system, which set its table of methods.
        unsafe {
            match (*(*behind).pMethods).$method {
                Some(method) => method(behind $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

fn place<'a>(file: *mut ffi::sqlite3_file) -> &'a Place {
    // SAFETY: set when the file was opened, freed when it is closed.
    unsafe { &*(*file.cast::<File>()).place }
}

fn path_of(name: *const c_char) -> PathBuf {
    // SAFETY: SQLite gives names with their zero.
    let name = unsafe { CStr::from_ptr(name) };
    PathBuf::from(OsStr::from_bytes(name.to_bytes()))
}

fn disk_of(path: &Path) -> Option<Shared> {
    DISKS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(path.parent()?)
        .cloned()
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: `file` has room for ours; a null table says that there is nothing to close.
    unsafe {
        (*file).pMethods = ptr::null();
    }
    let path = if name.is_null() {
        PathBuf::new()
    } else {
        path_of(name)
    };
    let disk = disk_of(&path);
    let is_new = flags & ffi::SQLITE_OPEN_CREATE != 0 && !path.exists();
    if let Some(disk) = &disk
        && is_new
        && matches!(lock(disk).next(Operation::Other), Fate::Gone | Fate::Crash)
    {
        return ffi::SQLITE_CANTOPEN;
    }
    let system = system();
    // SAFETY: the system's table has this method, and its file gets the room behind ours.
    let code = unsafe {
        match (*system).xOpen {
            Some(open) => open(system, name, behind(file), flags, out),
            None => ffi::SQLITE_CANTOPEN,
        }
    };
    if code != ffi::SQLITE_OK {
        return code;
    }
    if let (Some(disk), true) = (&disk, is_new) {
        lock(disk).made(&path);
    }
    let place = Box::into_raw(Box::new(Place { disk, path }));
    // SAFETY: as above.
    unsafe {
        (*file.cast::<File>()).place = place;
        (*file).pMethods = &raw const METHODS;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    let path = path_of(name);
    if let Some(disk) = disk_of(&path) {
        let mut disk = lock(&disk);
        match disk.next(Operation::Other) {
            Fate::Done => disk.removing(&path),
            Fate::Crash => {
                disk.removing(&path);
                let _ = std::fs::remove_file(&path);
                return ffi::SQLITE_IOERR_DELETE;
            }
            Fate::Gone | Fate::Fails | Fate::NoRoom => return ffi::SQLITE_IOERR_DELETE,
        }
        if sync_directory != 0 {
            disk.names_synced();
        }
    }
    let system = system();
    // SAFETY: the system's table has this method.
    unsafe {
        match (*system).xDelete {
            Some(delete) => delete(system, name, 0),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: made by `open`; SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<File>()).place) });
    pass!(file, xClose)
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    bytes: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    pass!(file, xRead, bytes, length, offset)
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    let place = place(file);
    let Some(disk) = &place.disk else {
        return pass!(file, xWrite, bytes, length, offset);
    };
    let mut disk = lock(disk);
    match disk.next(Operation::Write) {
        Fate::Gone | Fate::Fails => ffi::SQLITE_IOERR_WRITE,
        Fate::NoRoom => ffi::SQLITE_FULL,
        fate @ (Fate::Done | Fate::Crash) => {
            disk.remember(&place.path, offset as u64, length as u64);
            let code = pass!(file, xWrite, bytes, length, offset);
            if fate == Fate::Crash {
                ffi::SQLITE_IOERR_WRITE
            } else {
                code
            }
        }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let place = place(file);
    let Some(disk) = &place.disk else {
        return pass!(file, xTruncate, length);
    };
    let mut disk = lock(disk);
    match disk.next(Operation::Other) {
        Fate::Gone | Fate::Fails | Fate::NoRoom => ffi::SQLITE_IOERR_TRUNCATE,
        fate @ (Fate::Done | Fate::Crash) => {
            let held = std::fs::metadata(&place.path).map_or(0, |metadata| metadata.len());
            let cut = held.saturating_sub(length as u64);
            disk.remember(&place.path, length as u64, cut);
            let code = pass!(file, xTruncate, length);
            if fate == Fate::Crash {
                ffi::SQLITE_IOERR_TRUNCATE
            } else {
                code
            }
        }
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    let place = place(file);
    let Some(disk) = &place.disk else {
        return ffi::SQLITE_OK;
    };
    let mut disk = lock(disk);
    match disk.next(Operation::Sync) {
        Fate::Done => {
            disk.synced(&place.path);
            // The system's layer syncs the directory with the first sync of a journal or log that it made.
            let name = place.path.to_string_lossy();
            if name.ends_with("-wal") || name.ends_with("-journal") {
                disk.names_synced();
            }
            ffi::SQLITE_OK
        }
        Fate::Fails => {
            disk.sync_failed(&place.path);
            ffi::SQLITE_IOERR_FSYNC
        }
        Fate::Gone | Fate::Crash | Fate::NoRoom => ffi::SQLITE_IOERR_FSYNC,
    }
}

unsafe extern "C" fn size(file: *mut ffi::sqlite3_file, length: *mut i64) -> c_int {
    pass!(file, xFileSize, length)
}

unsafe extern "C" fn lock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xLock, level)
}

unsafe extern "C" fn unlock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xUnlock, level)
}

unsafe extern "C" fn check_lock(file: *mut ffi::sqlite3_file, held: *mut c_int) -> c_int {
    pass!(file, xCheckReservedLock, held)
}

unsafe extern "C" fn control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    pass!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xSectorSize)
}

unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn map_shared(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    memory: *mut *mut c_void,
) -> c_int {
    pass!(file, xShmMap, page, size, extend, memory)
}

unsafe extern "C" fn lock_shared(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    pass!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn barrier(file: *mut ffi::sqlite3_file) {
    let behind = behind(file);
    // SAFETY: as in `pass`.
    unsafe {
        if let Some(method) = (*(*behind).pMethods).xShmBarrier {
            method(behind);
        }
    }
}

unsafe extern "C" fn unmap_shared(file: *mut ffi::sqlite3_file, remove: c_int) -> c_int {
    pass!(file, xShmUnmap, remove)
}
