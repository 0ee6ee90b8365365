//! Runs of workflows in memory: every instant at which a process can die, budgets, failures, reuse.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use lyceum_agents::{
    Fold as _,
    workflow::{
        Asked, Body, Came, Conductor, Created, Crew, Item, Journal, Over, Phase, Prepared, Refusal,
        Reserved, RunResult, Spent, State, Status, Step, StepEnd, StopReason, Watcher, Workflow,
        differing, known_results,
    },
};
use lyceum_ledger::{Ledger, NewEvent};
use lyceum_study::engine::{Broken, Cut};

use crate::world::ledger;

const FILE: &str = r#"
name = "w"

[[phase]]
name = "map"
list = ["a", "b", "c", "b", "bad", "shy"]
parallel = 3
[phase.command]
run = ["true"]

[[phase]]
name = "reduce"
[phase.command]
run = ["true"]
uses = ["map"]
"#;

fn workflow(text: &str) -> Workflow {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("workflow.toml");
    fs::write(&file, text).unwrap();
    Workflow::open(&file).unwrap()
}

/// Steps that are words; what was carried out is counted.
#[derive(Default)]
struct Words {
    carried_out: Mutex<Vec<String>>,
    halt: Arc<AtomicBool>,
    /// Interrupts the process once so many steps were carried out.
    halt_after: Option<usize>,
    unreachable: bool,
    /// Times that the lab fails at "c" yet.
    faults: Mutex<u32>,
    /// "c" waits for a person, or is cut by nobody.
    waits: bool,
    cut: bool,
    /// Times that the worker of "c" panics yet.
    panics: Mutex<u32>,
    /// What all steps are made of.
    made_of: &'static str,
}

impl Crew for Words {
    type Task = (String, usize);

    fn items(&self, phase: &Phase, _: &State) -> Result<Vec<Item>, Refusal> {
        let texts = match &phase.over {
            Over::List(list) => list.clone(),
            _ => vec![String::new()],
        };
        let item = |text| Item {
            text,
            files: vec![],
        };
        Ok(texts.into_iter().map(item).collect())
    }

    fn prepare(
        &self,
        phase: &Phase,
        _: u32,
        step: &Step,
        state: &State,
    ) -> Result<Prepared<(String, usize)>, Refusal> {
        let mut text = step.item.text.clone();
        if phase.name == "reduce" {
            let before = state.phase("map").unwrap();
            text = before.results().map(|(_, result)| result).collect();
        }
        Ok(Prepared {
            key: format!("{}:{text}{}", phase.name, self.made_of),
            reserved: Reserved {
                tokens: 10,
                ..Reserved::default()
            },
            task: (text, step.refused.len()),
        })
    }

    fn carry_out(&self, (text, refused): (String, usize), _: &Cut) -> Result<Came, Broken> {
        let mut all = self.carried_out.lock().unwrap();
        all.push(text.clone());
        if text == "c" && take_one(&self.panics) {
            drop(all);
            panic!("a fault of the lab");
        }
        if self.halt_after == Some(all.len()) {
            self.halt.store(true, Ordering::Relaxed);
        }
        let end = match text.as_str() {
            _ if self.unreachable => Err(StopReason::RetriesExhausted {
                error: "nobody answers".to_owned(),
            }),
            "c" if self.broken() => {
                let full = std::io::Error::other("the disk is full");
                return Err(Broken::while_doing("laying out files")(full));
            }
            "c" if self.waits => Err(StopReason::RequiresAction {
                action: "a word".to_owned(),
            }),
            "c" if self.cut => Ok(StepEnd::Cut {
                why: "no reason".into(),
            }),
            "bad" => Ok(StepEnd::Failed {
                why: "it is bad".into(),
            }),
            "shy" if refused == 0 => Ok(StepEnd::Refused {
                answer: "?".into(),
                why: "no answer".into(),
            }),
            _ => Ok(StepEnd::Done {
                result: text.to_uppercase(),
                citations: 0,
                reused: None,
            }),
        };
        let spent = Spent {
            tokens: 4,
            ..Spent::default()
        };
        Ok(Came { end, spent })
    }
}

