//! `lyceum explain`: five questions about what was accepted; who answers four of them has understood it.

use lyceum_ledger::{Ledger, Options};
use lyceum_oversight::explain::{self, Item};
use lyceum_study::{
    engine::Journal as _,
    lab::{self, StudyJournal},
};
use lyceum_types::{Body, Explained};

use crate::{
    context::{LabPlace, known},
    exit::Exit,
    failure::Failure,
    view::words,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The study [default: the one that was worked on last]
    study: Option<String>,
    /// Answers to the five questions, by number, as 1,3,2,4,1
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',',
          value_parser = clap::value_parser!(u8).range(1..=explain::CHOICES as i64))]
    answers: Vec<u8>,
}

pub(super) fn run(place: &LabPlace, json: bool, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = place.reader()?;
    let name = known(&reader, arguments.study.as_deref())?.name;
    // Who answers holds the lab, so that nothing comes between the questions and the answers.
    let ledger = (!arguments.answers.is_empty())
        .then(|| Ledger::open(&place.lab()?.ledger(), Options::default()).map_err(Failure::from))
        .transpose()?;
    let events = lab::events_before(&reader, &name, u64::MAX)?;
    let before = events
        .iter()
        .filter(|(_, body)| matches!(body, Body::Explained(_)));
    let tries = before.count() as u64;
    let items = explain::items(&events, tries).ok_or_else(|| {
        Failure::bad_input(format!(
            "nothing was accepted in study `{name}` so far: nothing is to be explained"
        ))
    })?;
    match ledger {
        None => ask(&name, &items, json),
        Some(ledger) => {
            let mut journal = StudyJournal::new(ledger, &name);
            grade(&mut journal, &items, tries, &arguments.answers, json)
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn ask(name: &str, items: &[Item], json: bool) -> Result<Exit, Failure> {
    if json {
        let shown = items
            .iter()
            .map(|item| serde_json::json!({ "question": item.question, "choices": item.choices }));
        println!("{}", serde_json::to_string(&shown.collect::<Vec<_>>())?);
        return Ok(Exit::Done);
    }
    for (number, item) in (1..).zip(items) {
        println!("{number}. {}", words::clean(&item.question));
        for (place, choice) in (1..).zip(&item.choices) {
            println!("   {place}) {}", words::clean(choice));
        }
    }
    println!("answer with: lyceum explain {name} --answers N,N,N,N,N");
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn grade(
    journal: &mut StudyJournal,
    items: &[Item],
    tries: u64,
    answers: &[u8],
    json: bool,
) -> Result<Exit, Failure> {
    if answers.len() != items.len() {
        let (found, expected) = (answers.len(), items.len());
        return Err(Failure::bad_input(format!(
            "found {found} answers, expected {expected}"
        )));
    }
    let answers: Vec<u8> = answers.iter().map(|answer| answer - 1).collect();
    let right = explain::right(items, &answers);
    let passed = right >= explain::PASS;
    let explained = Explained {
        tries,
        answers,
        right: right as u32,
        passed,
    };
    journal.append(vec![Body::from(explained)])?;
    if json {
        println!(
            "{}",
            serde_json::json!({ "right": right, "of": items.len(), "passed": passed })
        );
    } else {
        let said = if passed {
            "passed"
        } else {
            "not passed; the questions are others now"
        };
        println!("{right} of {} right: {said}", items.len());
    }
    Ok(if passed {
        Exit::Done
    } else {
        Exit::Unsatisfied
    })
}
