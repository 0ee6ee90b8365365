//! What a session costs: `bench_session steps DIRECTORY [SESSIONS [TURNS]]`, `overhead DIRECTORY [TURNS]`, `resume DIRECTORY`.
//!
//! The real harness over the real ledger on the disk. `steps` has a model and a tool that do nothing; `overhead` asks a
//! scripted server over a socket, once with the harness and once without.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    error::Error,
    fs,
    path::Path,
    sync::{Arc, Barrier, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use lyceum_agents::{
    Done, Halt, Harness, Meter, Mind, Options, Outcome, People, Toolbox, Wanted,
    session::{
        Log, State,
        event::{Body, Created, Limits, Noted, Policy},
    },
};
use lyceum_ledger::{Ledger, Options as LedgerOptions};
use lyceum_models::{
    Arguments, Block, Cancel, Event, Model, ModelError, Options as Connection, Price, Request,
    Response, Spec, Stop, Tool, ToolUse, Usage, connect,
    scripted::{Said, Server},
};
use lyceum_study::engine::{Broken, Cut};
use serde_json::json;

/// Bytes of one result: what a step leaves in the record, and what the peer's step leaves in its state.
const RESULT_BYTES: usize = 200;
/// Stack of a session's thread.
const STACK_BYTES: usize = 512 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual: u32| arguments.get(at).map_or(Ok(usual), |text| text.parse());
    let directory = arguments.get(1).ok_or("expected a directory")?;
    let directory = Path::new(directory);
    fs::create_dir_all(directory)?;
    match arguments.first().map(String::as_str) {
        Some("steps") => steps(directory, number(2, 1000)?, number(3, 10)?),
        Some("overhead") => overhead(directory, number(2, 300)?),
        Some("resume") => resume(directory),
        _ => Err("expected `steps`, `overhead` or `resume`".into()),
    }
}

/// A model that answers each request with one call.
struct Caller;

impl Model for Caller {
    fn turn(
        &self,
        request: &Request,
        _: &Cancel,
        _: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError> {
        let value = json!({ "step": request.messages.len() });
        let call = ToolUse {
            id: "call".into(),
            name: "work".into(),
            arguments: Arguments::Object { value },
            kept: None,
        };
        Ok(Response {
            blocks: vec![Block::ToolUse(call)],
            stop: Stop::ToolUse,
            usage: Usage {
                input_tokens: 10,
                output_tokens: 1,
                reported: true,
                ..Usage::default()
            },
            price: Price::Unknown,
            model: "none".into(),
            id: None,
            request_id: None,
            attempts: 1,
        })
    }

    fn name(&self) -> String {
        "none".into()
    }
}

struct Tools;

impl Toolbox for Tools {
    fn offers(&self) -> Vec<Tool> {
        vec![Tool {
            name: "work".into(),
            description: "Does nothing.".into(),
            schema: json!({ "type": "object" }),
        }]
    }

    fn brief(&self, _: &State) -> String {
        String::new()
    }

    fn call(&self, _: &State, _: &Wanted, _: &Cut) -> Result<Outcome, Broken> {
        Ok(Outcome::Result(Done::said("x".repeat(RESULT_BYTES))))
    }

    fn look_up(&self, _: &State, _: &Wanted, _: &Cut) -> Result<Outcome, Broken> {
        Ok(Outcome::Result(Done::refused("unknown")))
    }
}

fn mind(model: Box<dyn Model>) -> Mind {
    Mind {
        model,
        price: Box::new(|_| Price::Unknown),
        meter: Arc::new(Meter::default()),
        reel: lyceum_agents::Reel::default(),
    }
}

fn created(session: &str) -> Body {
    Body::Created(Created {
        session: session.to_owned(),
        objective: "do nothing, often".into(),
        constraints: vec![],
        study: "bench".into(),
        model: "none".into(),
        limits: Limits::default(),
        policy: Policy::default(),
        mounts: vec![],
        lyceum: "bench".into(),
    })
}

/// Works until a session has asked so often in this stretch.
fn drive(log: &mut Log, mind: &Mind, turns: u32) -> Result<(), String> {
    let mut harness = Harness {
        log,
        mind,
        toolbox: &Tools,
        options: Options::default(),
        turns_max: turns,
        mail: None,
        halt: Halt::default(),
        people: People::default(),
    };
    harness
        .advance()
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Resident memory of this process in KiB.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.ok_or("no VmRSS")?.parse()?)
}

/// CPU time of this process.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    // Hundredths of a second in user and in system mode.
    let stat = fs::read_to_string("/proc/self/stat")?;
    let rest = stat.rsplit_once(") ").ok_or("no stat")?.1;
    let ticks: Vec<u64> = rest
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

