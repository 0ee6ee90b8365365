//! What is measured in a process of its own: going on with a long study, and checking it. Each prints one line of
//! `name=value` words.

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use lyceum_ledger::Ledger;
use lyceum_sandbox::Sandbox;
use lyceum_study::{
    engine::{End, State},
    format,
    lab::{self, conduct},
};
use lyceum_types::Body;

use crate::{
    Failure,
    place::{Place, STUDY},
    simulated::StopAt,
};

/// Goes on with the study as `lyceum run` does, until the next proposal is on the disk.
pub(crate) fn resume(base: &Path) -> Result<(), Failure> {
    let begun = Instant::now();
    let place = Place::at(base)?;
    let sandbox = Sandbox::new()?;
    let sandbox_ready = begun.elapsed();
    let ledger = place.ledger()?;
    let ledger_open = begun.elapsed();
    let kit = place.kit(sandbox, ledger)?;
    let kit_ready = begun.elapsed();
    let stop = Arc::new(AtomicBool::new(false));
    let (mut study_open, mut proposed) = (None, None);
    let mut events = 0;
    let mut observer = StopAt {
        stop: Arc::clone(&stop),
        reached: |state: &State, body: &Body| {
            let found = matches!(body, Body::ExperimentProposed(_));
            if found && proposed.is_none() {
                (proposed, events) = (Some(begun.elapsed()), state.last_seq);
            }
            found
        },
    };
    let conducted = conduct(
        kit,
        &place.request(u32::MAX),
        Some(1),
        stop,
        &mut observer,
        |_| study_open = Some(begun.elapsed()),
    )?;
    let (Some(study_open), Some(proposed)) = (study_open, proposed) else {
        return Err("the study did not go on".into());
    };
    if conducted.end != End::Interrupted {
        return Err("the study went on to its end".into());
    }
    let ms = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e3;
    println!(
        "sandbox={} ledger={} program={} load={} plan={} events={events} peak_kib={}",
        sandbox_ready.as_secs_f64() * 1e3,
        ms(sandbox_ready, ledger_open),
        ms(ledger_open, kit_ready),
        ms(kit_ready, study_open),
        ms(study_open, proposed),
        peak_kib()?
    );
    Ok(())
}

/// Checks the chain, and every verdict again, as `lyceum verify` does.
pub(crate) fn check(base: &Path) -> Result<(), Failure> {
    let reader = Ledger::open_read_only(&Place::at(base)?.lab().ledger())?;
    let begun = Instant::now();
    let chain = reader.verify()?;
    if !chain.is_intact() {
        return Err(format!("{chain:?}").into());
    }
    let chain_ms = begun.elapsed().as_secs_f64() * 1e3;
    let opened = lab::load(&reader, STUDY)?.opened.ok_or("no study")?;
    let text = String::from_utf8(reader.blob(opened.definition.parse()?)?)?;
    let study =
        format::parse(&text, "study.toml", STUDY).map_err(|problems| problems.to_string())?;
    let protocol = lab::protocol_as_opened(&study, &opened)?;
    let begun = Instant::now();
    let checked = lab::check(&reader, STUDY, &protocol)?;
    let verdicts_ms = begun.elapsed().as_secs_f64() * 1e3;
    if let Some(difference) = checked.differences.first() {
        return Err(format!("event {}: {}", difference.seq, difference.what).into());
    }
    println!(
        "chain={chain_ms} verdicts={verdicts_ms} count={} events={} peak_kib={}",
        checked.verdicts,
        checked.events,
        peak_kib()?
    );
    Ok(())
}

fn peak_kib() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.ok_or("no VmHWM")?.parse()?)
}
