//! Checks of the tables with commands: data, run, measure, sealed.

use lyceum_types::Goal;

use super::checks::Checks;
use crate::format::{
    command::{Command, Placeholder},
    defaults,
    kind::Kind,
    source::Way,
    study::{Data, Evaluator, Executed, Measure, Metric, Run, Sealed, Timed},
    table::{self, MeasureKind},
};

/// Placeholders of an evaluator.
const EVALUATOR: [Placeholder; 2] = [Placeholder::Outputs, Placeholder::Private];

pub(super) fn data(checks: &mut Checks<'_>, data: table::Data) -> Data {
    let way = Way::root().key("data");
    let allowed = [Placeholder::Outputs, Placeholder::Inputs];
    checks.relative_path(&way.key("path"), &data.path);
    checks.file_names(&way.key("inputs"), &data.inputs);
    Data {
        command: checks.command(&way.key("command"), data.command, &allowed),
        path: data.path,
        inputs: data.inputs,
        public: data.public,
        private: data.private,
        sealed: data.sealed,
        limits: checks.limits(&way, data.timeout, data.memory),
    }
}

/// Checks that each drawn file has one side of the wall and somebody who reads it.
pub(super) fn data_names(checks: &mut Checks<'_>, data: Option<&Data>, has_sealed: bool) {
    let Some(data) = data else { return };
    let way = Way::root().key("data");
    let lists = [
        ("public", &data.public),
        ("private", &data.private),
        ("sealed", &data.sealed),
    ];
    for (index, (list, names)) in lists.iter().enumerate() {
        checks.file_names(&way.key(list), names);
        for (place, name) in names.iter().enumerate() {
            let earlier = lists[..index]
                .iter()
                .find(|(_, others)| others.contains(name));
            if let Some((other, _)) = earlier {
                let (key, with) = (format!("data.{list}"), Some(format!("data.{other}")));
                let kind = Kind::Twice {
                    key,
                    name: name.clone(),
                    with,
                };
                checks.at_value(&way.key(list).index(place), kind);
            }
        }
    }
    if !data.sealed.is_empty() && !has_sealed {
        let (key, kind) = ("[sealed]".to_owned(), "`data.sealed`".to_owned());
        checks.at_key(&way.key("sealed"), Kind::NeededForKind { key, kind });
    }
}

pub(super) fn run(checks: &mut Checks<'_>, run: table::Run) -> Run {
    let way = Way::root().key("run");
    let allowed = [
        Placeholder::Outputs,
        Placeholder::Seed,
        Placeholder::Threads,
    ];
    checks.file_names(&way.key("outputs"), &run.outputs);
    if let Some(replay) = &run.replay {
        checks.file_name(&way.key("replay"), replay);
        if run.outputs.contains(replay) {
            let (key, with) = ("run.replay".to_owned(), Some("run.outputs".to_owned()));
            let kind = Kind::Twice {
                key,
                name: replay.clone(),
                with,
            };
            checks.at_value(&way.key("replay"), kind);
        }
    }
    for name in run.environment.keys() {
        let way = way.key("environment").key(name);
        if let Some(kind) = bad_variable(&way, name) {
            checks.at_key(&way, kind);
        }
    }
    let mut toolchain = run.toolchain;
    toolchain.sort_unstable();
    toolchain.dedup();
    Run {
        command: checks.command(&way.key("command"), run.command, &allowed),
        outputs: run.outputs,
        replay: run.replay,
        threads: run.threads,
        limits: checks.limits(&way, run.timeout, run.memory),
        toolchain,
        environment: run.environment,
    }
}

/// Checks the name of an environment variable of the candidate.
pub(super) fn variable(checks: &mut Checks<'_>, way: &Way, name: &str) {
    if let Some(kind) = bad_variable(way, name) {
        checks.at_value(way, kind);
    }
}

fn bad_variable(way: &Way, name: &str) -> Option<Kind> {
    let key = way.to_string();
    let first = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        let expected = "letters, digits and `_`, not beginning with a digit".to_owned();
        Some(Kind::Name {
            key,
            found: name.to_owned(),
            expected,
        })
    } else if name.starts_with("LYCEUM_") {
        Some(Kind::ReservedVariable {
            key,
            name: name.to_owned(),
        })
    } else {
        None
    }
}

pub(super) fn sealed(checks: &mut Checks<'_>, sealed: table::Sealed) -> Sealed {
    let way = Way::root().key("sealed");
    Evaluator {
        command: checks.command(&way.key("command"), sealed.command, &EVALUATOR),
        private: checks.globs(&way.key("private"), &sealed.private),
        limits: checks.limits(&way, sealed.timeout, sealed.memory),
    }
}

pub(super) fn measure(
    checks: &mut Checks<'_>,
    measure: Option<table::Measure>,
    run: &Run,
    metric: &Metric,
) -> Option<Measure> {
    let Some(measure) = measure else {
        checks.at_key(&Way::root().key("run"), Kind::NoEvaluator);
        return None;
    };
    keys_of_kind(checks, &measure);
    match measure.kind {
        MeasureKind::Command => {
            needs_outputs(checks, run, "the files that the evaluator reads");
            evaluator(checks, measure).map(Measure::Evaluator)
        }
        MeasureKind::Executed => {
            needs_outputs(checks, run, "the program that is executed");
            executed(checks, measure).map(Measure::Executed)
        }
        MeasureKind::Timed => {
            if metric.goal == Goal::Minimize {
                checks.at_value(&Way::root().key("metric").key("goal"), Kind::TimedGoal);
            }
            timed(checks, measure).map(Measure::Timed)
        }
        MeasureKind::SelfReported => Some(Measure::SelfReported),
    }
}

