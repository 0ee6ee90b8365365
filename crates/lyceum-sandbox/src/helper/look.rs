//! One look at the processes of a sandbox, as `/proc` shows them.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, open, openat, readlinkat, statat};

/// One look at all processes.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) threads: u64,
    pub(super) anonymous_bytes: u64,
    pub(super) shared_bytes: u64,
    /// Processor time of living processes with their reaped children.
    pub(super) ticks: u64,
    pub(super) own: HashMap<(i32, u64), u64>,
    /// Where `/proc` tells about each process.
    pub(super) places: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nameless {
    /// Pipes, by their greatest possible contents.
    pub(super) pipe_bytes: u64,
    pub(super) disk_bytes: u64,
}

/// Tells pid 1 whether more threads than allowed live below it.
pub(super) fn crowded(processes_max: u64) -> bool {
    // Every ordinary end leaves nobody to look at.
    let childless = matches!(crate::kernel::reap(None, false), Err(error) if error.raw_os_error() == Some(libc::ECHILD));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    !childless
        && open("/proc", flags, Mode::empty()).is_ok_and(|proc| look(&proc).threads > processes_max)
}

pub(super) fn look(proc: &OwnedFd) -> Look {
    let mut look = Look::default();
    let Ok(directory) = Dir::read_from(proc) else {
        return look;
    };
    for entry in directory.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .ok()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Some(stat) = read(proc, &format!("{pid}/stat")).and_then(|text| Stat::parse(&text))
        else {
            continue;
        };
        look.ticks += stat.children_ticks;
        if pid == 1 {
            continue;
        }
        look.ticks += stat.own_ticks;
        look.threads += stat.threads;
        look.own.insert((pid, stat.start), stat.own_ticks);
        let place = place(proc, pid, &stat);
        if let Some(status) = read(proc, &format!("{place}/status")) {
            // The kernel's tables of pages grow with what is only looked at, too.
            for name in ["RssAnon:", "VmSwap:", "VmPTE:"] {
                look.anonymous_bytes += kibibytes(&status, name);
            }
            look.shared_bytes += kibibytes(&status, "RssShmem:");
        }
        look.places.push(place);
    }
    look
}

/// Returns where `/proc` tells about the memory and files of a process: with its first thread, or, if
/// that has ended before the others, with one that lives.
fn place(proc: &OwnedFd, pid: i32, stat: &Stat) -> String {
    let whole = pid.to_string();
    if !stat.first_ended || stat.threads < 2 {
        return whole;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tasks = openat(proc, format!("{pid}/task"), flags, Mode::empty());
    let tasks = tasks.and_then(|tasks| Dir::read_from(&tasks));
    let mut threads = tasks.into_iter().flatten().flatten().filter_map(|entry| {
        let number: i32 = entry.file_name().to_str().ok()?.parse().ok()?;
        Some(format!("{pid}/task/{number}"))
    });
    let lives = |thread: &String| {
        let status = read(proc, &format!("{thread}/status"));
        status.is_some_and(|status| status.contains("RssAnon:"))
    };
    threads.find(lives).unwrap_or(whole)
}

struct Stat {
    /// The first thread is gone, or the whole process.
    first_ended: bool,
    own_ticks: u64,
    children_ticks: u64,
    threads: u64,
    start: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything. Field 3 of proc_pid_stat(5) comes first here.
        let fields: Vec<&str> = text
            .get(text.rfind(')')? + 1..)?
            .split_ascii_whitespace()
            .collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            first_ended: matches!(fields.first(), Some(&("Z" | "X"))),
            own_ticks: field(14)? + field(15)?,
            children_ticks: field(16)? + field(17)?,
            threads: field(20)?,
            start: field(22)?,
        })
    }
}

pub(super) fn kibibytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    figure
        .and_then(|figure| figure.parse::<u64>().ok())
        .unwrap_or(0)
        * 1_024
}

