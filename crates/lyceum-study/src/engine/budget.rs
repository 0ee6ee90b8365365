//! What has been spent, what is left, and what the ending still needs.

use std::time::Duration;

use lyceum_stats::pairs_needed;

use super::{
    ending::changed_knobs,
    execute::Allowance,
    judge::replication_runs,
    protocol::Protocol,
    state::{Resource, State},
};

/// Mean cost of one run with its measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Wall-clock milliseconds.
    pub wall_ms: u64,
    /// CPU milliseconds.
    pub cpu_ms: u64,
    /// Bytes on disk: outputs and log.
    pub disk_bytes: u64,
}

/// What has been spent of each budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Wall-clock time over all sessions, in milliseconds.
    pub wall_ms: u64,
    /// CPU time of runs and measurements, in milliseconds.
    pub cpu_ms: u64,
    /// Bytes that the study takes up in the lab.
    pub disk_bytes: u64,
}

/// What is left of each budget; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Wall-clock milliseconds.
    pub wall_ms: Option<u64>,
    /// CPU milliseconds.
    pub cpu_ms: Option<u64>,
    /// Bytes.
    pub disk_bytes: Option<u64>,
}

/// How many finished runs speak for the cost of the next.
const RUNS_FOR_ESTIMATE: usize = 12;

/// The ending may keep back at most this share of a budget.
const RESERVE_SHARE_MAX: f64 = 0.5;

/// Returns the mean cost of the last runs; nothing before the first is measured. A run that was stopped early says nothing
/// about what a whole one costs.
pub fn run_cost(state: &State) -> Cost {
    let done = state
        .runs
        .iter()
        .rev()
        .filter(|run| run.counts() && run.is_settled() && run.stopped().is_none());
    let costs: Vec<Cost> = done
        .take(RUNS_FOR_ESTIMATE)
        .filter_map(|run| {
            let finished = run.finished.as_ref()?;
            let outputs: u64 = finished.outputs.iter().map(|one| one.bytes).sum();
            let used = finished.usage;
            let judged = run
                .searched
                .as_ref()
                .map(|one| one.usage)
                .unwrap_or_default();
            Some(Cost {
                wall_ms: used.wall_ms + judged.wall_ms,
                cpu_ms: used.cpu_ms + judged.cpu_ms,
                disk_bytes: outputs + finished.log.len() as u64,
            })
        })
        .collect();
    let mean =
        |pick: fn(&Cost) -> u64| costs.iter().map(pick).sum::<u64>() / (costs.len() as u64).max(1);
    Cost {
        wall_ms: mean(|cost| cost.wall_ms),
        cpu_ms: mean(|cost| cost.cpu_ms),
        disk_bytes: mean(|cost| cost.disk_bytes),
    }
}

/// Returns what is left; nothing of a budget that was too small for a run or measurement.
pub(super) fn left(protocol: &Protocol, spent: &Spent, out_of: Option<Resource>) -> Left {
    let millis = |limit: Option<Duration>, used: u64| {
        limit.map(|limit| (limit.as_millis() as u64).saturating_sub(used))
    };
    let mut left = Left {
        wall_ms: millis(protocol.budget.wall, spent.wall_ms),
        cpu_ms: millis(protocol.budget.cpu, spent.cpu_ms),
        disk_bytes: protocol
            .budget
            .disk
            .map(|limit| limit.saturating_sub(spent.disk_bytes)),
    };
    match out_of {
        Some(Resource::Wall) => left.wall_ms = Some(0),
        Some(Resource::Cpu) => left.cpu_ms = Some(0),
        Some(Resource::Disk) => left.disk_bytes = Some(0),
        None => {}
    }
    left
}

/// Returns what is left of a study that nobody works on, by its events alone.
pub fn left_of(protocol: &Protocol, state: &State) -> Left {
    let spent = Spent {
        wall_ms: state.wall_ms_before(None),
        cpu_ms: state.cpu_ms,
        disk_bytes: state.disk_bytes,
    };
    left(protocol, &spent, state.spent)
}

