//! Disks that are read-only or full.

use std::fs;

use crate::support::{LYCEUM, Place, Tiny, with_mounts};

#[test]
fn a_study_on_a_read_only_disk_runs() {
    let place = Place::new();
    let directory = place.study(&Tiny::default()).display().to_string();
    let lab = place.lab().display().to_string();
    let script = r#"mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"
! touch "$2/probe" 2> /dev/null
exec "$1" --lab "$3" run "$2" --researcher random --seed 1"#;
    with_mounts(script, &[LYCEUM, &directory, &lab])
        .exits(0)
        .prints("confirmed: better in");
    place.assert_intact();
}

#[test]
fn a_lab_on_a_read_only_disk_can_be_read_and_not_worked_in() {
    let place = Place::new();
    let directory = place.study(&Tiny::default()).display().to_string();
    let lab = place.lab().display().to_string();
    place.run("tiny", &[]).exits(0);
    let script = r#"mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"
program=$1 lab=$2; shift 2; exec "$program" --lab "$lab" "$@""#;
    let call = |words: &[&str]| with_mounts(script, &[&[LYCEUM, &lab], words].concat());
    let done = call(&["run", &directory]).exits(2);
    done.says(&[
        "cannot be written to",
        "Read-only file system",
        "hint: check the permissions",
    ]);
    call(&["verify"])
        .exits(0)
        .prints("all as they were written");
    call(&["status"]).exits(0).prints("tiny  finished");
    call(&["log"])
        .exits(0)
        .prints("every criterion of the rubric is satisfied");
    let done = call(&["report"]).exits(2);
    done.says(&["cannot write the report to `", "Read-only file system"]);
    let elsewhere = place.path().join("report.html").display().to_string();
    call(&["report", "--output", &elsewhere])
        .exits(0)
        .prints(&elsewhere);
    place.assert_intact();
}

#[test]
fn a_full_disk_stops_the_lab_and_loses_nothing() {
    let place = Place::new();
    let train = format!(
        "{}head -c 1500000 /dev/urandom >> \"$LYCEUM_OUTPUTS/out.txt\" || exit 5\n",
        Tiny::default().train
    );
    let directory = place
        .study(&Tiny {
            train,
            ..Tiny::default()
        })
        .display()
        .to_string();
    let disk = place.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let disk = disk.display().to_string();
    let program = fs::metadata(LYCEUM).unwrap().len();
    // Room for the lab's copy of its own program, its open ledger and a few runs; the rest is taken by a file.
    let taken: u64 = 128 << 20;
    let room = (program + (14 << 20) + taken).to_string();
    let taken = taken.to_string();
    let script = r#"mount -t tmpfs -o size="$4" disk "$3"
program=$1 study=$2 lab=$3/lab
head -c "$5" /dev/zero > "$3/taken"
work() {
    "$program" --lab "$lab" run "$study" --researcher random --slots 1 --seed 1 && status=0 || status=$?
    echo "exit $status"
}
work; "$program" --lab "$lab" verify; "$program" --lab "$lab" log --json > "$3/../before"
work
rm "$3/taken"
work; "$program" --lab "$lab" verify; "$program" --lab "$lab" log --json > "$3/../after"
ls "$lab/scratch" | wc -l"#;
    let done = with_mounts(script, &[LYCEUM, &directory, &disk, &room, &taken]).exits(0);
    let codes: Vec<&str> = done
        .out
        .lines()
        .filter(|line| line.starts_with("exit "))
        .collect();
    assert_eq!(
        codes,
        ["exit 70", "exit 70", "exit 0"],
        "{}\n{}",
        done.out,
        done.err
    );
    assert_eq!(
        done.out.matches("all as they were written").count(),
        2,
        "{}",
        done.out
    );
    let said = done.err.to_lowercase();
    assert!(
        said.contains("no space left") || said.contains("no storage space"),
        "{}",
        done.err
    );
    done.says(&["hint: "]);
    assert!(
        !done.err.contains("exit status 5"),
        "the candidate was blamed: {}",
        done.err
    );
    assert_eq!(
        done.out.lines().last(),
        Some("0"),
        "scratch is left: {}",
        done.out
    );
    let log = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    let (before, after) = (log("before"), log("after"));
    assert!(
        before.lines().count() > 5,
        "the disk was full before anything was recorded"
    );
    assert!(
        after.starts_with(&before),
        "something that was confirmed is lost"
    );
}
