//! Attacks on what the machine has: bounded, so that the control does no harm.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::time::{Duration, Instant};

use crate::{Options, Tried};

const MEBIBYTE: usize = 1 << 20;

/// How long a successful attack keeps what it got, so that it can be seen.
const HOLD: Duration = Duration::from_millis(400);

fn fork() -> i32 {
    // SAFETY: the attacks that use this have one thread.
    unsafe { libc::fork() }
}

/// Dies with its parent, so that a control leaves nothing.
fn leash() {
    // SAFETY: plain integers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Starts processes until there are `count`; refused ones are tried again for a while.
pub(crate) fn fork_bomb(options: &Options) -> Tried {
    let count = options.number("count")?;
    let mut made = 0;
    let begun = Instant::now();
    while made < count && begun.elapsed() < 5 * HOLD {
        match fork() {
            0 => {
                leash();
                std::thread::sleep(10 * HOLD);
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) }
            }
            -1 => std::thread::sleep(Duration::from_millis(1)),
            _ => made += 1,
        }
    }
    std::thread::sleep(HOLD);
    Ok(())
}

/// Fills `bytes` of memory in each of `processes` processes, as fast as it can.
pub(crate) fn allocate(options: &Options) -> Tried {
    let (bytes, processes) = (
        options.number("bytes")? as usize,
        options.number("processes")?,
    );
    let fill = || {
        let mut held = Vec::new();
        for _ in 0..bytes / MEBIBYTE {
            held.push(vec![1_u8; MEBIBYTE]);
        }
        std::thread::sleep(HOLD);
        std::hint::black_box(&held);
    };
    let mut children = 0;
    for _ in 1..processes {
        match fork() {
            0 => {
                leash();
                fill();
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) }
            }
            child if child > 0 => children += 1,
            _ => {}
        }
    }
    fill();
    for _ in 0..children {
        // SAFETY: the status is not wanted.
        unsafe { libc::wait(std::ptr::null_mut()) };
    }
    Ok(())
}

/// Fills files in `places` (or anonymous ones, `memfd`) until `bytes` are written, then waits and
/// removes them.
pub(crate) fn fill(options: &Options) -> Tried {
    let chunk = vec![1_u8; MEBIBYTE];
    let count = options.number("bytes")? as usize / MEBIBYTE;
    let files = options.number("files")?.max(1) as usize;
    let mut made = Vec::new();
    let mut open = Vec::new();
    for place in options.list("places") {
        for number in 0..files {
            let mut file = if place == "memfd" {
                // SAFETY: a valid C string; the descriptor is owned at once.
                unsafe { File::from_raw_fd(libc::memfd_create(c"fill".as_ptr(), 0)) }
            } else {
                let name = format!("{place}/fill-{}-{number}", options.nonce);
                let Ok(file) = File::create(&name) else {
                    continue;
                };
                made.push(name);
                file
            };
            for _ in 0..count / files {
                if file.write_all(&chunk).is_err() {
                    break;
                }
            }
            open.push(file);
        }
    }
    std::thread::sleep(HOLD);
    for name in &made {
        if options.list("keep") != ["1"] {
            let _ = fs::remove_file(name);
        }
    }
    Ok(())
}

/// Makes `count` empty files.
pub(crate) fn files(options: &Options) -> Tried {
    let place = options.get("place")?;
    for number in 0..options.number("count")? {
        if number % 1_000 == 0 {
            let _ = fs::create_dir(format!("{place}/d{}", number / 1_000));
        }
        if File::create(format!("{place}/d{}/{number}", number / 1_000)).is_err() {
            break;
        }
    }
    std::thread::sleep(HOLD);
    Ok(())
}

/// Writes `bytes` to standard output as fast as it can: one endless line of all byte values.
pub(crate) fn flood(options: &Options) -> Tried {
    let chunk: Vec<u8> = (0..=255)
        .filter(|byte| *byte != b'\n')
        .cycle()
        .take(MEBIBYTE)
        .collect();
    let mut out = io::stdout().lock();
    for _ in 0..options.number("bytes")? / MEBIBYTE as u64 {
        out.write_all(&chunk)?;
    }
    out.write_all(b"\n")
}

/// Returns the processor time of this thread.
fn used() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Computes on `threads` threads and in as many processes until each used `seconds`.
pub(crate) fn spin(options: &Options) -> Tried {
    let time = Duration::from_secs_f64(options.get("seconds")?.parse().unwrap_or(1.0));
    let spin = move || {
        // SAFETY: plain integers; being nice must not hide the time.
        unsafe { libc::nice(10) };
        while used() < time {
            std::hint::black_box((0..10_000_u64).fold(0, |sum, number| sum ^ (number * number)));
        }
    };
    for _ in 0..options.number("processes")? {
        if fork() == 0 {
            leash();
            spin();
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
    }
    let threads: Vec<_> = (0..options.number("threads")?)
        .map(|_| std::thread::spawn(spin))
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
    // SAFETY: the status is not wanted.
    while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {}
    Ok(())
}

/// Opens `count` of each kind of descriptor, after raising its own limit as far as it may.
pub(crate) fn open(options: &Options) -> Tried {
    let count = options.number("count")?;
    // SAFETY: the structure is valid; every descriptor made is kept until the end.
    unsafe {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        for number in 0..count {
            let made = match number % 5 {
                0 => libc::inotify_init1(0),
                1 => libc::timerfd_create(libc::CLOCK_MONOTONIC, 0),
                2 => libc::eventfd(0, 0),
                3 => libc::epoll_create1(0),
                _ => File::open("/dev/null").map_or(-1, IntoRawFd::into_raw_fd),
            };
            if made < 0 {
                break;
            }
        }
    }
    std::thread::sleep(HOLD);
    Ok(())
}

/// Starts `count` threads.
pub(crate) fn threads(options: &Options) -> Tried {
    let mut all = Vec::new();
    for _ in 0..options.number("count")? {
        let wait = || std::thread::sleep(2 * HOLD);
        match std::thread::Builder::new().stack_size(64 << 10).spawn(wait) {
            Ok(thread) => all.push(thread),
            Err(_) => break,
        }
    }
    for thread in all {
        let _ = thread.join();
    }
    Ok(())
}
