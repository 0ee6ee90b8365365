//! Group G: attacks through what a command leaves behind and what it prints.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use lyceum_sandbox::harvest::{self, Limits};
use lyceum_sandbox::{Job, show_untrusted};

use crate::arena::Arena;
use crate::attacks::protected;
use crate::check::{Attack, Check, How, Trial, attack};
use crate::lifetimes::supervisor;
use crate::residue::{own_memory, watch};
use crate::start::{Mode, outside};

/// What an honest lab takes at most here.
const FILE_MAX: u64 = 1 << 20;

/// Reading declared outputs ends within this time, whatever they are.
const HARVEST_MAX: Duration = Duration::from_secs(5);

const fn own(id: &'static str, what: &'static str, how: fn(&Mode) -> Trial) -> Check {
    Check {
        id,
        what,
        how: How::Own(how),
    }
}

pub(crate) const OUTPUTS: &[Check] = &[
    own(
        "G1",
        "declare a link, a pipe or a directory as a result",
        links,
    ),
    own(
        "G2",
        "declare a result that is huge, or among a crowd of files",
        sizes,
    ),
    own(
        "G3",
        "name files so that they steer a terminal or leave the directory",
        names,
    ),
    Check {
        id: "G4",
        what: "overwrite the evaluator's files and data",
        how: How::Attack(Attack {
            adjust: protected,
            ..attack(
                "write paths={data}/victim,{workspace}/protected/file",
                &["changed data", "changed lower"],
                "echo 0.5 > /out/metric",
            )
        }),
    },
    own("G5", "leave an archive that unpacks elsewhere", archive),
    own("G6", "forge lines of the log", forged),
];

/// Runs a script inside that leaves something in `/out`.
fn leave(mode: &Mode, arena: &Arena, script: &str) -> Result<(), String> {
    let record = mode.run(&Job::new(["bash", "-c", script], arena.policy()));
    if record.exit == lyceum_sandbox::Exit::Code(0) {
        return Ok(());
    }
    Err(format!(
        "{:?}: {}",
        record.exit,
        show_untrusted(&record.stderr.joined())
    ))
}

fn limits() -> Limits {
    Limits {
        file_bytes: FILE_MAX,
        time: HARVEST_MAX,
        ..Limits::default()
    }
}

fn take(arena: &Arena, name: &str) -> Result<Vec<u8>, String> {
    let taken = harvest::harvest(&arena.scratch.out(), &[name.to_owned()], &limits());
    taken
        .map(|mut all| all.remove(0).bytes)
        .map_err(|error| error.to_string())
}

/// The legitimate neighbour of every check here: an honest result is taken.
fn honest(mode: &Mode) -> Result<(), String> {
    let arena = Arena::new();
    leave(
        mode,
        &arena,
        "mkdir /out/deep; cat /workspace/token > /out/deep/result",
    )?;
    let taken = take(&arena, "deep/result")?;
    if taken == arena.token.as_bytes() {
        Ok(())
    } else {
        Err("an honest result is not taken".into())
    }
}

fn links(mode: &Mode) -> Trial {
    let mut arena = Arena::new();
    let secret = arena.path("outside/id_rsa").display().to_string();
    let directory = arena.path("outside").display().to_string();
    let script = format!(
        "cd /out; ln -s {secret} link; ln -s {directory} through; ln -s ../../outside/id_rsa relative
         mkfifo pipe; mkdir directory; ln -s /proc/self/environ environ; ln -s link chain
         echo x > twice; ln twice again"
    );
    let made = leave(mode, &arena, &script);
    let naive = fs::read(arena.scratch.out().join("link")).unwrap_or_default();
    let free = arena.breaches(&naive).contains("read file");
    let begun = Instant::now();
    let mut taken = Vec::new();
    let mut refused = 0;
    for name in [
        "link",
        "through/id_rsa",
        "relative",
        "pipe",
        "directory",
        "environ",
        "chain",
        "again",
    ] {
        match take(&arena, name) {
            Ok(bytes) => taken.extend(bytes),
            Err(_) => refused += 1,
        }
    }
    let bound = arena.breaches(&taken).contains("read file") || refused < 8;
    let slow = begun.elapsed() > HARVEST_MAX;
    let mut trial = Trial::of("read file", free, bound).and(Trial::of("held up", true, slow));
    trial.made = made;
    trial
        .with_twin(honest(mode))
        .with_note(format!("{refused} of 8 refused"))
}