fn needs_outputs(checks: &mut Checks<'_>, run: &Run, expected: &str) {
    if run.outputs.is_empty() {
        let kind = Kind::Empty {
            key: "run.outputs".to_owned(),
            expected: expected.to_owned(),
        };
        checks.at_value(&Way::root().key("run").key("outputs"), kind);
    }
}

/// Reports keys that mean nothing for the kind, and keys that it needs.
fn keys_of_kind(checks: &mut Checks<'_>, measure: &table::Measure) {
    let way = Way::root().key("measure");
    let timed = measure.kind == MeasureKind::Timed;
    let reported = measure.kind == MeasureKind::SelfReported;
    let fresh = timed || measure.kind == MeasureKind::Executed;
    let only_timed = "`kind = \"timed\"`";
    let only_fresh = "`kind = \"executed\"` or `\"timed\"`";
    let present = [
        (
            "command",
            measure.command.is_some(),
            !reported,
            !reported,
            "an evaluator",
        ),
        (
            "private",
            !measure.private.is_empty(),
            !reported,
            false,
            "an evaluator",
        ),
        ("input", measure.input.is_some(), fresh, fresh, only_fresh),
        ("check", measure.check.is_some(), fresh, fresh, only_fresh),
        ("pairs", measure.pairs.is_some(), timed, false, only_timed),
        ("clock", measure.clock.is_some(), timed, false, only_timed),
    ];
    for (key, is_present, allowed, needed, belongs) in present {
        let kind = format!("a measurement of kind \"{}\"", measure.kind.name());
        let key_path = format!("measure.{key}");
        if is_present && !allowed {
            let belongs = belongs.to_owned();
            checks.at_key(
                &way.key(key),
                Kind::NotForKind {
                    key: key_path,
                    kind,
                    belongs,
                },
            );
        } else if needed && !is_present {
            checks.at_key(
                &way,
                Kind::NeededForKind {
                    key: key_path,
                    kind,
                },
            );
        }
    }
}

fn evaluator(checks: &mut Checks<'_>, measure: table::Measure) -> Option<Evaluator> {
    let way = Way::root().key("measure");
    let private = checks.globs(&way.key("private"), &measure.private);
    let limits = checks.limits(&way, measure.timeout, measure.memory);
    let command = checks.command(&way.key("command"), measure.command?, &EVALUATOR);
    Some(Evaluator {
        command,
        private,
        limits,
    })
}

fn executed(checks: &mut Checks<'_>, measure: table::Measure) -> Option<Executed> {
    use Placeholder::{Input, Output, Outputs, Private, Seed};
    let way = Way::root().key("measure");
    let private = checks.globs(&way.key("private"), &measure.private);
    let limits = checks.limits(&way, measure.timeout, measure.memory);
    let (command, input, check) = (measure.command?, measure.input?, measure.check?);
    let command = checks.command(&way.key("command"), command, &[Outputs, Input, Output]);
    let input = checks.command(&way.key("input"), input, &[Seed, Input, Private]);
    let allowed = [Input, Output, Outputs, Private];
    let check = checks.command(&way.key("check"), check, &allowed);
    let uses = [
        (
            "command",
            &command,
            Output,
            "without an output there is nothing to judge",
        ),
        (
            "input",
            &input,
            Input,
            "the input has to be written somewhere",
        ),
        (
            "check",
            &check,
            Output,
            "the program's output has to be judged",
        ),
    ];
    must_use(checks, &uses);
    Some(Executed {
        command,
        input,
        check,
        private,
        limits,
    })
}

/// Reports commands of a measurement that leave out a placeholder without which they make no sense.
fn must_use(checks: &mut Checks<'_>, uses: &[(&str, &Command, Placeholder, &str)]) {
    let way = Way::root().key("measure");
    for (key, command, placeholder, why) in uses {
        if !command.words().is_empty() && !command.uses(*placeholder) {
            let kind = Kind::PlaceholderUnused {
                key: format!("measure.{key}"),
                placeholder: placeholder.name().to_owned(),
                why: (*why).to_owned(),
            };
            checks.at_value(&way.key(key), kind);
        }
    }
}

fn timed(checks: &mut Checks<'_>, measure: table::Measure) -> Option<Timed> {
    use Placeholder::{Baseline, Input, Output, Outputs, Private, Seed};
    let way = Way::root().key("measure");
    let private = checks.globs(&way.key("private"), &measure.private);
    let limits = checks.limits(&way, measure.timeout, measure.memory);
    let (command, input, check) = (measure.command?, measure.input?, measure.check?);
    let command = checks.command(&way.key("command"), command, &[Outputs, Input, Output]);
    let input = checks.command(&way.key("input"), input, &[Seed, Input, Private]);
    let check = checks.command(&way.key("check"), check, &[Baseline, Output, Private]);
    let uses = [
        (
            "command",
            &command,
            Output,
            "without an output there is nothing to compare",
        ),
        (
            "input",
            &input,
            Input,
            "the input has to be written somewhere",
        ),
        (
            "check",
            &check,
            Output,
            "the candidate's output has to be compared",
        ),
        (
            "check",
            &check,
            Baseline,
            "the candidate's output has to be compared with the baseline's",
        ),
    ];
    must_use(checks, &uses);
    Some(Timed {
        command,
        input,
        check,
        pairs: measure.pairs.unwrap_or(defaults::TIMED_PAIRS),
        clock: measure.clock.unwrap_or_default(),
        private,
        limits,
    })
}
