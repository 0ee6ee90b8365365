//! Who is still there when the command has ended by itself.

/// Processes at work below pid 1 after the end of the command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remains {
    /// All of them.
    pub(super) left_behind: u64,
    /// Those in another session than the command's.
    pub(super) detached: u64,
}

/// Counts the processes that the command left, which led the session `main`.
pub(super) fn count(main: i32) -> Remains {
    let mut remains = Remains::default();
    // Every ordinary end leaves nobody to look at.
    let childless = matches!(crate::kernel::reap(None, false), Err(error) if error.raw_os_error() == Some(libc::ECHILD));
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return remains;
    };
    if childless {
        return remains;
    }
    for entry in entries.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid.filter(|pid| *pid > 1 && *pid != main) else {
            continue;
        };
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(session) = session_at_work(&stat) {
            remains.left_behind += 1;
            remains.detached += u64::from(session != main);
        }
    }
    remains
}

/// Returns the session of a process that is not dead, from its `stat` (`proc_pid_stat(5)`). Its name may hold anything.
fn session_at_work(stat: &[u8]) -> Option<i32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let session = fields.nth(2)?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::session_at_work;

    #[test]
    fn a_name_with_brackets_hides_nothing() {
        assert_eq!(session_at_work(b"7 (a) Z 1 1 1) S 1 7 9 0"), Some(9));
        assert_eq!(session_at_work(b"7 (sh) Z 1 7 9 0"), None);
        assert_eq!(session_at_work(b"7 (sh"), None);
    }
}
