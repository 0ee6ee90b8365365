//! The page as a whole: what must always hold, whatever the study.

#![expect(
    clippy::expect_used,
    reason = "a test of the whole page says what it needs"
)]

#[expect(unreachable_pub, reason = "shared with the example")]
mod samples;

use std::collections::BTreeSet;

use lyceum_report::{
    Evidence, Form, Number, Report,
    model::{Claim, RunState, Stage},
    render,
};
use lyceum_types::{RunId, Setting, Trust};
use samples::all;

fn sample(name: &str) -> Report {
    all()
        .iter()
        .find(|study| study.name == name)
        .map(samples::Study::report)
        .expect("a sample of this name")
}

/// Values of an attribute, in order.
fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str())
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// The page's text without its tags and without the lists of runs behind its numbers.
fn words(page: &str) -> String {
    let body = page.split_once("</style>").map_or(page, |(_, body)| body);
    let mut text = String::new();
    let mut in_list = false;
    for (tag, words) in body.split('<').filter_map(|part| part.split_once('>')) {
        in_list = (in_list || tag == "span class=\"from\"") && tag != "/details";
        if !in_list {
            let inline = [
                "a", "/a", "span", "/span", "code", "/code", "details", "/details", "summary",
                "/summary",
            ];
            let name = tag.split(' ').next().unwrap_or_default();
            text.push_str(if inline.contains(&name) { "" } else { " " });
            text.push_str(words);
        }
    }
    text.replace('\u{a0}', " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn the_same_events_give_the_same_bytes() {
    for (one, other) in all().iter().zip(all()) {
        assert_eq!(
            render(&one.report()),
            render(&other.report()),
            "{}",
            one.name
        );
    }
}

#[test]
fn what_oversight_raised_and_what_people_said_stands_on_the_page() {
    let page = words(&render(&sample("luck")));
    for expected in [
        "2 detectors were shown a planted control once and fired.",
        "Level of autonomy at the end: L2.",
        "r7 BLOCK D02 opened the decoy `/private/answers.json` event 9",
        "lent one session the decoy was opened by a backup",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let none = words(&render(&sample("tiny-lm")));
    assert!(!none.contains("Level of autonomy"), "it was not in force");
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    for study in all() {
        let page = render(&study.report());
        for banned in [
            "http:",
            "https:",
            "<script",
            "url(",
            "@import",
            "javascript:",
            " onload",
            " src=",
        ] {
            assert!(
                !page.to_lowercase().contains(banned),
                "{}: {banned}",
                study.name
            );
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn every_link_has_a_target_and_every_anchor_is_unique() {
    for study in all() {
        let page = render(&study.report());
        let ids = attributes(&page, "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(
            ids.len(),
            unique.len(),
            "{}: an anchor stands twice",
            study.name
        );
        let links = attributes(&page, "href");
        assert!(!links.is_empty());
        for link in links {
            let target = link.strip_prefix('#').expect("links stay in the page");
            assert!(
                unique.contains(target),
                "{}: no target for {link}",
                study.name
            );
        }
    }
}

#[test]
fn every_number_is_a_link_or_a_list_of_links() {
    let page = render(&sample("tiny-lm"));
    let after_legend = page.split_once("id=\"facts\"").expect("key facts").1;
    // Text that only shows what a trust level looks like, and self-reported values in a run's own row, are spans.
    let results = after_legend.split_once("id=\"runs\"").expect("runs").0;
    let mut found = 0;
    for (index, _) in results.match_indices("class=\"n") {
        let tag = results[..index]
            .rsplit('<')
            .next()
            .expect("an open tag")
            .trim();
        if tag.starts_with("a ") || tag == "a" || tag == "summary" {
            found += 1;
        } else {
            assert!(
                !results[index..].starts_with("class=\"n ")
                    && !results[index..].starts_with("class=\"n\""),
                "{tag}"
            );
        }
    }
    assert!(found > 200, "{found}");
    for list in results.split("<details class=\"ev\">").skip(1) {
        let list = list.split_once("</details>").expect("a closed list").0;
        assert!(
            list.contains("href=\"#r") || list.contains("href=\"#event-"),
            "{list}"
        );
    }
}

#[test]
fn what_is_not_a_number_never_appears() {
    for study in all() {
        let page = render(&study.report());
        let svg: String = page
            .split("<svg")
            .skip(1)
            .filter_map(|rest| rest.split("</svg>").next())
            .collect();
        for word in ["NaN", "\"nan", "inf\"", " inf ", "-inf"] {
            assert!(!svg.contains(word), "{}: {word}", study.name);
        }
        assert!(!words(&page).contains("NaN"), "{}", study.name);
    }
}

#[test]
fn hand_made_values_that_are_not_finite_are_not_drawn() {
    let mut report = sample("tiny-lm");
    report.runs[0].measurements[0].value = Ok(f64::NAN);
    report.runs[0].reported = vec![("loss".into(), f64::INFINITY)];
    for one in &mut report.experiments {
        one.settings
            .insert("learning_rate".into(), Setting::Float(f64::NAN));
    }
    if let Some(lyceum_report::model::Drawing::Packing { circles, .. }) = &mut report.drawing {
        circles.push((f64::NAN, 0.0, 0.1));
    }
    let page = render(&report);
    assert!(
        !attributes(&page, "cx")
            .iter()
            .chain(&attributes(&page, "d"))
            .any(|value| value.contains("NaN"))
    );
    assert!(words(&page).contains("loss = not a finite number"));
}

#[test]
fn the_banner_says_what_the_ledger_says() {
    let banner = |name: &str| {
        let page = words(&render(&sample(name)));
        let (_, rest) = page.split_once("As of").unwrap_or(("", &page));
        rest.chars().take(420).collect::<String>()
    };
    assert!(
        banner("tiny-lm").contains("✓ confirmed val_bpb 2.496"),
        "{}",
        banner("tiny-lm")
    );
    assert!(
        banner("null").contains("nothing was confirmed 24 experiments were tried"),
        "{}",
        banner("null")
    );
    assert!(banner("luck").contains("unconfirmed"), "{}", banner("luck"));
    assert!(banner("luck").contains("The evidence does not suffice for a claim."));
    assert!(!banner("luck").contains("✓"));
    assert!(
        banner("script").contains("confirmed on self-reported numbers only"),
        "{}",
        banner("script")
    );
    assert!(
        banner("running").contains("not finished the start is measured"),
        "{}",
        banner("running")
    );
}

#[test]
fn a_winner_that_was_never_tested_is_not_confirmed() {
    let mut report = sample("tiny-lm");
    report.claim = None;
    report.stage = Stage::Finished {
        satisfied: false,
        cut_short: true,
        why: "the wall budget is spent".into(),
    };
    let page = words(&render(&report));
    assert!(page.contains("? unconfirmed best in the search"));
    assert!(page.contains("cut short by a budget"));
    assert!(!page.contains("✓ confirmed"));
}

#[test]
fn foreign_text_is_escaped_and_shown() {
    let mut report = sample("tiny-lm");
    let hostile = "<script>alert(1)</script>\"'>&amp;\x1b[31m\u{202e}\nMETRIC val_bpb=0";
    report.question = hostile.into();
    report.study = "it's; rm -rf <b>".into();
    report.metric.name = hostile.into();
    report.metric.unit = hostile.into();
    for one in &mut report.experiments {
        one.hypothesis = hostile.into();
        one.why = hostile.into();
        one.researcher = hostile.into();
        one.settings
            .insert(hostile.into(), Setting::Text(hostile.into()));
    }
    for knob in &mut report.knobs {
        knob.name = format!("{hostile}{}", knob.name);
    }
    for run in &mut report.runs {
        run.log = hostile.repeat(2_000);
        run.reported = vec![(hostile.into(), 1.0)];
        run.state = RunState::Failed {
            reason: hostile.into(),
        };
    }
    for one in &mut report.ablations {
        one.knob = hostile.into();
    }
    for one in &mut report.rubric {
        one.text = hostile.into();
        one.why = hostile.into();
    }
    report.pinned.facts.push((hostile.into(), hostile.into()));
    report.pinned.hashes.push((hostile.into(), hostile.into()));
    let page = render(&report);
    assert!(!page.contains("<script") && !page.contains('\x1b') && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert!(page.contains('␛') && page.contains("\\u{202e}"));
    assert!(!page.contains("\"'>&"), "an attribute was left by a quote");
    let ids = attributes(&page, "id");
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
    assert!(page.len() < 6_000_000, "long logs are cut: {}", page.len());
    assert!(page.contains("lyceum verify 'it'\\''s; rm -rf &lt;b&gt;'"));
}

#[test]
fn a_run_that_is_cited_but_missing_still_has_its_anchor() {
    let mut report = sample("running");
    let number = Number::new(1.0, Form::Decimals(2), Evidence::run(RunId(999))).expect("finite");
    report.limit = Some(number.with_trust(Trust::Measured));
    let page = render(&report);
    assert!(page.contains("href=\"#r999\"") && page.contains("id=\"r999\""));
}

#[test]
fn each_run_shows_the_command_that_repeats_it() {
    let report = sample("tiny-lm");
    let page = render(&report);
    for run in &report.runs {
        assert!(
            page.contains(&format!(
                "<code>lyceum rerun studies/tiny-lm {}</code>",
                run.id
            )),
            "{}",
            run.id
        );
    }
    assert!(page.contains("lyceum verify studies/tiny-lm"));
}

#[test]
fn self_reported_numbers_look_different() {
    let own = render(&sample("script"));
    let measured = render(&sample("null"));
    let results = |page: &str| {
        page.split_once("id=\"facts\"")
            .expect("facts")
            .1
            .matches("class=\"n n-self\"")
            .count()
    };
    assert!(results(&own) > 20);
    let before_runs = measured.split_once("id=\"runs\"").expect("runs").0;
    assert!(!before_runs.contains("n n-self"));
    assert!(render(&sample("tiny-lm")).contains("n n-sealed"));
}

#[test]
fn the_fold_keeps_values_and_their_runs_together() {
    let report = sample("tiny-lm");
    assert_eq!(report.experiments.len(), 60);
    assert!(report.experiments.iter().all(|one| one.verdict.is_some()));
    let mean = |ids: &[RunId]| {
        let values = ids
            .iter()
            .filter_map(|id| report.run(*id)?.measurements.first()?.value.clone().ok());
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    for one in &report.experiments {
        if let Some(value) = &one.value {
            assert!(
                (value.value() - mean(&one.runs)).abs() < 1e-12,
                "{}",
                one.id
            );
        }
    }
    let Some(Claim { comparison, .. }) = &report.claim else {
        panic!("the sample has a claim")
    };
    assert_eq!(comparison.pairs.len(), 10);
    let failed = report
        .experiments
        .iter()
        .filter(|one| one.value.is_none())
        .count();
    assert!(failed > 5, "{failed}");
    let spent: f64 = report.budgets[2]
        .parts
        .iter()
        .map(|(_, part)| part.value())
        .sum();
    let used: u64 = report
        .runs
        .iter()
        .filter_map(|run| run.usage)
        .map(|usage| usage.cpu_ms)
        .sum();
    assert!(spent > used as f64, "the evaluator's time counts too");
}

#[test]
fn figures_have_a_name_a_description_and_their_numbers() {
    let page = render(&sample("tiny-lm"));
    let plots: Vec<&str> = page.split("<svg class=\"plot\"").skip(1).collect();
    assert!(plots.len() >= 14, "{}", plots.len());
    for plot in plots {
        let head = plot.split_once('\n').expect("a head").0;
        assert!(
            head.contains("role=\"img\"")
                && head.contains("<title id=")
                && head.contains("<desc id="),
            "{head}"
        );
    }
    let figures = page.matches("<figure").count();
    assert_eq!(
        page.matches("<details class=\"data\">").count(),
        figures,
        "numbers beside each figure"
    );
}

#[test]
fn small_plots_look_like_this() {
    let page = render(&sample("running"));
    let plot = page
        .split("<svg class=\"plot\"")
        .nth(1)
        .and_then(|rest| rest.split("</svg>").next())
        .expect("a plot");
    insta::assert_snapshot!("noise_floor", plot);
    let page = render(&sample("tiny-lm"));
    let plot = page
        .split("id=\"ablation-plot-t\"")
        .nth(1)
        .and_then(|rest| rest.split("</svg>").next())
        .expect("a plot");
    insta::assert_snapshot!("ablation", plot);
}

#[test]
fn the_words_of_a_running_study() {
    insta::assert_snapshot!(words(&render(&sample("empty"))));
}
