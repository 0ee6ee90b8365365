//! The first look at a call: by its number alone, in as many steps as a binary search takes.
//!
//! When a filter is installed the kernel runs it once for each number of a call, to know those that are always allowed
//! (`seccomp_cache_prepare`, Linux 5.11); with rules one after the other that takes longer than anything else about it.

use std::collections::BTreeMap;

use seccompiler::sock_filter;

use super::{ARCHITECTURE, instruction};

/// What the number of a call says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This is the filter's answer, one of `SECCOMP_RET_*`.
    Return(u32),
    /// What comes after the tree decides.
    Look,
}

/// Calls from this number on, up to the next one's, are answered alike.
type Run = (u32, Answer);

/// Returns instructions that answer the calls named and allow all others; a foreign architecture's end the process.
pub(super) fn tree(named: &BTreeMap<u32, Answer>) -> Vec<sock_filter> {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let mut all = vec![
        instruction(load, 0, 0, 4),
        instruction(equal, 1, 0, ARCHITECTURE),
        leaf(Answer::Return(libc::SECCOMP_RET_KILL_PROCESS)),
        instruction(load, 0, 0, 0),
    ];
    all.extend(search(&runs(named)));
    let end = all.len();
    for (at, one) in all.iter_mut().enumerate() {
        if *one == leaf(Answer::Look) {
            one.k = (end - at - 1) as u32;
        }
    }
    all
}

/// Returns all numbers of calls in runs that are answered alike, the first from zero.
fn runs(named: &BTreeMap<u32, Answer>) -> Vec<Run> {
    let allow = Answer::Return(libc::SECCOMP_RET_ALLOW);
    let mut runs: Vec<Run> = vec![(0, allow)];
    let mut push = |from: u32, answer: Answer| match runs.last_mut() {
        Some((first, last)) if *first == from => *last = answer,
        Some((_, last)) if *last == answer => {}
        _ => runs.push((from, answer)),
    };
    for (call, answer) in named {
        push(*call, *answer);
        push(call + 1, allow);
    }
    runs
}

/// Returns the search among runs, of which there is at least one; its jumps out of the tree have no distance yet.
fn search(runs: &[Run]) -> Vec<sock_filter> {
    if let [(_, answer)] = runs {
        return vec![leaf(*answer)];
    }
    let (lower, upper) = runs.split_at(runs.len() / 2);
    let (below, above) = (search(lower), search(upper));
    let at_least = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let from = upper[0].0;
    let mut all = match u8::try_from(below.len()) {
        Ok(distance) => vec![instruction(at_least, distance, 0, from)],
        Err(_) => vec![instruction(at_least, 0, 1, from), jump(below.len() as u32)],
    };
    all.extend(below.into_iter().chain(above));
    all
}

/// A jump over so many instructions.
pub(super) fn jump(distance: u32) -> sock_filter {
    instruction((libc::BPF_JMP | libc::BPF_JA) as u16, 0, 0, distance)
}

fn leaf(answer: Answer) -> sock_filter {
    match answer {
        Answer::Return(value) => instruction((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, value),
        // No program of the kernel is so long.
        Answer::Look => jump(u32::MAX),
    }
}
