//! Time from start to exit of `true`: plain, in bubblewrap, in this sandbox, and with an overlay.
//!
//! `cargo run --release -p lyceum-sandbox --example start_to_exit [RUNS]`. Runs are interleaved, so
//! that load hits all alike; the figure that counts is the ratio to bubblewrap (`/usr/bin/bwrap`).
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lyceum_sandbox::{Access, Exit, Job, Mount, Policy, Sandbox, scratch};

/// The namespaces, mounts and privileges of this sandbox, as far as bubblewrap has them.
const BUBBLEWRAP: &str = "--unshare-user --unshare-all --new-session --die-with-parent --cap-drop ALL \
    --clearenv --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
    --proc /proc --dev /dev --tmpfs /tmp --tmpfs /home --remount-ro / true";

struct Series {
    order: usize,
    name: &'static str,
    run: Box<dyn Fn() -> Result<(), Box<dyn Error>>>,
    walls: Vec<Duration>,
    cpu_ticks: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    lyceum_sandbox::run_helper_if_asked();
    let runs: usize = std::env::args()
        .nth(1)
        .map_or(Ok(200), |text| text.parse())?;
    let place = std::env::temp_dir().canonicalize()?;
    let lower = scratch::create(&place, "bench-lower")?;
    let mut all = series(&lower)?;
    for round in 0..runs {
        // Another one begins each round: the kernel takes down namespaces of the run before.
        all.rotate_left(round % 2 + 1);
        for one in &mut all {
            let begun = Instant::now();
            (one.run)()?;
            one.walls.push(begun.elapsed());
        }
    }
    for one in &mut all {
        wait_for_keepers()?;
        let ticks = processor_ticks()?;
        for _ in 0..runs {
            (one.run)()?;
        }
        wait_for_keepers()?;
        one.cpu_ticks = processor_ticks()? - ticks;
    }
    all.sort_by_key(|one| one.order);
    for left in ["bench-lower", "bench"].map(|prefix| scratch::leftovers(&place, prefix)) {
        left?.iter().try_for_each(|path| scratch::remove(path))?;
    }
    report(&mut all);
    Ok(())
}

fn series(lower: &scratch::Scratch) -> Result<Vec<Series>, Box<dyn Error>> {
    let sandbox = Sandbox::new()?;
    let (plain, overlaid) = (sandbox.clone(), sandbox);
    let source = lower.out();
    let place = lower
        .path()
        .parent()
        .ok_or("the scratch has a parent")?
        .to_owned();
    let new = |order, name, run| Series {
        order,
        name,
        run,
        walls: Vec::new(),
        cpu_ticks: 0,
    };
    Ok(vec![
        new(0, "plain", Box::new(|| command("true", &[]))),
        new(
            1,
            "bubblewrap",
            Box::new(|| {
                command(
                    "bwrap",
                    &BUBBLEWRAP.split_ascii_whitespace().collect::<Vec<_>>(),
                )
            }),
        ),
        new(
            2,
            "lyceum",
            Box::new(move || sandboxed(&plain, Policy::default())),
        ),
        new(
            3,
            "lyceum + overlay",
            Box::new(move || {
                let scratch = scratch::create(&place, "bench")?;
                let access = Access::Overlay {
                    upper: scratch.upper(),
                    work: scratch.work(),
                };
                let mount = Mount {
                    source: source.clone(),
                    target: "/workspace".into(),
                    access,
                };
                sandboxed(
                    &overlaid,
                    Policy {
                        mounts: vec![mount],
                        ..Policy::default()
                    },
                )
            }),
        ),
    ])
}

fn command(program: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{program}` ended with {status}").into())
    }
}

fn sandboxed(sandbox: &Sandbox, policy: Policy) -> Result<(), Box<dyn Error>> {
    let record = sandbox.spawn(&Job::new(["true"], policy))?.wait()?;
    if record.exit == Exit::Code(0) {
        Ok(())
    } else {
        Err(format!("{:?}", record.exit).into())
    }
}

/// Waits until the last keeper is gone, a little after its record came: only then is its time counted. What keepers are
/// forked from stays.
fn wait_for_keepers() -> Result<(), Box<dyn Error>> {
    while children()?.len() > 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Returns the process ids of this process's children.
fn children() -> Result<Vec<u32>, Box<dyn Error>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        let listed = thread?.path().join("children");
        // A thread that ended has no children.
        let listed = std::fs::read_to_string(&listed).unwrap_or_default();
        for child in listed.split_ascii_whitespace() {
            children.push(child.parse()?);
        }
    }
    Ok(children)
}

/// Returns clock ticks that this process, its children and their finished children used: fields 14 to 17 of
/// `/proc/PID/stat`.
fn processor_ticks() -> Result<u64, Box<dyn Error>> {
    let mut ticks = 0;
    for process in children()?.into_iter().chain([std::process::id()]) {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        for figure in after_name.split_ascii_whitespace().skip(11).take(4) {
            ticks += figure.parse::<u64>()?;
        }
    }
    Ok(ticks)
}

fn report(all: &mut [Series]) {
    println!(
        "{:<18} {:>10} {:>10} {:>12} {:>12}",
        "", "median ms", "p10 ms", "cpu ms/run", "÷ bubblewrap"
    );
    let mut medians = Vec::new();
    for one in &mut *all {
        one.walls.sort();
        medians.push(milliseconds(one.walls[one.walls.len() / 2]));
    }
    for (one, median) in all.iter().zip(&medians) {
        let tenth = milliseconds(one.walls[one.walls.len() / 10]);
        let cpu = one.cpu_ticks as f64 * 10.0 / one.walls.len() as f64;
        println!(
            "{:<18} {median:>10.2} {tenth:>10.2} {cpu:>12.2} {:>12.2}",
            one.name,
            median / medians[1]
        );
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
