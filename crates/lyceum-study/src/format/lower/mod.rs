//! From tables to a study: what the schema cannot say is checked here, without looking at any file.

mod checks;
mod commands;
mod criteria;
mod knobs;
mod limits;

use checks::Checks;

use super::{
    error::Problems,
    kind::Kind,
    problem::Problem,
    source::{Source, Way},
    study::{Metric, Session, Study, Workspace},
    table,
};

/// Returns the study of these tables, or everything that is wrong with them.
pub(super) fn lower(
    source: &Source,
    tables: table::Study,
    directory_name: &str,
) -> Result<Study, Problems> {
    let mut checks = Checks::new(source);
    let root = Way::root();
    if tables.question.trim().is_empty() {
        let expected = "the research question in words".to_owned();
        checks.at_value(
            &root.key("question"),
            Kind::Empty {
                key: "question".to_owned(),
                expected,
            },
        );
    }
    let name = name(&mut checks, tables.name, directory_name);
    let metric = metric(&mut checks, tables.metric);
    let workspace = workspace(&mut checks, &tables.workspace);
    let data = tables.data.map(|data| commands::data(&mut checks, data));
    let run = commands::run(&mut checks, tables.run);
    let sealed_looks = tables.sealed.as_ref().map_or(0, |sealed| sealed.looks);
    let sealed = tables
        .sealed
        .map(|sealed| commands::sealed(&mut checks, sealed));
    let measure = commands::measure(&mut checks, tables.measure, &run, &metric);
    let (space, writings) = knobs::knobs(&mut checks, tables.knobs, &workspace, &run);
    let progress = tables
        .progress
        .map(|progress| limits::progress(&mut checks, progress, &run));
    let budget = limits::budget(&mut checks, &tables.budget);
    let noise = limits::noise(&tables.noise);
    let confirm = limits::confirm(&mut checks, &tables.confirm);
    let trust = measure
        .as_ref()
        .map(|measure| limits::reachable(measure, sealed.is_some()));
    let rubric = limits::rubric(&mut checks, &tables.rubric, metric.goal, trust);
    let outcome = criteria::outcome(&mut checks, tables.outcome, &tables.rubric);
    let session = session(&mut checks, tables.session);
    let draw = limits::draw(&mut checks, tables.report, &run);
    commands::data_names(&mut checks, data.as_ref(), sealed.is_some());
    match (Problems::new(checks.problems), measure) {
        (None, Some(measure)) => Ok(Study {
            name,
            question: tables.question,
            researcher: tables.researcher,
            metric,
            workspace,
            data,
            run,
            measure,
            sealed,
            sealed_looks,
            space,
            writings,
            progress,
            budget,
            noise,
            confirm,
            rubric,
            outcome,
            session,
            draw,
            accepted: tables.lint.accept,
        }),
        (Some(problems), _) => Err(problems),
        (None, None) => Err(Problems::from(Problem {
            kind: Kind::NoEvaluator,
            place: None,
        })),
    }
}

fn session(checks: &mut Checks<'_>, session: table::Session) -> Session {
    let way = Way::root().key("session").key("ask_outside");
    let outside = session.ask_outside;
    Session {
        ask: session.ask.into_iter().collect(),
        ask_outside: outside.map(|patterns| checks.globs(&way, &patterns)),
        ask_after: session.ask_after,
        person: session.person,
    }
}

/// Most characters of a study's name; it becomes part of file names.
const NAME_LENGTH_MAX: usize = 64;

fn name(checks: &mut Checks<'_>, given: Option<String>, directory_name: &str) -> String {
    let usable = |name: &str| {
        (1..=NAME_LENGTH_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if let Some(found) = given {
        if !usable(&found) {
            let expected = "1 to 64 of a–z, 0–9 and `-`".to_owned();
            let (key, found) = ("name".to_owned(), found.clone());
            checks.at_value(
                &Way::root().key("name"),
                Kind::Name {
                    key,
                    found,
                    expected,
                },
            );
        }
        return found;
    }
    let plain: String = directory_name
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .take(NAME_LENGTH_MAX)
        .collect();
    let name = plain.trim_matches('-').to_owned();
    if name.is_empty() {
        checks.whole(Kind::NoName {
            found: directory_name.to_owned(),
        });
    }
    name
}

fn metric(checks: &mut Checks<'_>, metric: table::Metric) -> Metric {
    checks.metric_name(&Way::root().key("metric").key("name"), &metric.name);
    Metric {
        name: metric.name,
        goal: metric.goal,
        unit: metric.unit,
    }
}

fn workspace(checks: &mut Checks<'_>, workspace: &table::Workspace) -> Workspace {
    let way = Way::root().key("workspace");
    checks.relative_path(&way.key("path"), &workspace.path);
    let editable = checks.globs(&way.key("editable"), &workspace.editable);
    let protected = checks.globs(&way.key("protected"), &workspace.protected);
    for (index, pattern) in workspace.editable.iter().enumerate() {
        if workspace.protected.contains(pattern) {
            let kind = Kind::Overlap {
                file: pattern.clone(),
                editable: pattern.clone(),
                protected: pattern.clone(),
            };
            checks.at_value(&way.key("editable").index(index), kind);
        }
    }
    Workspace {
        path: workspace.path.clone(),
        editable,
        protected,
    }
}
