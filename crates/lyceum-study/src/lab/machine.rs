//! What machine this is. Read once for each session; nothing here is trusted to decide anything.

use std::fs;

use lyceum_types::MachineFacts;

/// Returns what the system says about itself; unknown parts stay empty.
pub fn facts() -> MachineFacts {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    MachineFacts {
        system: format!("{} {}", std::env::consts::OS, release.trim()),
        processor: after_colon("/proc/cpuinfo", "model name").unwrap_or_default(),
        cores: processors().len() as u32,
        memory_bytes: after_colon("/proc/meminfo", "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .map_or(0, |kib| kib << 10),
    }
}

/// Returns the numbers of the processors that this process may run on; at least one.
pub fn processors() -> Vec<usize> {
    let list = after_colon("/proc/self/status", "Cpus_allowed_list").unwrap_or_default();
    let mut all = Vec::new();
    for range in list.split(',') {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(low), Ok(high)) = (low.trim().parse::<usize>(), high.trim().parse::<usize>()) {
            all.extend(low..=high);
        }
    }
    if all.is_empty() { vec![0] } else { all }
}

/// Divides the processors into slots of `threads` each, at most `most`; one slot at least.
pub fn slots(processors: &[usize], threads: usize, most: Option<usize>) -> Vec<Vec<usize>> {
    let whole: Vec<Vec<usize>> = processors
        .chunks_exact(threads.max(1))
        .map(<[usize]>::to_vec)
        .collect();
    let mut slots = if whole.is_empty() {
        vec![processors.to_vec()]
    } else {
        whole
    };
    slots.truncate(most.unwrap_or(usize::MAX).max(1));
    slots
}

fn after_colon(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_share_no_processor() {
        assert_eq!(slots(&[0, 1, 4], 1, None), [vec![0], vec![1], vec![4]]);
        assert_eq!(slots(&[0, 1, 4], 2, None), [vec![0, 1]]);
        assert_eq!(slots(&[0, 1], 4, None), [vec![0, 1]]);
        assert_eq!(slots(&[0, 1, 2], 1, Some(2)), [vec![0], vec![1]]);
    }

    #[test]
    fn this_machine_has_a_processor_and_memory() {
        let facts = facts();
        assert!(
            facts.cores >= 1 && facts.memory_bytes > 1 << 20,
            "{facts:?}"
        );
    }
}
