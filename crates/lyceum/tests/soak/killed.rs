//! The soak.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    seen::{Seen, tally},
    support::{Done, LYCEUM, Place, Tiny, found, nothing_alive},
};

/// Kills after which the whole ledger is verified; also the last.
const VERIFY_EVERY: u64 = 20;

const SEALED: &str = r#"[sealed]
command = ["sh", "{private}/sealed/evaluate.sh", "{outputs}/out.txt"]
private = ["sealed/**"]"#;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A small generator, so that a failure can be repeated with the seed that is printed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The lab's process alone: the keepers of its sandboxes outlive it for a moment.
    Lab,
    /// Its process group, as a terminal that goes away does.
    Group,
    /// It and every process of its sandboxes.
    All,
}

struct Soak {
    place: Place,
    /// A copy of the program, by which the lab's processes are known.
    program: PathBuf,
    /// How long the study takes when nothing disturbs it.
    undisturbed: Duration,
    dice: Dice,
    seen: Seen,
    kills: u64,
    by_target: [u64; 3],
}

impl Soak {
    fn new(seed: u64) -> Soak {
        let began = Instant::now();
        undisturbed(1);
        let undisturbed = began.elapsed();
        let place = Place::new();
        write(&place);
        let program = place.path().join("lyceum-under-test");
        fs::copy(LYCEUM, &program).unwrap();
        Soak {
            place,
            program,
            undisturbed,
            dice: Dice(seed),
            seen: Seen::default(),
            kills: 0,
            by_target: [0; 3],
        }
    }

    fn start(&self, again: bool) -> Child {
        let mut command = Command::new(&self.program);
        command.arg("--lab").arg(self.place.lab()).args([
            "run",
            "tiny",
            "--researcher",
            "random",
            "--slots",
            "1",
            "--seed",
            "1",
            "--json",
        ]);
        command
            .args(again.then_some("--again"))
            .current_dir(self.place.path())
            .env_remove("LYCEUM_LAB")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command.spawn().unwrap()
    }

    /// Runs the lab once and kills it at a random instant. Returns whether it was over before.
    fn session(&mut self, again: bool) -> bool {
        let child = self.start(again);
        // Most land in the runs, some in the opening, few let the study end.
        let whole = self.undisturbed.as_micros() as u64;
        let most = if self.dice.below(3) == 0 {
            whole / 8
        } else {
            whole * 3 / 4
        };
        sleep(Duration::from_micros(self.dice.below(most)));
        let target = match self.dice.below(10) {
            0..6 => Target::Lab,
            6..8 => Target::Group,
            _ => Target::All,
        };
        self.kill(&child, target);
        let done = Done::from(child.wait_with_output().unwrap());
        let over = done.code != 137;
        if over {
            assert_eq!(done.code, 0, "the lab failed: {}", done.err);
        } else {
            self.kills += 1;
            self.by_target[target as usize] += 1;
        }
        if let Some(study) = self.newest() {
            self.seen.take(&study, &done.out);
            self.seen.assert_kept(&self.place, &study);
        }
        over
    }

    fn kill(&self, child: &Child, target: Target) {
        let pid = child.id().to_string();
        let mut command = Command::new("kill");
        command.args(["-KILL", "--"]).stderr(Stdio::null());
        match target {
            Target::Lab => command.arg(pid),
            Target::Group => command.arg(format!("-{pid}")),
            Target::All => command.arg(pid).args(pids_of(&self.program)),
        };
        // Fails where the process ended by itself.
        command.status().unwrap();
    }

    fn studies(&self) -> Vec<String> {
        if !self.place.lab().join("ledger/ledger.db").exists() {
            return vec![];
        }
        let status = self.place.call(&["status", "--json"]);
        let all: Vec<Value> = serde_json::from_str(&status.out).unwrap_or_default();
        (1..=all.len()).map(attempt).collect()
    }

    fn newest(&self) -> Option<String> {
        self.studies().pop()
    }

    /// Whether the newest study is finished, so that the next session must begin another.
    fn is_finished(&self) -> bool {
        self.newest().is_some_and(|study| {
            let log = self.place.call(&["log", &study, "--json"]).exits(0);
            log.out.contains("\"kind\":\"study.finished\"")
                && log.out.lines().last().unwrap().contains("session.ended")
        })
    }

    /// Asserts that the killed lab left nothing outside its ledger.
    fn assert_nothing_left(&self) {
        nothing_alive(Some(&self.program), "under-test");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = self.place.path().to_str().unwrap();
        assert!(!mounts.contains(own), "a mount is left:\n{mounts}");
        self.place.assert_no_scratch();
        let odd: Vec<PathBuf> = files(&self.place.lab())
            .into_iter()
            .filter(|path| !is_known(path.strip_prefix(self.place.lab()).unwrap()))
            .collect();
        assert!(odd.is_empty(), "files are left: {odd:?}");
    }
}

