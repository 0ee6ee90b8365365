//! `lyceum run`: works on a study until it is finished.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lyceum_agents::{Agency, Brief, Tapes};
use lyceum_stats::Rule;
use lyceum_study::{
    engine::{End, Observer},
    format::Study,
    lab::{self, Conducted, Opening, Request, conduct_with},
};

use super::{report::write_report, taping::Taping};
use crate::{
    context::{LabPlace, Minimum},
    exit::Exit,
    failure::Failure,
    view::{self, Json, Live, Plain, summary, words},
};

/// How often a session without a study looks whether it is asked to stop.
const STOP_POLL: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Directory of the study
    study: PathBuf,
    #[command(flatten)]
    way: Way,
}

/// How a study is worked on.
#[derive(Debug, clap::Args)]
pub(super) struct Way {
    #[command(flatten)]
    pub(super) minimum: Minimum,
    /// Who proposes: a sampler (gp, portfolio, network, tpe, cma, evolution, sobol, sweep, random), a network of your own as
    /// `network:FILE`, or a language model as `anthropic:MODEL`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL`,
    /// `command:PROGRAM`, or samplers and a model as `mixed:SAMPLER+MODEL` [default: the study's own choice, else gp]
    #[arg(long, value_name = "NAME")]
    pub(super) researcher: Option<String>,
    /// Root seed of a new study, from which all seeds follow [default: drawn at random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Begin the study anew, beside what the lab knows of it
    #[arg(long)]
    again: bool,
    /// Most experiments, in place of the study's own number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    experiments: Option<u32>,
    /// Keep rule of a new study: adaptive, greedy, two-sigma, best-of-three or always-confirm [default: adaptive]
    #[arg(long, value_name = "RULE")]
    rule: Option<Rule>,
    /// Memory store whose suggestions a new study begins with, as `lyceum dream` wrote them
    #[arg(long, value_name = "STORE")]
    memory: Option<String>,
    /// Most experiments side by side [default: as many as the machine has processors for]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    slots: Option<u16>,
    /// File that the study's data program reads
    #[arg(long, value_name = "NAME=FILE", value_parser = input)]
    input: Vec<(String, PathBuf)>,
    /// Your own text: the same as --input text=FILE
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// A person is there to be asked by a language model, also without a terminal
    #[arg(long)]
    person: bool,
    /// No person is there: a language model's question is answered with that, and what needs a person's word is refused
    #[arg(long, conflicts_with = "person")]
    no_person: bool,
    #[command(flatten)]
    pub(super) taping: Taping,
}

pub(super) fn input(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    work(
        place,
        json,
        &arguments.study,
        &arguments.way,
        Brief::default(),
    )
}

impl Way {
    /// Returns what is given that a study alone can have.
    pub(super) fn of_a_study(&self) -> Option<&'static str> {
        let given = [
            (self.seed.is_some(), "--seed"),
            (self.again, "--again"),
            (self.experiments.is_some(), "--experiments"),
            (self.rule.is_some(), "--rule"),
            (self.memory.is_some(), "--memory"),
            (self.slots.is_some(), "--slots"),
            (!self.input.is_empty(), "--input"),
            (self.text.is_some(), "--text"),
        ];
        given
            .into_iter()
            .find(|(given, _)| *given)
            .map(|(_, name)| name)
    }

    /// Returns whether a person is there, where the command says so.
    pub(super) fn person(&self) -> Option<bool> {
        match (self.person, self.no_person) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        }
    }
}

/// Returns whoever hires agents, with what a new session is made of.
fn agency(brief: Brief, tapes: Tapes) -> Agency {
    Agency {
        brief,
        environment: lyceum_models::environment,
        tapes,
        tell: || Arc::new(|line: &str| view::note(&words::clean(line))),
    }
}

/// Looks whether a language model of this name can be asked, before anything is made or locked.
pub(super) fn check_model(name: &str, tapes: &Tapes) -> Result<(), Failure> {
    if lyceum_study::lab::agent_in(name).is_none() {
        return Ok(());
    }
    mind(name, tapes).map(drop)
}

