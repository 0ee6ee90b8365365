//! A study of a few shell lines, whose runs take milliseconds.

use std::{fs, path::Path};

/// The candidate: a parabola in `rate` with a little noise from the seed.
const TRAIN: &str = r#"rate=$(sed -n 's/^rate *= *//p' settings.toml)
awk -v rate="$rate" -v seed="$LYCEUM_SEED" 'BEGIN {
    srand(seed % 2147483647); rand()
    printf "%.6f\n", (rate - 0.3) * (rate - 0.3) + 0.001 * rand()
}' > "$LYCEUM_OUTPUTS/out.txt"
"#;

/// The evaluator: the number that the candidate wrote.
const EVALUATE: &str = r#"read -r loss < "$1"
printf '{"nonce":"%s","metrics":{"loss":%s}}' "$LYCEUM_NONCE" "$loss" >&3
"#;

const MEASURE: &str = r#"command = ["sh", "{private}/evaluate.sh", "{outputs}/out.txt"]
private = ["evaluate.sh"]"#;

const KNOBS: &str = r#"[knobs.rate]
type = "float"
low = 0.0
high = 1.0
file = "settings.toml"
key = "rate""#;

/// The pieces of a study; each has a default that works.
#[derive(Clone)]
pub(crate) struct Tiny {
    pub(crate) name: String,
    pub(crate) train: String,
    pub(crate) evaluate: String,
    pub(crate) settings: String,
    /// More lines of `[workspace]`.
    pub(crate) workspace: String,
    /// More lines of `[run]`.
    pub(crate) run: String,
    /// The lines of `[measure]`.
    pub(crate) measure: String,
    pub(crate) knobs: String,
    /// The lines of `[budget]`.
    pub(crate) budget: String,
    /// More tables.
    pub(crate) rest: String,
}

impl Default for Tiny {
    fn default() -> Tiny {
        Tiny {
            name: "tiny".into(),
            train: TRAIN.into(),
            evaluate: EVALUATE.into(),
            settings: "rate = 0.9\n".into(),
            workspace: String::new(),
            run: "timeout = \"60s\"".into(),
            measure: MEASURE.into(),
            knobs: KNOBS.into(),
            budget: "experiments = 3".into(),
            rest: String::new(),
        }
    }
}

impl Tiny {
    /// A study with one experiment for each way to behave: a knob names it, and the candidate finds it in `$mode`.
    pub(crate) fn modes(modes: &[&str], train: &str) -> Tiny {
        let choices: Vec<String> = modes.iter().map(|mode| format!("\"{mode}\"")).collect();
        Tiny {
            train: format!(
                "mode=$(sed -n 's/^mode *= *\"\\(.*\\)\"/\\1/p' settings.toml)\n{train}"
            ),
            settings: format!("mode = \"{}\"\n", modes[0]),
            knobs: format!(
                "[knobs.mode]\ntype = \"categorical\"\nchoices = [{}]\nfile = \"settings.toml\"\nkey = \"mode\"",
                choices.join(", ")
            ),
            budget: format!("experiments = {}", modes.len() * 2),
            ..Tiny::default()
        }
    }

    pub(crate) fn write(&self, directory: &Path) {
        let workspace = directory.join("workspace");
        fs::create_dir_all(&workspace).unwrap();
        fs::write(workspace.join("settings.toml"), &self.settings).unwrap();
        fs::write(workspace.join("train.sh"), &self.train).unwrap();
        fs::write(directory.join("evaluate.sh"), &self.evaluate).unwrap();
        fs::write(directory.join("study.toml"), self.toml()).unwrap();
    }

    fn toml(&self) -> String {
        format!(
            "question = \"Which rate is best?\"\n\n\
             [metric]\nname = \"loss\"\ngoal = \"minimize\"\n\n\
             [workspace]\neditable = [\"settings.toml\"]\n{}\n\n\
             [run]\ncommand = [\"sh\", \"train.sh\"]\noutputs = [\"out.txt\"]\n{}\n\n\
             [measure]\n{}\n\n{}\n\n[budget]\n{}\n\n{}\n",
            self.workspace, self.run, self.measure, self.knobs, self.budget, self.rest
        )
    }
}