/// Returns what the next task may use while others hold what they were allowed.
///
/// Time on the clock is everybody's. CPU time and space are what nobody holds, divided among the free slots, `free` of
/// them with the task's own, or among as many tasks as it pays for at the cost of the last: so what is left is never
/// used twice.
pub(super) fn allow(left: &Left, held: &[Allowance], free: u64, cost: Cost) -> Allowance {
    let cpu_held = held.iter().filter_map(|one| one.cpu).sum::<Duration>();
    let disk_held = held.iter().filter_map(|one| one.disk_bytes).sum::<u64>();
    let cpu = left.cpu_ms.map(|left| {
        let open = left.saturating_sub(cpu_held.as_millis() as u64);
        let tasks = open.checked_div(cost.cpu_ms).unwrap_or(u64::MAX);
        Duration::from_millis(open / tasks.clamp(1, free.max(1)))
    });
    Allowance {
        wall: left.wall_ms.map(Duration::from_millis),
        cpu,
        disk_bytes: left
            .disk_bytes
            .map(|left| left.saturating_sub(disk_held) / free.max(1)),
    }
}

/// Returns which budget cannot pay for one more run beside `in_flight` others; `None` when all can.
pub(super) fn short_of(left: &Left, cost: Cost, in_flight: u64) -> Option<&'static str> {
    let lacks = |left: Option<u64>, need: u64| left.is_some_and(|left| left == 0 || left < need);
    if lacks(left.wall_ms, cost.wall_ms) {
        Some("wall")
    } else if lacks(left.cpu_ms, cost.cpu_ms * (in_flight + 1)) {
        Some("cpu")
    } else if lacks(left.disk_bytes, cost.disk_bytes * (in_flight + 1)) {
        Some("disk")
    } else {
        None
    }
}

/// Returns the runs that the ending will need when the search ends now with a winner.
pub(super) fn ending_runs(state: &State, protocol: &Protocol) -> u64 {
    let pairs = pairs_needed(protocol.alpha).min(protocol.confirm_pairs_max) as u64;
    let knobs = match changed_knobs(state, protocol).len() {
        0 => protocol.start.len(),
        changed => changed,
    };
    2 * pairs + (knobs * protocol.ablation_pairs) as u64 + replication_runs(protocol)
}

/// Returns what is left when the sealed split has been paid for.
pub(super) fn after_sealed(state: &State, protocol: &Protocol, left: Left, slots: u64) -> Left {
    if !protocol.sealed {
        return left;
    }
    let judged = state
        .runs
        .iter()
        .rev()
        .filter_map(|run| run.searched.as_ref());
    let used = judged.take(RUNS_FOR_ESTIMATE).map(|one| one.usage);
    let (wall, cpu, count) = used.fold((0, 0, 0), |(wall, cpu, count), used| {
        (wall + used.wall_ms, cpu + used.cpu_ms, count + 1)
    });
    let most = (2 * protocol.confirm_pairs_max) as u64;
    let runs = state
        .claimed
        .as_ref()
        .map_or(most, |claimed| 2 * claimed.pairs.len() as u64);
    let all = |sum: u64| sum * runs / count.max(1);
    Left {
        wall_ms: left
            .wall_ms
            .map(|left| left.saturating_sub(all(wall) / slots.max(1))),
        cpu_ms: left.cpu_ms.map(|left| left.saturating_sub(all(cpu))),
        disk_bytes: left.disk_bytes,
    }
}

/// Returns why the search must end now so that the ending can still be paid; `None` while it may go on.
pub(super) fn search_must_end(
    state: &State,
    protocol: &Protocol,
    left: &Left,
    slots: u64,
    in_flight: u64,
) -> Option<String> {
    let cost = run_cost(state);
    let runs = ending_runs(state, protocol);
    let keep = |total: Option<u64>, need: u64| {
        need.min(total.map_or(0, |total| (total as f64 * RESERVE_SHARE_MAX) as u64))
    };
    let millis = |total: Option<Duration>| total.map(|total| total.as_millis() as u64);
    let wall = keep(
        millis(protocol.budget.wall),
        runs * cost.wall_ms * 11 / 10 / slots.max(1),
    );
    let cpu = keep(millis(protocol.budget.cpu), runs * cost.cpu_ms);
    let disk = keep(protocol.budget.disk, runs * cost.disk_bytes);
    let rest = Left {
        wall_ms: left.wall_ms.map(|left| left.saturating_sub(wall)),
        cpu_ms: left.cpu_ms.map(|left| left.saturating_sub(cpu)),
        disk_bytes: left.disk_bytes.map(|left| left.saturating_sub(disk)),
    };
    let budget = short_of(&rest, cost, in_flight)?;
    Some(match budget {
        "disk" if left.disk_bytes == Some(0) => Resource::Disk.cause().into(),
        name => format!("what is left of the {name} budget is kept for the confirmation"),
    })
}