/// Refuses a budget of money beside a model of which nobody knows what it costs.
fn check_prices(study: &Study, researcher: Option<&str>, tapes: &Tapes) -> Result<(), Failure> {
    if study.budget.money.is_none() {
        return Ok(());
    }
    let researcher = researcher.or(study.researcher.as_deref());
    let agent = researcher.and_then(lyceum_study::lab::agent_in);
    for name in agent.into_iter().chain(study.judges()) {
        if !has_price(name, tapes)? {
            return Err(Failure::bad_input(format!(
                "`[budget] money` needs models whose price is known, and that of `{name}` is not"
            ))
            .hint("bound what they may spend with `[budget] tokens`"));
        }
    }
    Ok(())
}

/// Tells whether it is known what a language model of this name costs.
pub(super) fn has_price(name: &str, tapes: &Tapes) -> Result<bool, Failure> {
    Ok(mind(name, tapes)?.has_price())
}

pub(super) fn mind(name: &str, tapes: &Tapes) -> Result<lyceum_agents::Mind, Failure> {
    let name = lyceum_study::lab::agent_in(name).unwrap_or(name);
    let spec = name.parse::<lyceum_models::Spec>();
    let spec = spec.map_err(|error| Failure::bad_input(error.to_string()))?;
    tapes
        .hire(&spec, &lyceum_models::environment)
        .map_err(|error| Failure::bad_input(format!("{name}: {error}")))
}

/// Works on a study; `brief` is what a new session of an agent is made of.
pub(super) fn work(
    place: &LabPlace,
    json: bool,
    directory: &Path,
    arguments: &Way,
    mut brief: Brief,
) -> Result<Exit, Failure> {
    brief.person = arguments.person();
    brief.terminal = std::io::stderr().is_terminal();
    let tapes = arguments.taping.tapes()?;
    if let Some(name) = &arguments.researcher {
        check_model(name, &tapes)?;
    }
    let mut inputs: BTreeMap<String, PathBuf> = arguments.input.iter().cloned().collect();
    inputs.extend(
        arguments
            .text
            .iter()
            .map(|file| ("text".to_owned(), file.clone())),
    );
    let request = Request {
        directory: directory.to_owned(),
        researcher: arguments.researcher.clone(),
        seed: arguments.seed.or(tapes.seed()),
        inputs,
        again: arguments.again,
        experiments: arguments.experiments,
        rule: arguments.rule,
        memory: arguments.memory.clone(),
    };
    // A study that is not right is told before anything is made or locked.
    let opened = lyceum_study::format::open(&request.directory)?;
    check_prices(&opened.study, request.researcher.as_deref(), &tapes)?;
    let stop = stop_on_signals()?;
    let kit = place.kit_at(arguments.minimum)?;
    let mut observer: Box<dyn Observer> = if json {
        Box::new(Json)
    } else if std::io::stderr().is_terminal() {
        Box::new(Live::new())
    } else {
        Box::new(Plain::new())
    };
    let slots = arguments.slots.map(usize::from);
    let ready = |opening: &Opening| {
        if !json {
            summary::opening(opening);
        }
    };
    let agency = agency(brief, tapes);
    let looker = observer.as_mut();
    let conducted = conduct_with(kit, &request, slots, stop, looker, ready, &agency);
    drop(observer);
    let conducted = conducted?;
    end(place, json, &conducted)
}

/// Sets a flag at the first SIGINT or SIGTERM; the second ends the program at once.
pub(super) fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let code = i32::from(Exit::Interrupted.number());
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// The same, and when somebody asks the lab to stop.
pub(super) fn stop_when_asked(lab: &lab::Lab) -> Result<Arc<AtomicBool>, Failure> {
    let stop = stop_on_signals()?;
    let (file, asked) = (lab.stop(), Arc::clone(&stop));
    // Ends with the process.
    std::thread::spawn(move || {
        while !file.exists() {
            std::thread::sleep(STOP_POLL);
        }
        asked.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}

fn end(place: &LabPlace, json: bool, conducted: &Conducted) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let path = write_report(place, &reader, &conducted.study)?;
    if !json {
        summary::end(&conducted.study, &conducted.state, &path);
    }
    Ok(match (conducted.end, &conducted.state.finished) {
        (End::Interrupted, _) => {
            if !json {
                summary::how_to_go_on();
            }
            Exit::Interrupted
        }
        (End::Held, _) => {
            if !json {
                summary::who_is_waited_for(&conducted.study, &conducted.state);
            }
            Exit::Waits
        }
        (End::Finished, Some(finished)) if finished.satisfied => Exit::Done,
        (End::Finished, Some(finished)) if finished.cut_short => Exit::BudgetSpent,
        (End::Finished, _) => Exit::Unsatisfied,
    })
}