/// Sessions that all work at the same time: a step is a request to the model or a call of the tool, each with an intent
/// that is on the disk before it and a receipt that is on the disk after it.
fn steps(directory: &Path, sessions: u32, turns: u32) -> Result<(), Box<dyn Error>> {
    let ledger = Ledger::open(&directory.join("ledger"), LedgerOptions::default())?;
    let gate = Barrier::new(sessions as usize + 1);
    let (began, cpu_before) = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
        let mut working = Vec::new();
        for number in 0..sessions {
            let (ledger, gate) = (ledger.clone(), &gate);
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            let work = builder.spawn_scoped(scope, move || -> Result<(), String> {
                let name = format!("s{number}");
                let mut log = Log::open(ledger, &name).map_err(|error| error.to_string())?;
                let made = log.write(vec![created(&name)]);
                gate.wait();
                made.map_err(|error| error.to_string())?;
                drive(&mut log, &mind(Box::new(Caller)), turns)
            })?;
            working.push(work);
        }
        gate.wait();
        let start = (Instant::now(), cpu()?);
        for work in working {
            work.join().map_err(|_| "a session panicked")??;
        }
        Ok(start)
    })?;
    let took = began.elapsed();
    let used = cpu()?.saturating_sub(cpu_before);
    let reader = ledger.reader()?;
    let mut events = 0;
    for head in reader.streams()? {
        events += head.seq;
    }
    let done = u64::from(sessions * turns * 2);
    println!(
        "steps: {sessions} sessions at once, {turns} turns each: {done} steps in {:.2} s, {:.0} steps/s, {:.0} us CPU a step; {events} events",
        took.as_secs_f64(),
        done as f64 / took.as_secs_f64(),
        used.as_micros() as f64 / done as f64,
    );
    idle(&ledger, sessions)
}

/// Memory of sessions that wait, each held open as a process that drives it holds it.
fn idle(ledger: &Ledger, sessions: u32) -> Result<(), Box<dyn Error>> {
    // What the threads left is reused before more is taken, so a first round fills the gaps.
    let open = |sessions: u32| -> Result<Vec<Log>, Box<dyn Error>> {
        let names = (0..sessions).map(|number| format!("s{number}"));
        names
            .map(|name| Ok(Log::open(ledger.clone(), &name)?))
            .collect()
    };
    let filling = open(sessions)?;
    let before = resident()?;
    let held = open(sessions)?;
    let after = resident()?;
    println!(
        "idle: {} sessions held open, {:.1} KiB each; resident {} MiB in all",
        held.len(),
        after.saturating_sub(before) as f64 / f64::from(sessions),
        after >> 10
    );
    drop((filling, held));
    Ok(())
}

/// A model that keeps what it is asked.
struct Kept {
    model: Box<dyn Model>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Model for Kept {
    fn turn(
        &self,
        request: &Request,
        cancel: &Cancel,
        events: &mut dyn FnMut(Event),
    ) -> Result<Response, ModelError> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request.clone());
        drop(requests);
        self.model.turn(request, cancel, events)
    }

    fn name(&self) -> String {
        self.model.name()
    }
}

/// The same requests to the same server, by the harness and without it.
fn overhead(directory: &Path, turns: u32) -> Result<(), Box<dyn Error>> {
    let server = Server::answering(|received| {
        let step = json!({ "step": received.body.to_string().len() });
        Said::tool("call", "work", &step).into()
    })?;
    let spec: Spec = format!("{}/v1#bench", server.base()).parse()?;
    let model = || connect(&spec, Connection::default(), &|_| None);
    let ledger = Ledger::open(&directory.join("ledger"), LedgerOptions::default())?;
    for round in 0..5 {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Kept {
            model: Box::new(model()?),
            requests: Arc::clone(&requests),
        };
        let mut log = Log::open(ledger.clone(), &format!("o{round}"))?;
        log.write(vec![created("o")])?;
        let mind = mind(Box::new(kept));
        let (began, before) = (Instant::now(), cpu()?);
        drive(&mut log, &mind, turns)?;
        let (wall, used) = (began.elapsed(), cpu()?.saturating_sub(before));
        let requests =
            std::mem::take(&mut *requests.lock().unwrap_or_else(PoisonError::into_inner));
        let bare = model()?;
        let (began, before) = (Instant::now(), cpu()?);
        for request in &requests {
            bare.turn(request, &Cancel::new(), &mut |_| ())?;
        }
        let (bare_wall, bare_cpu) = (began.elapsed(), cpu()?.saturating_sub(before));
        let each = |time: Duration| time.as_micros() as f64 / requests.len() as f64;
        println!(
            "overhead: {} requests, bare {:.0} us wall, {:.0} us CPU; with harness {:.0} us wall, {:.0} us CPU; more by {:.0} us wall, {:.0} us CPU a turn",
            requests.len(),
            each(bare_wall),
            each(bare_cpu),
            each(wall),
            each(used),
            each(wall) - each(bare_wall),
            each(used) - each(bare_cpu)
        );
    }
    Ok(())
}

/// What it takes to go on with a session of so many events: read, fold, and be ready for the next request.
fn resume(directory: &Path) -> Result<(), Box<dyn Error>> {
    let ledger = Ledger::open(&directory.join("ledger"), LedgerOptions::default())?;
    for events in [10_u64, 100, 1_000, 10_000] {
        let name = format!("r{events}");
        let mut log = Log::open(ledger.clone(), &name)?;
        log.write(vec![created(&name)])?;
        // A turn is six events.
        let turns = u32::try_from(events / 6)?.max(1);
        drive(&mut log, &mind(Box::new(Caller)), turns)?;
        while log.state().last_seq < events {
            let text = "a note".to_owned();
            log.write(vec![Body::Noted(Noted { text })])?;
        }
        let seen = log.state().last_seq;
        drop(log);
        let mut times: Vec<f64> = (0..21)
            .map(|_| {
                let began = Instant::now();
                Log::open(ledger.clone(), &name).map(|log| {
                    drop(log);
                    began.elapsed().as_secs_f64() * 1000.0
                })
            })
            .collect::<Result<_, _>>()?;
        times.sort_by(f64::total_cmp);
        println!(
            "resume: {seen} events: {:.2} ms, {:.2} to {:.2} (median, least and most of 21)",
            times[10], times[0], times[20]
        );
    }
    Ok(())
}