/// Whether a file of a lab has a place in it.
fn is_known(path: &Path) -> bool {
    let text = path.to_str().unwrap();
    let hexadecimal = |name: &str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let name = path.file_name().unwrap().to_str().unwrap();
    match text.split('/').next().unwrap() {
        "ledger" => !text.contains("incoming") && !name.contains("tmp"),
        "programs" => hexadecimal(name),
        "data" => !name.contains("tmp"),
        "studies" => name == "report.html",
        _ => false,
    }
}

/// Returns the ids of the processes that run this program.
fn pids_of(program: &Path) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let ours =
        all.filter(|one| fs::read_link(one.path().join("exe")).is_ok_and(|exe| exe == program));
    ours.filter_map(|one| one.file_name().into_string().ok())
        .collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Writes the study, whose runs take milliseconds; the sealed evaluation has a script of its own.
fn write(place: &Place) {
    let tiny = Tiny {
        budget: "experiments = 8".into(),
        rest: SEALED.into(),
        ..Tiny::default()
    };
    let sealed = place.study(&tiny).join("sealed");
    fs::create_dir_all(&sealed).unwrap();
    fs::write(sealed.join("evaluate.sh"), &tiny.evaluate).unwrap();
}

/// Returns what the study finds when nothing disturbs it.
/// Returns what each of so many attempts at the study finds when nothing disturbs them. They share their alpha, so a later
/// one needs more pairs.
fn undisturbed(attempts: usize) -> Vec<Value> {
    let place = Place::new();
    write(&place);
    (1..=attempts)
        .map(|number| {
            place.run("tiny", &["--again"]).exits(0);
            found(&place, &attempt(number))
        })
        .collect()
}

/// Returns the name of an attempt.
fn attempt(number: usize) -> String {
    match number {
        1 => "tiny".to_owned(),
        _ => format!("tiny~{number}"),
    }
}

#[test]
fn killed_at_random_instants_nothing_is_lost_doubled_or_left() {
    let wanted = setting("LYCEUM_SOAK_KILLS", 25);
    let seconds = setting("LYCEUM_SOAK_SECONDS", 900);
    let seed = setting("LYCEUM_SOAK_SEED", 20_261_122);
    println!("soak: {wanted} kills, at most {seconds} s, LYCEUM_SOAK_SEED={seed}");
    let began = Instant::now();
    let mut soak = Soak::new(seed);
    let mut again = false;
    while soak.kills < wanted && began.elapsed().as_secs() < seconds {
        let before = soak.kills;
        let over = soak.session(again);
        // Killed before its first event, a study that was to begin anew is still to begin.
        again = over || soak.is_finished();
        if soak.kills > before && soak.kills.is_multiple_of(VERIFY_EVERY) {
            soak.place.assert_intact();
            println!("{} kills, {} s", soak.kills, began.elapsed().as_secs());
        }
    }
    let done = Done::from(soak.start(false).wait_with_output().unwrap()).exits(0);
    soak.seen.take(&soak.newest().unwrap(), &done.out);
    soak.assert_nothing_left();
    soak.place.assert_intact();
    let (mut events, mut runs, mut voided, mut sessions) = (0, 0, 0, 0);
    let studies = soak.studies();
    let expected = undisturbed(studies.len());
    for (study, expected) in studies.into_iter().zip(expected) {
        soak.seen.assert_kept(&soak.place, &study);
        let tally = tally(&soak.place, &study);
        assert_eq!(found(&soak.place, &study), expected, "{study}");
        events += tally.events;
        runs += tally.runs;
        voided += tally.voided;
        sessions += tally.sessions;
    }
    assert!(
        voided as u64 <= soak.kills,
        "{voided} runs lost to {} kills with one slot",
        soak.kills
    );
    assert!(soak.kills >= wanted.min(10), "only {} kills", soak.kills);
    println!(
        "{} kills ({} of the lab alone, {} of its group, {} of all its processes) in {} s: {} studies in {sessions} sessions, \
         {runs} runs, {events} events; {} events printed before a kill, 0 of them lost; 0 things doubled; {voided} runs in \
         flight were voided and run again; every study found what an undisturbed one finds; no process, mount or file left",
        soak.kills,
        soak.by_target[0],
        soak.by_target[1],
        soak.by_target[2],
        began.elapsed().as_secs(),
        soak.studies().len(),
        soak.seen.count(),
    );
}
