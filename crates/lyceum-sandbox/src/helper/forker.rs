//! The process that keepers are forked from.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::setsid;

use super::keeper;
use crate::kernel::{self, Forked};
use crate::nursery::Born;
use crate::wire;

/// Forks a keeper for each message on standard input, until its other end closes.
pub(super) fn run() -> ! {
    let served = serve();
    kernel::exit_now(if served.is_ok() { 0 } else { 125 })
}

fn serve() -> io::Result<()> {
    kernel::close_from(3)?;
    // What a terminal sends to the supervisor is not for the sandboxes.
    setsid()?;
    let socket = rustix::stdio::stdin();
    while let Some((_, streams)) = wire::receive::<u8>(socket)? {
        let born: Born = match kernel::fork_sibling() {
            Ok(Forked::Child) => become_keeper(streams),
            Ok(Forked::Parent(process)) => Ok(process),
            Err(error) => Err(error.raw_os_error().unwrap_or(libc::EAGAIN)),
        };
        drop(streams);
        wire::send(socket, &born, &[])?;
    }
    Ok(())
}

/// Takes the standard streams that were passed, which end the socket to the supervisor here.
fn become_keeper(streams: Vec<OwnedFd>) -> ! {
    let taken = streams
        .iter()
        .zip(0..3)
        .try_for_each(|(stream, number)| kernel::duplicate_onto(stream.as_fd(), number));
    // The keeper closes all numbers from 3 on.
    std::mem::forget(streams);
    if taken.is_err() {
        kernel::exit_now(125);
    }
    keeper::run()
}
