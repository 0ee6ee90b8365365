//! Attacks that try to outlive the command. All end by themselves after [`LIFE`].

use std::io::{self, Write};
use std::time::Duration;

use crate::{Options, Tried};

/// The longest that anything here lives when nobody ends it.
const LIFE: Duration = Duration::from_secs(40);

/// Ignores every signal that can be ignored and waits.
fn linger() -> ! {
    // SAFETY: plain integers; ends the process.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_IGN);
        }
        std::thread::sleep(LIFE);
        libc::_exit(0)
    }
}

fn fork() -> i32 {
    // SAFETY: attacks here have one thread.
    unsafe { libc::fork() }
}

fn say_and_flush(options: &Options, what: &str) -> Tried {
    let mut out = io::stdout().lock();
    writeln!(out, "{} {what}", options.nonce)?;
    out.flush()
}

/// Leaves a daemon: two forks, a session of its own, deaf to signals.
pub(crate) fn daemon(options: &Options) -> Tried {
    if fork() == 0 {
        // SAFETY: plain integers.
        unsafe { libc::setsid() };
        if fork() == 0 {
            // SAFETY: as above. Standard streams stay open: their reader must not wait for it.
            unsafe { libc::setsid() };
            linger();
        }
        // SAFETY: ends the middle process.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: the status is not wanted.
    unsafe { libc::wait(std::ptr::null_mut()) };
    say_and_flush(options, "left")
}

/// Becomes a tree of `count` deaf processes and waits with them.
pub(crate) fn tree(options: &Options) -> Tried {
    let count = options.number("count")?;
    for number in 1..count {
        if fork() == 0 {
            if number % 2 == 0 {
                // SAFETY: plain integers.
                unsafe { libc::setsid() };
            }
            linger();
        }
    }
    say_and_flush(options, "grown")?;
    linger()
}

/// Orphans `count` processes that end at once, then waits for a moment.
pub(crate) fn orphans(options: &Options) -> Tried {
    for _ in 0..options.number("count")? {
        let child = fork();
        if child == 0 {
            if fork() == 0 {
                // SAFETY: ends the orphan.
                unsafe { libc::_exit(0) }
            }
            // SAFETY: ends its parent.
            unsafe { libc::_exit(0) }
        }
        // SAFETY: the status is not wanted.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
    say_and_flush(options, "orphaned")?;
    std::thread::sleep(Duration::from_millis(600));
    Ok(())
}

/// Stops all its siblings and itself.
pub(crate) fn stop(options: &Options) -> Tried {
    for _ in 0..3 {
        if fork() == 0 {
            // SAFETY: stops itself, for good.
            unsafe { libc::raise(libc::SIGSTOP) };
            linger();
        }
    }
    say_and_flush(options, "stopped")?;
    // SAFETY: stops itself, for good.
    unsafe { libc::raise(libc::SIGSTOP) };
    linger()
}

/// Just lives, with the secrets of its arguments and environment; deaf to no signal.
pub(crate) fn hold(options: &Options) -> Tried {
    say_and_flush(options, "holding")?;
    std::thread::sleep(3 * LIFE);
    Ok(())
}
