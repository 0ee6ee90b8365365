//! What a person reads when a study file is wrong. One problem per test, the whole report.

use insta::assert_snapshot;

use crate::support::{STUDY, report, report_in};

#[test]
fn the_small_study_is_valid() {
    assert_snapshot!(report(&[]), @"valid: small");
}

#[test]
fn not_toml() {
    assert_snapshot!(report(&[("name = \"small\"", "name = small")]), @r#"
    error: not valid TOML: string values must be quoted, expected literal string
     --> DIR/study.toml:2:8
      |
    2 | name = small
      |        ^^^^^
    "#);
}

#[test]
fn an_unknown_key() {
    assert_snapshot!(report(&[("timeout = \"10s\"", "time_out = \"10s\"")]), @r#"
    error: unknown key `time_out` in `run`
      --> DIR/study.toml:15:1
       |
    15 | time_out = "10s"
       | ^^^^^^^^
       = expected one of `command`, `environment`, `memory`, `outputs`, `replay`, `threads`, `timeout`, `toolchain`
      hint: did you mean `timeout`?
    "#);
}

#[test]
fn an_unknown_key_at_the_top() {
    assert_snapshot!(report(&[("name = \"small\"", "lerning_rate = 1")]), @r#"
    error: unknown key `lerning_rate`
     --> DIR/study.toml:2:1
      |
    2 | lerning_rate = 1
      | ^^^^^^^^^^^^
      = expected one of `budget`, `confirm`, `data`, `knobs`, `lint`, `measure`, `metric`, `name`, `noise`, `outcome`, `progress`, `question`, `report`, `researcher`, `rubric`, `run`, `sealed`, `session`, `workspace`
    "#);
}

#[test]
fn an_unknown_key_with_a_control_character() {
    assert_snapshot!(report(&[("name = \"small\"", "\"\\u001b[2J\" = 1")]), @r#"
    error: unknown key `\u{1b}[2J`
     --> DIR/study.toml:2:1
      |
    2 | "\u001b[2J" = 1
      | ^^^^^^^^^^^
      = expected one of `budget`, `confirm`, `data`, `knobs`, `lint`, `measure`, `metric`, `name`, `noise`, `outcome`, `progress`, `question`, `report`, `researcher`, `rubric`, `run`, `sealed`, `session`, `workspace`
    "#);
}

#[test]
fn wrong_types() {
    assert_snapshot!(report(&[
        ("outputs = [\"answer.txt\"]", "outputs = \"answer.txt\""),
        ("timeout = \"10s\"", "timeout = 10"),
        ("low = 8", "low = \"8\""),
    ]), @r#"
    error: wrong type for `run.outputs`: found the string "answer.txt"
      --> DIR/study.toml:14:11
       |
    14 | outputs = "answer.txt"
       |           ^^^^^^^^^^^^
       = expected a list of strings

    error: wrong type for `run.timeout`: found the number 10
      --> DIR/study.toml:15:11
       |
    15 | timeout = 10
       |           ^^
       = expected a duration like "90s", "2m" or "1.5h"

    error: wrong type for `knobs.width.low`: found the string "8"
      --> DIR/study.toml:45:7
       |
    45 | low = "8"
       |       ^^^
       = expected a finite number
    "#);
}

#[test]
fn a_number_that_is_not_finite() {
    assert_snapshot!(report(&[("at_most = 0.5", "at_most = nan")]), @r#"
    error: wrong type for `rubric[0].at_most`: found the number nan
      --> DIR/study.toml:75:11
       |
    75 | at_most = nan
       |           ^^^
       = expected a finite number
    "#);
}

#[test]
fn a_table_where_a_value_belongs() {
    assert_snapshot!(report(&[("[budget]", "[budget.wall]\nx = 1\n[budget]")]), @r#"
    error: not valid TOML: duplicate key
      --> DIR/study.toml:73:1
       |
    73 | wall = "1m"
       | ^^^^
    "#);
}

#[test]
fn an_unknown_word() {
    assert_snapshot!(report(&[("goal = \"minimize\"", "goal = \"minimise\"")]), @r#"
    error: unknown value for `metric.goal`: found "minimise"
     --> DIR/study.toml:6:8
      |
    6 | goal = "minimise"
      |        ^^^^^^^^^^
      = expected one of "minimize", "maximize"
      hint: did you mean `minimize`?
    "#);
}

#[test]
fn a_missing_goal() {
    assert_snapshot!(report(&[("goal = \"minimize\"\n", "")]), @r#"
    error: missing key `goal` in `metric`
     --> DIR/study.toml:4:2
      |
    4 | [metric]
      |  ^^^^^^
      = expected "minimize" or "maximize"
    "#);
}

#[test]
fn a_missing_section() {
    assert_snapshot!(report(&[("[metric]\nname = \"loss\"\ngoal = \"minimize\"\n", "")]), @r#"
    error: missing key `metric`
     --> DIR/study.toml:1:1
      |
    1 | question = "Which rate is best?"
      | ^
      = expected a table
    "#);
}

#[test]
fn a_bad_duration_and_a_bad_size() {
    assert_snapshot!(report(&[
        ("timeout = \"10s\"", "timeout = \"10 parsecs\"\nmemory = \"2\""),
    ]), @r#"
    error: `run.timeout`: expected a duration like "90s", "2m" or "1.5h", found "10 parsecs"
      --> DIR/study.toml:15:11
       |
    15 | timeout = "10 parsecs"
       |           ^^^^^^^^^^^^

    error: `run.memory`: expected an amount like "512KiB", "20MiB" or "1GiB", found "2"
      --> DIR/study.toml:16:10
       |
    16 | memory = "2"
       |          ^^^
    "#);
}

#[test]
fn absurd_timeouts() {
    assert_snapshot!(report(&[("timeout = \"10s\"", "timeout = \"0s\"")]), @r#"
    error: `run.timeout` is out of range: found 0ms
      --> DIR/study.toml:15:11
       |
    15 | timeout = "0s"
       |           ^^^^
       = expected 10ms to 30d
    "#);
    assert_snapshot!(report(&[("timeout = \"10s\"", "timeout = \"900d\"")]), @r#"
    error: `run.timeout` is out of range: found 900d
      --> DIR/study.toml:15:11
       |
    15 | timeout = "900d"
       |           ^^^^^^
       = expected 10ms to 30d
      hint: is the unit right?
    "#);
}

#[test]
fn an_unknown_toolchain() {
    assert_snapshot!(report(&[("timeout = \"10s\"", "toolchain = [\"Rust\"]")]), @r#"
    error: unknown value for `run.toolchain[0]`: found "Rust"
      --> DIR/study.toml:15:14
       |
    15 | toolchain = ["Rust"]
       |              ^^^^^^
       = expected "rust"
      hint: did you mean `rust`?
    "#);
}

#[test]
fn too_many_threads() {
    assert_snapshot!(report(&[("timeout = \"10s\"", "threads = 0")]), @r#"
    error: `run.threads` is out of range: found 0
      --> DIR/study.toml:15:11
       |
    15 | threads = 0
       |           ^
       = expected 1 to 1024
    "#);
}

#[test]
fn an_empty_question_and_an_empty_command() {
    assert_snapshot!(report(&[
        ("question = \"Which rate is best?\"", "question = \" \""),
        ("command = [\"sh\", \"run.sh\"]", "command = []"),
    ]), @r#"
    error: `question` is empty
     --> DIR/study.toml:1:12
      |
    1 | question = " "
      |            ^^^
      = expected the research question in words

    error: `run.command` is empty
      --> DIR/study.toml:13:11
       |
    13 | command = []
       |           ^^
       = expected a program and its arguments, like ["sh", "run.sh"]
    "#);
}

#[test]
fn a_bad_name() {
    assert_snapshot!(report(&[("name = \"small\"", "name = \"Small study\"")]), @r#"
    error: `name` is not a usable name: found "Small study"
     --> DIR/study.toml:2:8
      |
    2 | name = "Small study"
      |        ^^^^^^^^^^^^^
      = expected 1 to 64 of a–z, 0–9 and `-`
    "#);
}

#[test]
fn a_bad_metric_name() {
    assert_snapshot!(report(&[("name = \"loss\"", "name = \"loss =\"")]), @r#"
    error: `metric.name` is not a usable name: found "loss ="
     --> DIR/study.toml:5:8
      |
    5 | name = "loss ="
      |        ^^^^^^^^
      = expected 1 to 64 letters, digits, `_`, `-`, `.` and `/`
    "#);
}

#[test]
fn a_missing_evaluator() {
    let table = "[measure]\ncommand = [\"sh\", \"{private}/evaluate.sh\", \"{outputs}/answer.txt\"]\nprivate = [\"evaluate.sh\"]\n";
    assert_snapshot!(report(&[(table, "")]), @r#"
    error: no evaluator: `[measure]` is missing
      --> DIR/study.toml:12:2
       |
    12 | [run]
       |  ^^^
      hint: add `[measure]` with a `command`, or `kind = "self-reported"` if the candidate's own word is all there is
    "#);
}

#[test]
fn an_evaluator_without_a_command() {
    let line = "command = [\"sh\", \"{private}/evaluate.sh\", \"{outputs}/answer.txt\"]\n";
    assert_snapshot!(report(&[(line, "")]), @r#"
    error: a measurement of kind "command" needs `measure.command`
      --> DIR/study.toml:17:2
       |
    17 | [measure]
       |  ^^^^^^^
    "#);
}

#[test]
fn an_evaluator_with_nothing_to_read() {
    assert_snapshot!(report(&[("outputs = [\"answer.txt\"]\n", "")]), @r#"
    error: `run.outputs` is empty
      --> DIR/study.toml:12:2
       |
    12 | [run]
       |  ^^^
       = expected the files that the evaluator reads
    "#);
}

#[test]
fn keys_of_another_kind_of_measurement() {
    assert_snapshot!(report(&[("[measure]", "[measure]\nkind = \"self-reported\"\npairs = 3")]), @r#"
    error: `measure.pairs` does not belong to a measurement of kind "self-reported"
      --> DIR/study.toml:19:1
       |
    19 | pairs = 3
       | ^^^^^
       = expected it only with `kind = "timed"`

    error: `measure.command` does not belong to a measurement of kind "self-reported"
      --> DIR/study.toml:20:1
       |
    20 | command = ["sh", "{private}/evaluate.sh", "{outputs}/answer.txt"]
       | ^^^^^^^
       = expected it only with an evaluator

    error: `measure.private` does not belong to a measurement of kind "self-reported"
      --> DIR/study.toml:21:1
       |
    21 | private = ["evaluate.sh"]
       | ^^^^^^^
       = expected it only with an evaluator
    "#);
}

#[test]
fn a_timed_measurement_that_lacks_its_parts() {
    assert_snapshot!(report(&[("[measure]", "[measure]\nkind = \"timed\"")]), @r#"
    error: the metric of a timed measurement is baseline time over candidate time, but `metric.goal` is "minimize"
     --> DIR/study.toml:6:8
      |
    6 | goal = "minimize"
      |        ^^^^^^^^^^
      hint: use `goal = "maximize"`

    error: a measurement of kind "timed" needs `measure.input`
      --> DIR/study.toml:17:2
       |
    17 | [measure]
       |  ^^^^^^^

    error: a measurement of kind "timed" needs `measure.check`
      --> DIR/study.toml:17:2
       |
    17 | [measure]
       |  ^^^^^^^
    "#);
}

#[test]
fn a_timed_measurement_that_compares_nothing() {
    let parts = "[measure]\nkind = \"timed\"\ninput = [\"gen\"]\ncheck = [\"same\", \"{output}\"]\n\
        command = [\"sh\", \"{outputs}/x\", \"{input}\"]\n";
    assert_snapshot!(report(&[
        ("goal = \"minimize\"", "goal = \"maximize\""),
        ("at_most", "at_least"),
        ("command = [\"sh\", \"{private}/evaluate.sh\", \"{outputs}/answer.txt\"]\n", ""),
        ("[measure]\n", parts),
    ]), @r#"
    error: `measure.input` never uses `{input}`
      --> DIR/study.toml:19:9
       |
    19 | input = ["gen"]
       |         ^^^^^^^
      hint: the input has to be written somewhere

    error: `measure.check` never uses `{baseline}`
      --> DIR/study.toml:20:9
       |
    20 | check = ["same", "{output}"]
       |         ^^^^^^^^^^^^^^^^^^^^
      hint: the candidate's output has to be compared with the baseline's

    error: `measure.command` never uses `{output}`
      --> DIR/study.toml:21:11
       |
    21 | command = ["sh", "{outputs}/x", "{input}"]
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: without an output there is nothing to compare
    "#);
}

#[test]
fn an_unknown_placeholder() {
    assert_snapshot!(report(&[("{outputs}/answer.txt", "{output}/answer.txt")]), @r#"
    error: unknown placeholder `{output}` in `measure.command`
      --> DIR/study.toml:18:43
       |
    18 | command = ["sh", "{private}/evaluate.sh", "{output}/answer.txt"]
       |                                           ^^^^^^^^^^^^^^^^^^^^^
       = expected one of `outputs`, `private`
      hint: did you mean `outputs`?
    "#);
}

#[test]
fn outputs_that_lead_elsewhere() {
    assert_snapshot!(report(&[
        ("outputs = [\"answer.txt\"]", "outputs = [\"../x\", \"/etc/passwd\", \"a\", \"a\"]"),
    ]), @r#"
    error: `run.outputs[0]` is not a path that stays in its directory: found "../x"
      --> DIR/study.toml:14:12
       |
    14 | outputs = ["../x", "/etc/passwd", "a", "a"]
       |            ^^^^^^
       = expected the plain name of a file, without `/`

    error: `run.outputs[1]` is not a path that stays in its directory: found "/etc/passwd"
      --> DIR/study.toml:14:20
       |
    14 | outputs = ["../x", "/etc/passwd", "a", "a"]
       |                    ^^^^^^^^^^^^^
       = expected the plain name of a file, without `/`

    error: `run.outputs` names "a" twice
      --> DIR/study.toml:14:40
       |
    14 | outputs = ["../x", "/etc/passwd", "a", "a"]
       |                                        ^^^
    "#);
}

#[test]
fn a_replay_that_is_an_output() {
    assert_snapshot!(report(&[("timeout = \"10s\"", "replay = \"answer.txt\"")]), @r#"
    error: `run.replay` names "answer.txt" twice (also in `run.outputs`)
      --> DIR/study.toml:15:10
       |
    15 | replay = "answer.txt"
       |          ^^^^^^^^^^^^
    "#);
}

#[test]
fn environment_names() {
    assert_snapshot!(report(&[
        ("timeout = \"10s\"", "environment = { LYCEUM_SEED = \"1\", \"9x\" = \"\", BIAS = \"\" }"),
    ]), @r#"
    error: `run.environment.LYCEUM_SEED`: variable `LYCEUM_SEED` belongs to the lab
      --> DIR/study.toml:15:17
       |
    15 | environment = { LYCEUM_SEED = "1", "9x" = "", BIAS = "" }
       |                 ^^^^^^^^^^^
      hint: names that begin with `LYCEUM_` are the lab's own; use another one

    error: `run.environment.9x` is not a usable name: found "9x"
      --> DIR/study.toml:15:36
       |
    15 | environment = { LYCEUM_SEED = "1", "9x" = "", BIAS = "" }
       |                                    ^^^^
       = expected letters, digits and `_`, not beginning with a digit

    error: `knobs.bias.environment` names "BIAS" twice (also in `run.environment`)
      --> DIR/study.toml:52:15
       |
    52 | environment = "BIAS"
       |               ^^^^^^
    "#);
}

#[test]
fn a_workspace_that_leads_elsewhere() {
    assert_snapshot!(report(&[("[workspace]", "[workspace]\npath = \"../elsewhere\"")]), @r#"
    error: `workspace.path` is not a path that stays in its directory: found "../elsewhere"
     --> DIR/study.toml:9:8
      |
    9 | path = "../elsewhere"
      |        ^^^^^^^^^^^^^^
      = expected a relative path without `.` and `..`
    "#);
    assert_snapshot!(report(&[("[workspace]", "[workspace]\npath = \".\"")]), @r#"
    error: `workspace.path` is not a path that stays in its directory: found "."
     --> DIR/study.toml:9:8
      |
    9 | path = "."
      |        ^^^
      = expected a relative path without `.` and `..`
    "#);
}

#[test]
fn bad_globs() {
    assert_snapshot!(report(&[
        ("protected = [\"run.sh\"]", "protected = [\"[a\", \"/x\", \"data/\", \"../y\", \"\"]"),
    ]), @r#"
    error: `workspace.protected` is not a glob: "[a": unclosed character class; missing ']'
      --> DIR/study.toml:10:14
       |
    10 | protected = ["[a", "/x", "data/", "../y", ""]
       |              ^^^^

    error: `workspace.protected` is not a glob: "/x": it is absolute; write it relative to the directory
      --> DIR/study.toml:10:20
       |
    10 | protected = ["[a", "/x", "data/", "../y", ""]
       |                    ^^^^

    error: `workspace.protected` is not a glob: "data/": it ends with `/`; add `**` for all that is below
      --> DIR/study.toml:10:26
       |
    10 | protected = ["[a", "/x", "data/", "../y", ""]
       |                          ^^^^^^^

    error: `workspace.protected` is not a glob: "../y": it leads upwards with `..`
      --> DIR/study.toml:10:35
       |
    10 | protected = ["[a", "/x", "data/", "../y", ""]
       |                                   ^^^^^^

    error: `workspace.protected` is not a glob: "": it is empty
      --> DIR/study.toml:10:43
       |
    10 | protected = ["[a", "/x", "data/", "../y", ""]
       |                                           ^^
    "#);
}

#[test]
fn the_same_glob_in_both_lists() {
    assert_snapshot!(report(&[("protected = [\"run.sh\"]", "protected = [\"out.conf\"]")]), @r#"
    error: `workspace.editable` and `workspace.protected` overlap: file "out.conf" matches "out.conf" and "out.conf"
     --> DIR/study.toml:9:44
      |
    9 | editable = ["settings.toml", "model.json", "out.conf"]
      |                                            ^^^^^^^^^^
      hint: what may change and what must not are two separate lists; narrow one of the globs

    error: knob `batch` changes file "out.conf", which `workspace.protected` matches with "out.conf"
      --> DIR/study.toml:66:8
       |
    66 | file = "out.conf"
       |        ^^^^^^^^^^
      hint: write the knob to another file, or narrow the glob
    "#);
}

#[test]
fn impossible_budgets() {
    assert_snapshot!(report(&[("experiments = 10", "experiments = 0")]), @r#"
    error: `budget.experiments` is out of range: found 0
      --> DIR/study.toml:70:15
       |
    70 | experiments = 0
       |               ^
       = expected 1 or more
    "#);
    assert_snapshot!(report(&[
        ("experiments = 10", "cpu = \"0s\"\ndisk = \"10KiB\""),
    ]), @r#"
    error: `budget.cpu` is out of range: found 0ms
      --> DIR/study.toml:70:7
       |
    70 | cpu = "0s"
       |       ^^^^
       = expected 1s or more
      hint: no run could be started; leave the key out for no limit

    error: `budget.disk` is out of range: found 10KiB
      --> DIR/study.toml:71:8
       |
    71 | disk = "10KiB"
       |        ^^^^^^^
       = expected 1MiB or more
      hint: the records alone need as much; leave the key out for no limit
    "#);
    assert_snapshot!(report(&[("experiments = 10", "experiments = -1")]), @r#"
    error: `budget.experiments` is out of range: found -1
      --> DIR/study.toml:70:15
       |
    70 | experiments = -1
       |               ^^
       = expected 1 or more
    "#);
}

#[test]
fn money_that_is_no_amount() {
    assert_snapshot!(report(&[("experiments = 10", "tokens = 200_000\nmoney = \"5.00 USD\"")]), @r#"
    error: `study.toml` cannot be read: expected dollars like "2.50" or "$0.000125", at most nine decimals, found "5.00 USD"
      --> DIR/study.toml:71:9
       |
    71 | money = "5.00 USD"
       |         ^^^^^^^^^^
    "#);
}

#[test]
fn a_floor_of_two_runs() {
    assert_snapshot!(report(&[("[budget]", "[noise]\nrepeats = 2\n[budget]")]), @r#"
    error: `noise.repeats` is out of range: found 2
      --> DIR/study.toml:70:11
       |
    70 | repeats = 2
       |           ^
       = expected 3 to 1000
    "#);
}

#[test]
fn a_confirmation_that_can_never_come() {
    assert_snapshot!(report(&[("[budget]", "[confirm]\npairs = 5\n[budget]")]), @r#"
    error: 5 pairs can never confirm anything at alpha 0.05: even 5 wins of 5 give an e-value of 10.5, and 20 is needed
      --> DIR/study.toml:70:9
       |
    70 | pairs = 5
       |         ^
      hint: use at least `pairs = 7`, or a larger `alpha`
    "#);
    assert_snapshot!(report(&[("[budget]", "[confirm]\nalpha = 0\n[budget]")]), @r#"
    error: `confirm.alpha` is out of range: found 0
      --> DIR/study.toml:70:9
       |
    70 | alpha = 0
       |         ^
       = expected above 0 and below 1
    "#);
}

#[test]
fn a_sealed_criterion_without_a_sealed_split() {
    assert_snapshot!(report(&[("at_most = 0.5", "at_most = 0.5\ntrust = \"sealed\"")]), @r#"
    error: the criterion asks for trust "sealed", which this study cannot reach
      --> DIR/study.toml:76:9
       |
    76 | trust = "sealed"
       |         ^^^^^^^^
      hint: there is no `[sealed]` evaluation: add `[sealed]` with a `command`
    "#);
}

#[test]
fn a_measured_criterion_without_an_evaluator() {
    let line = "command = [\"sh\", \"{private}/evaluate.sh\", \"{outputs}/answer.txt\"]\nprivate = [\"evaluate.sh\"]\n";
    assert_snapshot!(report(&[
        (line, "kind = \"self-reported\"\n"),
        ("at_most = 0.5", "at_most = 0.5\ntrust = \"measured\""),
    ]), @r#"
    error: the criterion asks for trust "measured", which this study cannot reach
      --> DIR/study.toml:75:9
       |
    75 | trust = "measured"
       |         ^^^^^^^^^^
      hint: the metric is the candidate's own word: use `trust = "self-reported"`, or give the study an evaluator
    "#);
}

#[test]
fn criteria_that_say_nothing() {
    assert_snapshot!(report(&[("at_most = 0.5", "at_least = 0.5")]), @r#"
    error: a criterion that cannot fail: `at_least` under goal "minimize"
      --> DIR/study.toml:75:1
       |
    75 | at_least = 0.5
       | ^^^^^^^^
      hint: did you mean `at_most`?
    "#);
    assert_snapshot!(report(&[("at_most = 0.5", "confidence = 1")]), @r#"
    error: a criterion of kind "metric" needs `at_most` or `at_least`
      --> DIR/study.toml:74:1
       |
    74 | kind = "metric"
       | ^^^^

    error: `rubric[0].confidence` is out of range: found 1
      --> DIR/study.toml:75:14
       |
    75 | confidence = 1
       |              ^
       = expected 0.5 or more, below 1
      hint: certainty would need endless runs
    "#);
    assert_snapshot!(report(&[("at_most = 0.5", "at_most = 1\nat_least = 2")]), @r#"
    error: `at_least` = 2 is above `at_most` = 1
      --> DIR/study.toml:76:12
       |
    76 | at_least = 2
       |            ^
    "#);
    assert_snapshot!(report(&[
        ("kind = \"metric\"\nat_most = 0.5", "kind = \"improvement\"\nat_most = 0.5\nat_least = -1"),
    ]), @r#"
    error: `at_most` does not belong to a criterion of kind "improvement"
      --> DIR/study.toml:75:1
       |
    75 | at_most = 0.5
       | ^^^^^^^
       = expected it only with kind "metric"

    error: `rubric[0].at_least` is out of range: found -1
      --> DIR/study.toml:76:12
       |
    76 | at_least = -1
       |            ^^
       = expected 0 or more
      hint: a gain is positive for an improvement, whatever the goal
    "#);
}

#[test]
fn a_drawing_of_nothing() {
    let table = "[report]\ndraw = { kind = \"circles\", file = \"answer.text\" }\n[budget]";
    assert_snapshot!(report(&[("[budget]", table)]), @r#"
    error: `report.draw.file` names "answer.text", which is not in `run.outputs`
      --> DIR/study.toml:70:35
       |
    70 | draw = { kind = "circles", file = "answer.text" }
       |                                   ^^^^^^^^^^^^^
       = expected "answer.txt"
      hint: did you mean `answer.txt`?
    "#);
}

#[test]
fn knob_keys_that_do_not_fit_their_type() {
    assert_snapshot!(report(&[
        ("type = \"boolean\"", "type = \"boolean\"\nlow = 0"),
        ("high = 10\n", ""),
    ]), @r#"
    error: `knobs.bias.low` does not belong to a knob of type "boolean"
      --> DIR/study.toml:52:1
       |
    52 | low = 0
       | ^^^
       = expected it only with type "float" or "integer"

    error: a knob of type "float" needs `knobs.clip.high`
      --> DIR/study.toml:56:8
       |
    56 | [knobs.clip]
       |        ^^^^
    "#);
}

#[test]
fn integer_bounds_that_are_not_whole() {
    assert_snapshot!(report(&[("low = 8", "low = 8.5")]), @r#"
    error: wrong type for `knobs.width.low`: found the number 8.5
      --> DIR/study.toml:45:7
       |
    45 | low = 8.5
       |       ^^^
       = expected a whole number up to 2^53, as the knob is an integer
    "#);
}

#[test]
fn knobs_written_nowhere_or_in_two_places() {
    assert_snapshot!(report(&[
        ("argument = \"--clip\"\n", ""),
        ("environment = \"BIAS\"", "environment = \"BIAS\"\nargument = \"--bias\""),
    ]), @r#"
    error: knob `bias` is written in `environment`, `argument` alone or together
      --> DIR/study.toml:50:8
       |
    50 | [knobs.bias]
       |        ^^^^
       = expected one place: `file` with `key`, `file` with `template`, `environment` or `argument`
      hint: for example `file = "settings.toml"` and `key = "lr"`

    error: knob `clip` is written in no place
      --> DIR/study.toml:56:8
       |
    56 | [knobs.clip]
       |        ^^^^
       = expected one place: `file` with `key`, `file` with `template`, `environment` or `argument`
      hint: for example `file = "settings.toml"` and `key = "lr"`
    "#);
}

#[test]
fn two_knobs_in_one_place() {
    assert_snapshot!(report(&[("key = \"train.momentum\"", "key = \"train.rate\"")]), @r#"
    error: knob `momentum` is written to the same place as knob `rate`: `train.rate` in "settings.toml"
      --> DIR/study.toml:35:8
       |
    35 | [knobs.momentum]
       |        ^^^^^^^^
    "#);
}

#[test]
fn bounds_that_are_no_bounds() {
    assert_snapshot!(report(&[("low = 1e-4", "low = 0")]), @r#"
    error: knob `rate`: bounds must be finite, low below high and above 0 on a log scale: found 0 to 1
      --> DIR/study.toml:29:7
       |
    29 | low = 0
       |       ^
    "#);
}

#[test]
fn a_condition_on_an_unknown_knob() {
    assert_snapshot!(report(&[("knob = \"optimizer\", is", "knob = \"optimiser\", is")]), @r#"
    error: knob `momentum` depends on `optimiser`, which is not a knob defined before it
      --> DIR/study.toml:39:8
       |
    39 | when = { knob = "optimiser", is = "sgd" }
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: define the other knob first: the order of the file is the order of the knobs
    "#);
}

#[test]
fn a_condition_on_an_unknown_value() {
    assert_snapshot!(report(&[("is = \"sgd\"", "is = [\"sgd\", \"lion\"]")]), @r#"
    error: knob `momentum` asks for `optimizer` = lion, which `optimizer` never has
      --> DIR/study.toml:39:8
       |
    39 | when = { knob = "optimizer", is = ["sgd", "lion"] }
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_file_that_is_neither_toml_nor_json() {
    assert_snapshot!(report(&[("file = \"model.json\"", "file = \"model.yaml\"")]), @r#"
    error: `knobs.width.file` is not a usable name: found "model.yaml"
      --> DIR/study.toml:47:8
       |
    47 | file = "model.yaml"
       |        ^^^^^^^^^^^^
       = expected a file that ends in .toml, .json or as a known language does; for others use `template`
    "#);
}

#[test]
fn a_knob_in_a_file_that_may_not_change() {
    assert_snapshot!(report(&[("\"settings.toml\", \"model.json\"", "\"settings.toml\"")]), @r#"
    error: knob `width` changes file "model.json", which no glob of `workspace.editable` matches
      --> DIR/study.toml:47:8
       |
    47 | file = "model.json"
       |        ^^^^^^^^^^^^
      hint: add "model.json" to `workspace.editable`
    "#);
    assert_snapshot!(report(&[
        ("\"settings.toml\", \"model.json\"", "\"settings.toml\""),
        ("protected = [\"run.sh\"]", "protected = [\"run.sh\", \"*.json\"]"),
    ]), @r#"
    error: knob `width` changes file "model.json", which `workspace.protected` matches with "*.json"
      --> DIR/study.toml:47:8
       |
    47 | file = "model.json"
       |        ^^^^^^^^^^^^
      hint: write the knob to another file, or narrow the glob
    "#);
}

#[test]
fn a_start_value_that_is_missing_or_outside() {
    assert_snapshot!(report(&[("start = 16", "start = 17"), ("start = true\n", "")]), @r#"
    error: knob `bias` needs `knobs.bias.start`
      --> DIR/study.toml:50:8
       |
    50 | [knobs.bias]
       |        ^^^^

    error: knob `batch`: its start value is outside its values: `start` is 17
      --> DIR/study.toml:66:9
       |
    66 | start = 17
       |         ^^
       = expected one of 8, 16, 32
      hint: widen the knob, or begin with another value
    "#);
    assert_snapshot!(report(&[("key = \"train.rate\"", "key = \"train.rate\"\nstart = 1")]), @r#"
    error: `knobs.rate.start` does not belong to knob `rate`: its start value is read from "settings.toml"
      --> DIR/study.toml:34:1
       |
    34 | start = 1
       | ^^^^^
       = expected it only with `template`, `environment` or `argument`
    "#);
}

#[test]
fn sealed_data_that_nobody_opens() {
    let table = "[data]\ncommand = [\"draw\"]\npublic = [\"a\"]\nprivate = [\"a\"]\nsealed = [\"b\"]\n[run]";
    assert_snapshot!(report(&[("[run]", table)]), @r#"
    error: `data.private` names "a" twice (also in `data.public`)
      --> DIR/study.toml:15:12
       |
    15 | private = ["a"]
       |            ^^^

    error: `data.sealed` needs `[sealed]`
      --> DIR/study.toml:16:1
       |
    16 | sealed = ["b"]
       | ^^^^^^
    "#);
}

#[test]
fn names_that_stand_twice() {
    assert_snapshot!(report(&[("name = \"small\"", "name = \"small\"\nname = \"large\"")]), @r#"
    error: not valid TOML: duplicate key
     --> DIR/study.toml:3:1
      |
    3 | name = "large"
      | ^^^^
    "#);
}

#[test]
fn many_problems_are_cut() {
    let many: String = (0..40)
        .map(|index| format!("x{index} = 1"))
        .collect::<Vec<_>>()
        .join("\n");
    let report = report_in(&format!("{many}\n{STUDY}"), |_| {});
    assert_eq!(report.matches("error: ").count(), 12);
    assert!(report.ends_with("… and 28 more"), "{report}");
}

#[test]
fn a_very_long_line_is_cut_around_the_mark() {
    let long = format!("question = \"{}\"", "é".repeat(5000));
    let report = report(&[(
        "question = \"Which rate is best?\"",
        &format!("{long}\nxyz = 1"),
    )]);
    assert!(
        report.lines().all(|line| line.chars().count() < 400),
        "{report}"
    );
    let line = format!("editable = [\"{}\", 5]", "a".repeat(3000));
    let report = crate::support::report(&[("editable = [", &format!("{line}\n#"))]);
    assert!(report.contains("study.toml:9:3017"), "{report}");
    assert!(
        report.lines().all(|line| line.chars().count() < 400),
        "{report}"
    );
}
