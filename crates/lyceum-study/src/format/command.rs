//! Commands with placeholders.

use std::fmt;

/// A word in braces that the lab replaces in a command: `{outputs}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Placeholder {
    /// Directory of the declared outputs.
    Outputs,
    /// Directory of the private files.
    Private,
    /// Directory of the files that a user gave.
    Inputs,
    /// File of a measurement's fresh input.
    Input,
    /// File of what a measured program writes, of the side in question.
    Output,
    /// File of a timed measurement's output, of the baseline.
    Baseline,
    /// The run's seed.
    Seed,
    /// Threads of a run.
    Threads,
}

impl Placeholder {
    /// Every placeholder.
    pub const ALL: [Placeholder; 8] = [
        Placeholder::Outputs,
        Placeholder::Private,
        Placeholder::Inputs,
        Placeholder::Input,
        Placeholder::Output,
        Placeholder::Baseline,
        Placeholder::Seed,
        Placeholder::Threads,
    ];

    /// Returns the word without its braces.
    pub fn name(self) -> &'static str {
        match self {
            Placeholder::Outputs => "outputs",
            Placeholder::Private => "private",
            Placeholder::Inputs => "inputs",
            Placeholder::Input => "input",
            Placeholder::Output => "output",
            Placeholder::Baseline => "baseline",
            Placeholder::Seed => "seed",
            Placeholder::Threads => "threads",
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.name())
    }
}

/// A command and its arguments, with placeholders. No shell is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl Command {
    /// Returns the command of these words; the caller has checked them.
    pub(crate) fn new(words: Vec<String>) -> Command {
        Command(words)
    }

    /// Returns the words as written.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// Tells whether the placeholder occurs.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        self.0
            .iter()
            .any(|word| placeholders(word).contains(&placeholder.name()))
    }

    /// Returns the words with these placeholders replaced, and `{{word}}` as `{word}`. A placeholder without a value stays.
    pub fn fill(&self, values: &[(Placeholder, &str)]) -> Vec<String> {
        self.0.iter().map(|word| fill(word, values)).collect()
    }
}

/// A piece of a command's word.
enum Piece<'a> {
    Text(&'a str),
    Escaped(&'a str),
    Placeholder(&'a str),
}

/// Returns the names in braces, known or not. Shell variables (`${x}`) and escaped words (`{{x}}`) are none.
pub(crate) fn placeholders(word: &str) -> Vec<&str> {
    pieces(word)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name),
            Piece::Text(_) | Piece::Escaped(_) => None,
        })
        .collect()
}

fn fill(word: &str, values: &[(Placeholder, &str)]) -> String {
    let mut filled = String::new();
    for piece in pieces(word) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Escaped(name) => push_braced(&mut filled, name),
            Piece::Placeholder(name) => {
                match values
                    .iter()
                    .find(|(placeholder, _)| placeholder.name() == name)
                {
                    Some((_, value)) => filled.push_str(value),
                    None => push_braced(&mut filled, name),
                }
            }
        }
    }
    filled
}

fn push_braced(text: &mut String, name: &str) {
    text.push('{');
    text.push_str(name);
    text.push('}');
}

fn pieces(word: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut text_start = 0;
    let mut at = 0;
    while let Some(open) = word[at..].find('{').map(|found| at + found) {
        let after_dollar = word[..open].ends_with('$');
        let doubled = word[open..].starts_with("{{");
        let name_start = open + if doubled { 2 } else { 1 };
        let name_length = word[name_start..]
            .find(|c: char| !c.is_ascii_lowercase() && c != '_')
            .unwrap_or(word.len() - name_start);
        let name_end = name_start + name_length;
        let closing = if doubled { "}}" } else { "}" };
        if after_dollar || name_length == 0 || !word[name_end..].starts_with(closing) {
            at = open + 1;
            continue;
        }
        pieces.push(Piece::Text(&word[text_start..open]));
        let name = &word[name_start..name_end];
        pieces.push(if doubled {
            Piece::Escaped(name)
        } else {
            Piece::Placeholder(name)
        });
        at = name_end + closing.len();
        text_start = at;
    }
    pieces.push(Piece::Text(&word[text_start..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_and_nothing_else() {
        let command = Command::new(
            [
                "sh",
                "-c",
                "x {outputs}/a ${outputs} {{seed}} {Seed} {print $1} {seed}{",
                "{seed}",
            ]
            .map(str::to_owned)
            .to_vec(),
        );
        assert!(command.uses(Placeholder::Seed));
        assert!(!command.uses(Placeholder::Private));
        assert_eq!(
            command.fill(&[(Placeholder::Outputs, "/o"), (Placeholder::Seed, "7")]),
            [
                "sh",
                "-c",
                "x /o/a ${outputs} {seed} {Seed} {print $1} 7{",
                "7"
            ]
        );
    }

    #[test]
    fn a_doubled_brace_before_a_placeholder_keeps_the_placeholder() {
        assert_eq!(fill("{{seed}", &[(Placeholder::Seed, "7")]), "{7");
    }
}
