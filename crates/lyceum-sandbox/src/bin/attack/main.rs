//! Attack programs of the containment suite: `lyceum-sandbox-attack NAME KEY=VALUE…`.
//!
//! Each tries one thing. The suite runs it in a sandbox, where nothing may come of it, and as a control
//! outside one, where the same program must succeed. What came of it is judged by sentinels of the
//! suite; for system calls, which leave no trace, a line `NONCE reach PART` says that the kernel's
//! own code was reached. The last line is `NONCE end`: without it, an attack was not made.
//!
//! Everything here is bounded, so that a control is harmless.
#![expect(clippy::print_stdout, reason = "a probe prints what it reached")]
#![expect(unsafe_code, reason = "attacks are raw system calls")]
#![expect(
    clippy::unnecessary_wraps,
    reason = "all attacks of the table have one signature"
)]

mod beyond;
mod calls;
mod files;
mod hidden;
mod identity;
mod lifetime;
mod network;
mod processes;
mod resources;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

/// What an attack returns: an error says that it could not even be tried.
type Tried = io::Result<()>;

/// Name and body of an attack.
type Attack = (&'static str, fn(&Options) -> Tried);

const ATTACKS: &[Attack] = &[
    ("read", files::read),
    ("write", files::write),
    ("replace", files::replace),
    ("remount", files::remount),
    ("walk", files::walk),
    ("link", files::link),
    ("descriptors", files::descriptors),
    ("devices", files::devices),
    ("chroot", files::chroot),
    ("set-user-id", files::set_user_id),
    ("handle", files::handle),
    ("switches", files::switches),
    ("look", processes::look),
    ("kill", processes::kill),
    ("trace", processes::trace),
    ("shared-memory", processes::shared_memory),
    ("namespaces", processes::namespaces),
    ("capabilities", processes::capabilities),
    ("init", processes::init),
    ("terminal", processes::terminal),
    ("keys", processes::keys),
    ("connect", network::connect),
    ("interfaces", network::interfaces),
    ("families", network::families),
    ("proxy", network::proxy),
    ("calls", calls::calls),
    ("foreign", calls::foreign),
    ("fork-bomb", resources::fork_bomb),
    ("allocate", resources::allocate),
    ("fill", resources::fill),
    ("files", resources::files),
    ("flood", resources::flood),
    ("spin", resources::spin),
    ("open", resources::open),
    ("threads", resources::threads),
    ("daemon", lifetime::daemon),
    ("tree", lifetime::tree),
    ("orphans", lifetime::orphans),
    ("stop", lifetime::stop),
    ("hold", lifetime::hold),
    ("dump", identity::dump),
    ("environment", identity::environment),
    ("hide", identity::hide),
    ("seek", identity::seek),
    ("without", calls::without),
    ("mark", beyond::mark),
    ("mapping", beyond::mapping),
    ("crash", beyond::crash),
    ("headless", beyond::headless),
    ("in-flight", beyond::in_flight),
    ("buffers", beyond::buffers),
    ("semaphores", beyond::semaphores),
    ("stall", beyond::stall),
    ("devices-at", beyond::devices_at),
    ("own-table", beyond::own_table),
    ("pipes", beyond::pipes),
    ("spare-me", beyond::spare_me),
    ("shared-mapping", hidden::shared_mapping),
    ("page-tables", hidden::page_tables),
    ("datagrams", hidden::datagrams),
    ("long-pipe", hidden::long_pipe),
    ("unread-answers", hidden::unread_answers),
    ("unread-notices", hidden::unread_notices),
    ("links-in-memory", hidden::links_in_memory),
];

/// The arguments `KEY=VALUE` of an attack.
struct Options {
    nonce: String,
    values: BTreeMap<String, String>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let values: BTreeMap<String, String> = arguments
            .filter_map(|argument| {
                let (key, value) = argument.split_once('=')?;
                Some((key.to_owned(), value.to_owned()))
            })
            .collect();
        let nonce = values.get("nonce").cloned().unwrap_or_default();
        Self { nonce, values }
    }

    fn get(&self, key: &str) -> io::Result<&str> {
        let missing = || io::Error::other(format!("`{key}=` is missing"));
        self.values.get(key).map(String::as_str).ok_or_else(missing)
    }

    /// Returns the values under `key`, separated by commas; none when the key is absent.
    fn list(&self, key: &str) -> Vec<&str> {
        let values = self.values.get(key).map(String::as_str).unwrap_or_default();
        values
            .split(',')
            .filter(|value| !value.is_empty())
            .collect()
    }

    fn number(&self, key: &str) -> io::Result<u64> {
        let text = self.get(key)?;
        text.parse()
            .map_err(|_| io::Error::other(format!("`{key}={text}` is no number")))
    }

    /// Says that the kernel's code behind `part` was reached.
    fn reach(&self, part: &str) {
        println!("{} reach {part}", self.nonce);
    }

    /// Says so unless the result of a raw system call is a refusal by a filter.
    fn reach_call(&self, part: &str, result: libc::c_long) {
        let errno = io::Error::last_os_error().raw_os_error();
        if result >= 0 || !matches!(errno, Some(libc::EPERM | libc::ENOSYS)) {
            self.reach(part);
        } else {
            println!("{} held {part} {errno:?}", self.nonce);
        }
    }
}

/// Prints what was found, whatever it is: the suite looks for its sentinels there.
fn show(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    // A closed pipe ends the attack elsewhere.
    let _ = out.write_all(bytes).and_then(|()| out.write_all(b"\n"));
}

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    let mut name = arguments.next().unwrap_or_default();
    if called.ends_with("capable") {
        // Executed by the attack on capabilities.
        name = "capabilities".into();
    }
    let Some((_, attack)) = ATTACKS.iter().find(|(known, _)| *known == name) else {
        println!("no attack `{name}`");
        return ExitCode::from(64);
    };
    let options = Options::parse(arguments);
    match attack(&options) {
        Ok(()) => {
            println!("{} end", options.nonce);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{} failed {error}", options.nonce);
            ExitCode::from(65)
        }
    }
}

/// Runs a part in a child process, which it may lose to a signal.
fn in_child(part: impl FnOnce()) {
    // SAFETY: attacks that use this have one thread.
    match unsafe { libc::fork() } {
        0 => {
            part();
            let _ = io::stdout().flush();
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        child if child > 0 => {
            // SAFETY: the status is not wanted.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
        _ => println!("no child: {}", io::Error::last_os_error()),
    }
}
