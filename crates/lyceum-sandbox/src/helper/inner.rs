//! Pid 1 under bubblewrap: checks what was built, then does as the native pid 1.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::fault::{At, fault};
use super::init::{self, Lines};
use super::privileges;
use crate::kernel;
use crate::record::Step;
use crate::wire::{self, Fault, Order};

/// The descriptors that came through bubblewrap.
struct Inherited {
    file: OwnedFd,
    control: OwnedFd,
    link: OwnedFd,
    streams: [OwnedFd; 2],
    answer: Option<OwnedFd>,
}

/// Runs pid 1 and ends the process.
pub(super) fn run() -> ! {
    let Some(inherited) = inherited() else {
        kernel::exit_now(125)
    };
    let Inherited {
        file,
        control,
        link,
        streams,
        answer,
    } = inherited;
    let lines = Lines {
        link,
        control: &control,
    };
    let served = prepare(&file, &streams).and_then(|order| {
        drop(streams);
        let answer = if order.answer { answer } else { None };
        init::command(&order, &lines, answer)
    });
    init::finish(&lines, served)
}

fn inherited() -> Option<Inherited> {
    let numbers: Vec<Option<RawFd>> = std::env::args()
        .skip(2)
        .map(|word| word.parse().ok())
        .collect();
    let [
        Some(file),
        Some(control),
        Some(link),
        Some(stdout),
        Some(stderr),
        answer,
    ] = numbers[..]
    else {
        return None;
    };
    Some(Inherited {
        file: kernel::claim(file),
        control: kernel::claim(control),
        link: kernel::claim(link),
        streams: [kernel::claim(stdout), kernel::claim(stderr)],
        answer: answer.map(kernel::claim),
    })
}

fn prepare(file: &OwnedFd, streams: &[OwnedFd; 2]) -> Result<Order, Fault> {
    let step = Step::ReadOrder;
    for (number, stream) in [1, 2].into_iter().zip(streams) {
        kernel::duplicate_onto(stream.as_fd(), number).at(step, "taking the streams")?;
    }
    // This program's own file and whatever else came along ends with the command's start.
    kernel::close_on_execute_from(3).at(step, "hiding descriptors")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .at(step, "opening /dev/null")?;
    if null.as_raw_fd() == 3 {
        // Reserves number 3 for the answer channel.
        std::mem::forget(null);
    }
    let order = wire::read_order(file).at(step, "reading the order")?;
    kernel::die_with_parent().at(Step::Fork, "tying pid 1 to bubblewrap")?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    std::fs::write("/proc/self/oom_score_adj", "1000")
        .at(Step::SetLimits, "offering itself to the kernel")?;
    for (mount, identity) in order.mounts.iter().zip(&order.identities) {
        check(&mount.target, *identity)?;
    }
    privileges::check_none()?;
    Ok(order)
}

/// Checks that what lies at a target is what the policy names: bubblewrap finds sources by path and
/// follows links at targets.
fn check(target: &Path, identity: (u64, u64)) -> Result<(), Fault> {
    let what = format!("`{}`", target.display());
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let status = openat2(CWD, target, flags, Mode::empty(), resolve)
        .and_then(fstat)
        .at(Step::PlaceMount, &what)?;
    if (status.st_dev, status.st_ino) == identity {
        Ok(())
    } else {
        Err(fault(
            Step::PlaceMount,
            format!("{what} is not what was to be mounted there"),
        ))
    }
}