impl Words {
    fn broken(&self) -> bool {
        take_one(&self.faults)
    }
}

fn take_one(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().unwrap();
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

struct Nobody;

impl Watcher for Nobody {
    fn event(&mut self, _: &State, _: &Body) {}
}

fn open(ledger: &Ledger, workflow: &Workflow, run: &str) -> Journal {
    let mut journal = Journal::open(ledger.clone(), run).unwrap();
    if journal.state().created.is_none() {
        let created = Created {
            run: run.into(),
            workflow: workflow.name.clone(),
            description: String::new(),
            definition: workflow.text.clone(),
            digest: workflow.digest.clone(),
            model: None,
            budget: workflow.budget,
            fresh: false,
            lyceum: "0".into(),
        };
        journal.write(vec![Body::Created(created)]).unwrap();
    }
    journal
}

fn conduct(ledger: &Ledger, workflow: &Workflow, run: &str, words: &Words) -> State {
    conduct_unless(ledger, workflow, run, words, &|| None)
}

fn conduct_unless(
    ledger: &Ledger,
    workflow: &Workflow,
    run: &str,
    words: &Words,
    asked: &(dyn Fn() -> Option<Asked> + Sync),
) -> State {
    let mut journal = open(ledger, workflow, run);
    let known = known_results(&ledger.reader().unwrap()).unwrap();
    Conductor {
        journal: &mut journal,
        workflow,
        crew: words,
        known,
        halt: Arc::clone(&words.halt),
        asked,
        watcher: &mut Nobody,
    }
    .conduct()
    .unwrap();
    journal.state().clone()
}

/// Items with what came of them.
type Ends = Vec<(String, Option<String>)>;

/// Returns what a run came to, without how often anything was tried.
fn outcome(state: &State) -> (Status, Vec<Ends>) {
    let phases = state.phases.iter().map(|phase| {
        let steps = phase.steps.iter().map(|step| {
            let end = match &step.end {
                Some(StepEnd::Done { result, .. }) => Some(result.clone()),
                Some(StepEnd::Failed { why }) => Some(format!("failed: {why}")),
                _ => None,
            };
            (step.item.text.clone(), end)
        });
        steps.collect()
    });
    (state.status.clone(), phases.collect())
}

fn events(ledger: &Ledger, run: &str) -> Vec<Body> {
    let mut all = Vec::new();
    State::read(&ledger.reader().unwrap(), run, 0, |_, _, body| {
        all.push(body);
        Ok(())
    })
    .unwrap();
    all
}

#[test]
fn killed_between_any_two_events_it_comes_to_the_same_and_repeats_nothing_done() {
    let workflow = workflow(FILE);
    let whole = ledger();
    let expected = conduct(&whole, &workflow, "w", &Words::default());
    assert_eq!(expected.status, Status::Ended(RunResult::Completed));
    assert_eq!(expected.phases[0].counts(), (5, 1));
    let all = events(&whole, "w");
    assert!(all.len() > 20, "{}", all.len());
    for alive in 1..=all.len() {
        let again = ledger();
        let before = all[..alive].iter();
        let before =
            before.map(|body| NewEvent::new(body.kind(), body.version(), body.encode().unwrap()));
        again
            .append(&State::stream_of("w"), before.collect())
            .unwrap();
        let known = Journal::open(again.clone(), "w").unwrap().state().clone();
        let words = Words::default();
        let state = conduct(&again, &workflow, "w", &words);
        assert_eq!(outcome(&state), outcome(&expected), "after {alive} events");
        let open = known.phases.iter().flat_map(|phase| &phase.steps);
        let open = open.filter(|step| step.open.is_some()).count() as u64;
        let carried_out = words.carried_out.lock().unwrap();
        let done = known.phases.iter().flat_map(|phase| &phase.steps);
        for step in done.filter(|step| step.end.is_some() && !step.item.text.is_empty()) {
            assert!(
                !carried_out.contains(&step.item.text),
                "{} after {alive}",
                step.item.text
            );
        }
        // Every attempt without a receipt is charged with all that was reserved for it.
        assert_eq!(state.used.tokens, 4 * (state.used.steps - open) + 10 * open);
    }
}

#[test]
fn the_same_step_is_done_once_in_a_run_and_in_the_next() {
    let workflow = workflow(FILE);
    let lab = ledger();
    let first = Words::default();
    let state = conduct(&lab, &workflow, "w", &first);
    let twins = first.carried_out.lock().unwrap();
    assert_eq!(twins.iter().filter(|text| *text == "b").count(), 1);
    let reused =
        |state: &State, phase: usize, step: usize| match &state.phases[phase].steps[step].end {
            Some(StepEnd::Done { reused, .. }) => reused.clone(),
            _ => None,
        };
    assert!(reused(&state, 0, 1).is_some() != reused(&state, 0, 3).is_some());
    let second = Words::default();
    let state = conduct(&lab, &workflow, "w~2", &second);
    // What failed is tried again, and nothing else.
    assert_eq!(*second.carried_out.lock().unwrap(), ["bad"]);
    assert_eq!(reused(&state, 0, 0).unwrap().run, "w");
    assert_eq!(state.status, Status::Ended(RunResult::Completed));
}

#[test]
fn a_budget_pauses_and_a_larger_one_goes_on() {
    let lab = ledger();
    let small =
        workflow(&FILE.replace("name = \"map\"", "name = \"map\"\nbudget = { tokens = 22 }"));
    let words = Words::default();
    let state = conduct(&lab, &small, "w", &words);
    let reason = StopReason::BudgetReached {
        phase: Some("map".into()),
        budget: "tokens".into(),
    };
    assert_eq!(state.status, Status::Idle(reason));
    assert!(state.used.tokens <= 22 && words.carried_out.lock().unwrap().len() >= 3);
    // Budgets are no part of what is done.
    let large = workflow(FILE);
    assert_eq!(small.digest, large.digest);
    let state = conduct(&lab, &large, "w", &words);
    assert_eq!(state.status, Status::Ended(RunResult::Completed));
    let counted = words.carried_out.lock().unwrap();
    assert_eq!(counted.iter().filter(|text| *text == "a").count(), 1);
}

#[test]
fn interrupted_stopped_and_unreachable_are_three_states() {
    let workflow = workflow(FILE);
    let words = Words {
        halt_after: Some(2),
        ..Words::default()
    };
    let state = conduct(&ledger(), &workflow, "w", &words);
    assert_eq!(state.status, Status::Idle(StopReason::Interrupted));
    let words = Words {
        unreachable: true,
        ..Words::default()
    };
    let lab = ledger();
    let state = conduct(&lab, &workflow, "w", &words);
    let error = "nobody answers".to_owned();
    assert_eq!(
        state.status,
        Status::Idle(StopReason::RetriesExhausted { error })
    );
    assert!(state.phases[0].steps.iter().all(|step| step.end.is_none()));
    let words = Words::default;
    let pause = || Some(Asked::Pause("a moment".to_owned()));
    let state = conduct_unless(&lab, &workflow, "w", &words(), &pause);
    let why = "a moment".to_owned();
    assert_eq!(state.status, Status::Idle(StopReason::LabStopped { why }));
    let words = words();
    let stop = || Some(Asked::Stop("enough".to_owned()));
    let state = conduct_unless(&lab, &workflow, "w", &words, &stop);
    let why = "enough".to_owned();
    assert_eq!(state.status, Status::Ended(RunResult::Stopped { why }));
    assert!(words.carried_out.lock().unwrap().is_empty());
}

#[test]
fn a_phase_without_a_result_ends_the_run_as_failed() {
    let all_bad = workflow(&FILE.replace(r#"["a", "b", "c", "b", "bad", "shy"]"#, r#"["bad"]"#));
    let state = conduct(&ledger(), &all_bad, "w", &Words::default());
    let Status::Ended(RunResult::Failed { why }) = &state.status else {
        panic!("{:?}", state.status);
    };
    assert!(
        why.contains("all 1 steps failed") && why.contains("it is bad"),
        "{why}"
    );
    assert_eq!(state.phases.len(), 1);
}

#[test]
fn a_step_that_kills_the_lab_each_time_is_given_up_and_a_study_goes_on() {
    let file = FILE.replace(r#"["a", "b", "c", "b", "bad", "shy"]"#, r#"["a", "z"]"#);
    let state = died_three_times(&file);
    let Some(StepEnd::Failed { why }) = &state.phases[0].steps[0].end else {
        panic!("{:?}", state.phases[0].steps[0]);
    };
    assert!(why.contains("the lab died 3 times"), "{why}");
    assert_eq!(state.phases[0].counts(), (1, 1));
    let study = "[phase.study]\npath = \"p\"\nresearcher = \"random\"";
    let command = "[phase.command]\nrun = [\"true\"]\n\n";
    let state = died_three_times(&file.replace(command, &format!("{study}\n\n")));
    assert_eq!(state.phases[0].counts(), (2, 0));
    assert_eq!(state.phases[0].steps[0].unknown, 3);
}

/// Returns what comes of a run during whose first step the lab died three times.
fn died_three_times(file: &str) -> State {
    let workflow = workflow(file);
    let whole = ledger();
    conduct(&whole, &workflow, "w", &Words::default());
    let begun = |body: &Body| matches!(body, Body::StepStarted(_));
    let all = events(&whole, "w");
    let until = all.iter().position(begun).unwrap();
    let lab = ledger();
    let put = |body: &Body| {
        let event = NewEvent::new(body.kind(), body.version(), body.encode().unwrap());
        lab.append(&State::stream_of("w"), vec![event]).unwrap();
    };
    all[..=until].iter().for_each(put);
    let Body::StepStarted(first) = &all[until] else {
        panic!("{:?}", all[until]);
    };
    for attempt in 2..=3 {
        put(&Body::StepEnded(lyceum_agents::workflow::StepEnded {
            phase: "map".into(),
            step: 1,
            attempt: attempt - 1,
            key: first.key.clone(),
            end: StepEnd::Unknown,
            spent: Spent::default(),
        }));
        let mut next = first.clone();
        next.attempt = attempt;
        put(&Body::StepStarted(next));
    }
    conduct(&lab, &workflow, "w", &Words::default())
}

#[test]
fn a_lab_that_fails_lets_the_others_end_and_waits_and_nothing_is_called_failed() {
    let workflow = workflow(FILE);
    let words = |faults| Words {
        faults: Mutex::new(faults),
        ..Words::default()
    };
    // What passes is got over.
    let state = conduct(&ledger(), &workflow, "w", &words(2));
    assert_eq!(state.status, Status::Ended(RunResult::Completed));
    assert_eq!(state.phases[0].steps[2].attempts, 3);
    let lab = ledger();
    let state = conduct(&lab, &workflow, "w", &words(u32::MAX));
    let error = "laying out files failed: the disk is full".to_owned();
    assert_eq!(state.status, Status::Idle(StopReason::LabFailed { error }));
    let steps = &state.phases[0].steps;
    assert!(
        steps
            .iter()
            .all(|step| step.open.is_none() && step.unknown == 0)
    );
    assert_eq!((steps[2].attempts, &steps[2].end), (3, &None));
    // Again and again, and then the lab is mended.
    conduct(&lab, &workflow, "w", &words(u32::MAX));
    let state = conduct(&lab, &workflow, "w", &Words::default());
    assert_eq!(state.status, Status::Ended(RunResult::Completed));
    assert_eq!(state.phases[0].counts(), (5, 1));
}

#[test]
fn a_worker_that_panics_is_a_fault_of_its_step_and_the_others_go_on() {
    let workflow = workflow(&FILE.replace("parallel = 3", "parallel = 1"));
    let words = |panics| Words {
        panics: Mutex::new(panics),
        ..Words::default()
    };
    let lab = ledger();
    let state = conduct(&lab, &workflow, "w", &words(u32::MAX));
    let error = "its worker panicked: a fault of the lab".to_owned();
    assert_eq!(
        state.status,
        Status::Idle(StopReason::LabFailed {
            error: error.clone()
        })
    );
    // The steps after it were done all the same; it was begun three times, each charged with all that was reserved.
    let steps = &state.phases[0].steps;
    let open = |step: &&Step| step.end.is_none();
    assert_eq!(steps.iter().filter(open).count(), 1);
    assert_eq!((steps[2].attempts, &steps[2].end), (3, &None));
    let named = |body: &Body| matches!(body, Body::StepEnded(ended) if ended.end == StepEnd::Fault { why: error.clone() } && ended.spent.tokens == 10);
    assert_eq!(events(&lab, "w").iter().filter(|one| named(one)).count(), 3);
    // The next process begins it again, and a panic that passes is got over.
    let state = conduct(&lab, &workflow, "w", &words(2));
    assert_eq!(state.status, Status::Ended(RunResult::Completed));
    assert_eq!(state.phases[0].counts(), (5, 1));
    assert_eq!(state.phases[0].steps[2].attempts, 6);
}

#[test]
fn what_waits_for_a_person_is_not_begun_again_and_what_nobody_cut_not_for_ever() {
    let workflow = workflow(FILE);
    let lab = ledger();
    let words = Words {
        waits: true,
        ..Words::default()
    };
    let state = conduct(&lab, &workflow, "w", &words);
    let action = "a word".to_owned();
    assert_eq!(
        state.status,
        Status::Idle(StopReason::RequiresAction { action })
    );
    assert_eq!(state.phases[0].steps[2].attempts, 1);
    let words = Words {
        cut: true,
        ..Words::default()
    };
    let state = conduct(&lab, &workflow, "w", &words);
    let error = "no reason".to_owned();
    assert_eq!(state.status, Status::Idle(StopReason::LabFailed { error }));
    assert_eq!(state.phases[0].steps[2].attempts, 4);
    let state = conduct(&lab, &workflow, "w", &Words::default());
    assert_eq!(state.status, Status::Ended(RunResult::Completed));
}

#[test]
fn a_done_step_that_would_be_another_now_is_found() {
    let workflow = workflow(FILE);
    let words = Words {
        halt_after: Some(2),
        ..Words::default()
    };
    let state = conduct(&ledger(), &workflow, "w", &words);
    assert!(state.phases[0].counts().0 > 0 && !state.is_over());
    assert_eq!(differing(&workflow, &Words::default(), &state), None);
    let changed = Words {
        made_of: ", changed",
        ..Words::default()
    };
    let found = differing(&workflow, &changed, &state).unwrap();
    assert!(found.starts_with("map/"), "{found}");
}

#[test]
fn mistakes_in_a_file_are_named() {
    let wrong = |from: &str, to: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("w.toml");
        fs::write(&file, FILE.replace(from, to)).unwrap();
        Workflow::open(&file).unwrap_err().to_string()
    };
    for (from, to, said) in [
        ("name = \"w\"", "name = \"../w\"", "found `../w`"),
        (
            "parallel = 3",
            "parallel = 0",
            "parallel: expected 1 to 64, found 0",
        ),
        ("parallel = 3", "paralel = 3", "paralel"),
        (
            "uses = [\"map\"]",
            "uses = [\"mop\"]",
            "no earlier phase is called `mop`",
        ),
        (
            "name = \"reduce\"",
            "name = \"map\"",
            "another phase has this name",
        ),
        (
            "name = \"reduce\"",
            "name = \"r\"\nresults = \"r\"",
            "no earlier phase is called `r`",
        ),
        (
            "run = [\"true\"]\nuses",
            "run = [\"{itm}\"]\nuses",
            "`{itm}` is no place",
        ),
        (
            "name = \"reduce\"",
            "name = \"r\"\nlines = \"/etc/passwd\"",
            "no plain path",
        ),
        (
            "run = [\"true\"]\nuses",
            "run = [\"true\"]\ntimeout = \"0s\"\nuses",
            "timeout: expected at least 1ms",
        ),
        (
            "name = \"reduce\"",
            "name = \"r\"\nrange = [5, 1]",
            "the smaller number first, found [5, 1]",
        ),
        (
            "name = \"reduce\"",
            "name = \"r\"\nlist = []",
            "list: expected at least one",
        ),
    ] {
        let text = wrong(from, to);
        assert!(text.contains(said), "{text}");
    }
}