fn sizes(mode: &Mode) -> Trial {
    const NAIVE: u64 = 256 << 20;
    let arena = Arena::new();
    let script = "cd /out; truncate -s 2000M sparse; truncate -s 256M smaller
        perl -e 'print \"[\" x 100000' > nested; perl -e 'print \"{\\\"a\\\":1,\\\"a\\\":NaN}\"' > odd
        mkdir crowd; perl -e 'for (1 .. 20000) { open(my $f, \">\", \"crowd/$_\") }'; echo small > result";
    let made = leave(mode, &arena, script);
    let except = [arena.own_process()];
    let before = own_memory();
    let begun = Instant::now();
    let (refused, bound) = watch(&except, || {
        let sizes = take(&arena, "sparse").is_err() && take(&arena, "smaller").is_err();
        let nested = take(&arena, "nested").unwrap_or_default();
        let odd = take(&arena, "odd").unwrap_or_default();
        let typed = [&nested, &odd]
            .map(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).is_err());
        let small = take(&arena, "result").is_ok();
        sizes && typed == [true, true] && nested.len() == 100_000 && small
    });
    let grown = bound.own.saturating_sub(before);
    let slow = begun.elapsed() > HARVEST_MAX;
    let (length, free) = watch(&except, || {
        fs::read(arena.scratch.out().join("smaller")).map_or(0, |bytes| bytes.len() as u64)
    });
    let naive = length == NAIVE && free.own.saturating_sub(before) > NAIVE / 2;
    let mut trial = Trial::of("memory of the supervisor", naive, grown >= 64 << 20).and(Trial::of(
        "taken",
        true,
        !refused || slow,
    ));
    trial.made = made;
    trial
        .with_twin(honest(mode))
        .with_note(format!("the supervisor grew by {} KiB", grown >> 10))
}

fn names(mode: &Mode) -> Trial {
    const NAMES: [&str; 6] = [
        "\u{1b}[2Jx",
        "two\nlines",
        "-rf",
        "a\u{202e}b",
        "../outside/victim",
        "\u{9b}31m",
    ];
    let arena = Arena::new();
    let script = r#"cd /out; perl -e 'binmode STDOUT; for ("\e[2Jx", "two\nlines", "-rf", "a\xe2\x80\xaeb", "\xc2\x9b31m") {
        mkdir $_ or exit 1 }'"#;
    let made = leave(mode, &arena, script);
    let raw = |text: &str| text.contains(['\u{1b}', '\n', '\u{202e}', '\u{9b}']);
    let listed = fs::read_dir(arena.scratch.out())
        .into_iter()
        .flatten()
        .flatten();
    let free = listed
        .filter(|entry| raw(&entry.file_name().to_string_lossy()))
        .count();
    // Each is a directory, so each is refused with its name in the words of the refusal.
    let errors = NAMES.map(|name| {
        take(&arena, name)
            .err()
            .unwrap_or_else(|| "\u{1b}taken".into())
    });
    let bound = errors.iter().any(|error| raw(error));
    let victim = fs::read(arena.path("outside/victim")).unwrap_or_default();
    let mut trial = Trial::of("raw name", free == 4, bound).and(Trial::of(
        "left the directory",
        true,
        victim != b"original",
    ));
    trial.made = made;
    trial.with_twin(honest(mode))
}

fn archive(mode: &Mode) -> Trial {
    let mut arena = Arena::new();
    let victim = arena.path("outside/victim").display().to_string();
    let script = format!(
        "echo overwritten > /tmp/f; tar -cPf /out/result --transform='s,/tmp/f,{victim},' /tmp/f
         tar -rPf /out/result --transform='s,/tmp/f,../outside/victim,' /tmp/f"
    );
    let made = leave(mode, &arena, &script);
    let taken = take(&arena, "result").unwrap_or_default();
    let whole = taken.len() as u64
        == fs::metadata(arena.scratch.out().join("result")).map_or(1, |status| status.len());
    let bound = arena.breaches(&[]).contains("changed outside");
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xPf")
        .arg(arena.scratch.out().join("result"))
        .current_dir(arena.path("lower"));
    outside(&mut unpack, &arena);
    let free = arena.breaches(&[]).contains("changed outside");
    let mut trial =
        Trial::of("changed outside", free, bound).and(Trial::of("altered", true, !whole));
    trial.made = made;
    trial.with_twin(honest(mode))
}

fn forged(mode: &Mode) -> Trial {
    let arena = Arena::new();
    let forged = format!("{{\"record\":{{\"exit\":\"forged {}\"}}}}", arena.nonce);
    let script = format!(
        "printf '\\n%s\\n\\033[2K\\r%s\\n' '{forged}' '{forged}'; printf '\\n%s\\n' '{forged}' >&2"
    );
    let job = Job::new(["sh", "-c", &script], arena.policy());
    let (program, arguments) = supervisor(mode, &arena, &job);
    let bound = outside(Command::new(program).args(arguments), &arena);
    let free = outside(Command::new("sh").args(["-c", &script]), &arena);
    let has = |output: &[u8]| {
        String::from_utf8_lossy(output)
            .lines()
            .any(|line| line.trim() == forged)
    };
    let genuine = String::from_utf8_lossy(&bound)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|value| {
            serde_json::from_value::<lyceum_sandbox::Record>(value.get("record")?.clone()).ok()
        })
        .collect::<Vec<_>>();
    let printed = genuine
        .first()
        .map(|record| record.stdout.joined())
        .unwrap_or_default();
    let kept = String::from_utf8_lossy(&printed).contains(&forged);
    let raw = show_untrusted(&printed).contains('\u{1b}');
    Trial::of(
        "forged record",
        has(&free),
        has(&bound) || genuine.len() != 1,
    )
    .and(Trial::of("raw text", printed.contains(&0x1b), raw))
    .and(Trial::of("lost text", true, !kept))
    .with_twin(honest(mode))
}