/// Counts open files without a name, each once: anonymous memory files, and deleted files on disk.
/// (Deleted files of the sandbox's tmpfs are counted with it.)
pub(super) fn nameless(proc: &OwnedFd, places: &[String]) -> Nameless {
    let mut found = Nameless::default();
    let mut seen = HashSet::new();
    let mut pipes = HashSet::new();
    for place in places {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(open_files) = openat(proc, format!("{place}/fd"), flags, Mode::empty()) else {
            continue;
        };
        let Ok(directory) = Dir::read_from(&open_files) else {
            continue;
        };
        for entry in directory.flatten() {
            let Ok(status) = statat(&open_files, entry.file_name(), AtFlags::empty()) else {
                continue;
            };
            let kind = FileType::from_raw_mode(status.st_mode);
            if kind.is_fifo() {
                pipes.insert((status.st_dev, status.st_ino));
            }
            let regular = kind.is_file();
            if !regular || status.st_nlink > 0 || !seen.insert((status.st_dev, status.st_ino)) {
                continue;
            }
            let bytes = status.st_blocks as u64 * 512;
            match readlinkat(&open_files, entry.file_name(), Vec::new()) {
                Ok(name) if in_tmpfs(name.to_bytes()) => {}
                Ok(_) => found.disk_bytes += bytes,
                Err(_) => {}
            }
        }
    }
    found.pipe_bytes = pipe_bytes(pipes.len() as u64);
    found
}

/// Returns what so many pipes may hold; a few are not worth counting.
fn pipe_bytes(pipes: u64) -> u64 {
    /// Pipes of one user that may be 64 KiB long; beyond `fs.pipe-user-pages-soft` they get two pages.
    const LONG: u64 = 1_024;
    const FEW: u64 = 128;
    if pipes <= FEW {
        return 0;
    }
    pipes.min(LONG) * (64 << 10) + pipes.saturating_sub(LONG) * (8 << 10)
}

/// Returns the size of anonymous mappings that processes share: pages that none of them has mapped any
/// more are seen in no process.
pub(super) fn shared_mappings(proc: &OwnedFd, places: &[String]) -> u64 {
    let mut seen = HashSet::new();
    let mut bytes = 0;
    for place in places {
        let text = read(proc, &format!("{place}/maps")).unwrap_or_default();
        for (number, size) in text.lines().filter_map(shared_mapping) {
            if seen.insert((number.to_owned(), size)) {
                bytes += size;
            }
        }
    }
    bytes
}

/// Reads a line of `proc_pid_maps(5)`: inode and size of an anonymous mapping that is shared.
fn shared_mapping(line: &str) -> Option<(&str, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let (number, name) = (fields.nth(2)?, fields.next()?);
    if !rights.ends_with('s') || name != "/dev/zero" {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    let address = |text: &str| u64::from_str_radix(text, 16).ok();
    Some((number, address(to)?.checked_sub(address(from)?)?))
}

fn in_tmpfs(name: &[u8]) -> bool {
    [&b"/tmp/"[..], b"/home/", b"/dev/shm/"]
        .iter()
        .any(|place| name.starts_with(place))
}

pub(super) fn read(proc: impl AsFd, path: &str) -> Option<String> {
    let borrowed: BorrowedFd<'_> = proc.as_fd();
    let file = openat(
        borrowed,
        path,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let mut text = vec![0; 4_096];
    let mut filled = 0;
    loop {
        match rustix::io::read(&file, &mut text[filled..]).ok()? {
            0 => break,
            more => filled += more,
        }
        if filled == text.len() {
            text.resize(filled * 2, 0);
        }
    }
    text.truncate(filled);
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_whose_name_holds_parentheses() {
        let line = "7 (a) (b 1 2) S 1 7 7 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 5 0 999 8 9";
        let stat = Stat::parse(line).expect("parses");
        assert_eq!(
            (
                stat.own_ticks,
                stat.children_ticks,
                stat.threads,
                stat.start
            ),
            (23, 27, 5, 999)
        );
    }

    #[test]
    fn reads_sizes_and_takes_a_missing_one_for_none() {
        let status = "Name:\tx\nRssAnon:\t     132 kB\nRssShmem:\t       4 kB\n";
        assert_eq!(kibibytes(status, "RssAnon:"), 132 * 1_024);
        assert_eq!(kibibytes(status, "RssFile:"), 0);
    }

    #[test]
    fn sees_this_process() {
        let proc: OwnedFd = std::fs::File::open("/proc").expect("opens").into();
        let look = look(&proc);
        assert!(look.places.contains(&std::process::id().to_string()));
        assert!(look.anonymous_bytes > 0 && look.threads > 0);
    }
}
