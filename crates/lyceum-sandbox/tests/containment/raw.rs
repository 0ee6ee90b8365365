//! System calls by which the suite plants its sentinels.
#![expect(
    unsafe_code,
    reason = "the standard library has no keyrings, queues, segments and terminals"
)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// Makes orphans of this process's tree its own children, so that none gets lost.
pub(crate) fn adopt_orphans() {
    // SAFETY: plain integers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Reaps every orphan that ended, of the given numbers only.
pub(crate) fn reap(pid: i32) {
    // SAFETY: the status is not wanted.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
}

/// Kills a process.
pub(crate) fn kill(pid: i32) {
    // SAFETY: plain integers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Gives this process a session keyring of its own.
pub(crate) fn join_new_keyring() {
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING without a name.
    unsafe { libc::syscall(libc::SYS_keyctl, 1, 0) };
}

/// Adds a key to the session keyring; returns its number.
pub(crate) fn add_key(name: &str, value: &str) -> i64 {
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: valid strings and the length of the value.
    unsafe {
        libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            name.as_ptr(),
            value.as_ptr(),
            value.len(),
            -3,
        )
    }
}

/// Takes a key out of the session keyring.
pub(crate) fn remove_key(key: i64) {
    // SAFETY: KEYCTL_UNLINK with plain integers.
    unsafe { libc::syscall(libc::SYS_keyctl, 9, key, -3) };
}

/// A System V segment that holds a text; gone when dropped.
pub(crate) struct Segment(i32);

impl Segment {
    /// Makes one under a key.
    pub(crate) fn new(key: i32, text: &str) -> io::Result<Self> {
        // SAFETY: the segment is longer than the text, and detached before the pointer goes.
        unsafe {
            let segment = libc::shmget(key, 4_096, libc::IPC_CREAT | libc::IPC_EXCL | 0o666);
            if segment < 0 {
                return Err(io::Error::last_os_error());
            }
            let address = libc::shmat(segment, std::ptr::null(), 0);
            std::ptr::copy_nonoverlapping(text.as_ptr(), address.cast(), text.len().min(4_096));
            libc::shmdt(address);
            Ok(Self(segment))
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: plain integers.
        unsafe { libc::shmctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

/// A POSIX message queue with one message; gone when dropped.
pub(crate) struct Queue {
    name: CString,
    descriptor: i32,
}

impl Queue {
    /// Makes one under a name that begins with a slash.
    pub(crate) fn new(name: &str, text: &str) -> io::Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: valid strings and the length of the text.
        let descriptor = unsafe {
            let flags = libc::O_RDWR | libc::O_CREAT | libc::O_NONBLOCK | libc::O_CLOEXEC;
            let queue = libc::mq_open(
                name.as_ptr(),
                flags,
                0o666,
                std::ptr::null_mut::<libc::mq_attr>(),
            );
            libc::mq_send(queue, text.as_ptr().cast(), text.len(), 0);
            queue
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { name, descriptor })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: its own descriptor and name.
        unsafe {
            libc::close(self.descriptor);
            libc::mq_unlink(self.name.as_ptr());
        }
    }
}

/// Opens a new terminal; returns the side that reads what is written to it, and its name.
pub(crate) fn terminal() -> io::Result<(OwnedFd, String)> {
    let mut name = [0_u8; 64];
    // SAFETY: the buffer is valid for its length; the descriptor is owned by nobody else.
    unsafe {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let control = libc::posix_openpt(flags);
        if control < 0 || libc::grantpt(control) < 0 || libc::unlockpt(control) < 0 {
            return Err(io::Error::last_os_error());
        }
        let control = OwnedFd::from_raw_fd(control);
        let raw = std::os::fd::AsRawFd::as_raw_fd(&control);
        if libc::ptsname_r(raw, name.as_mut_ptr().cast(), name.len()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let name = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?;
        Ok((control, name.to_string_lossy().into_owned()))
    }
}

/// A descriptor at a fixed number that children inherit; when dropped, the number stays taken by
/// something that they do not.
pub(crate) struct Planted(RawFd);

/// Takes a number, so that nothing else of this process gets it.
pub(crate) fn reserve(number: RawFd) -> io::Result<()> {
    let nothing = File::open("/dev/null")?;
    let raw = std::os::fd::AsRawFd::as_raw_fd(&nothing);
    // SAFETY: the number is either free or reserved before.
    if unsafe { libc::dup3(raw, number, libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Puts a descriptor at a reserved number.
pub(crate) fn plant(descriptor: &impl std::os::fd::AsRawFd, number: RawFd) -> io::Result<Planted> {
    // SAFETY: the number is reserved: no owned descriptor has it.
    if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Planted(number))
}

impl Drop for Planted {
    fn drop(&mut self) {
        // It stays planted only if this process has no descriptors left, and then everything fails.
        let _ = reserve(self.0);
    }
}

/// Returns the handle of a file as hexadecimal digits, or nothing where the file system has none.
pub(crate) fn handle(path: &Path) -> String {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        body: [u8; 128],
    }
    let mut handle = Handle {
        bytes: 128,
        kind: 0,
        body: [0; 128],
    };
    let mut mount = 0;
    let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default();
    // SAFETY: the structure has the layout of `file_handle` and room for the longest.
    let made = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            0,
        )
    };
    if made < 0 {
        return String::new();
    }
    let kind = handle.kind.to_le_bytes();
    let body = &handle.body[..handle.bytes as usize];
    hexadecimal(&[&kind, body].concat())
}

/// Gives a program file the capability to use raw sockets. Root only.
pub(crate) fn make_capable(path: &Path) -> io::Result<()> {
    // `vfs_cap_data` of revision 2, effective: CAP_NET_RAW (13) permitted.
    let mut value = [0_u8; 20];
    value[..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
    value[4..8].copy_from_slice(&(1_u32 << 13).to_le_bytes());
    rustix::fs::setxattr(
        path,
        c"security.capability",
        &value,
        rustix::fs::XattrFlags::empty(),
    )?;
    Ok(())
}

/// Returns random bytes as hexadecimal digits.
pub(crate) fn random(bytes: usize) -> String {
    use std::io::Read;
    let mut buffer = vec![0; bytes];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut buffer));
    assert!(read.is_ok(), "the suite needs /dev/urandom");
    hexadecimal(&buffer)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}
