//! Reading scripts line by line, without running them. Triage: what is found is worth a look, what is not found proves
//! nothing.

use std::path::Path;

/// Largest script that is read; a longer one was not written by hand.
pub(super) const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// Ends of names of scripts.
const ENDINGS: [&str; 8] = ["sh", "bash", "py", "pl", "rb", "js", "lua", "awk"];

/// What runs or revives a text, with what makes it harmless on the same line.
const RUNS: [(&str, &str); 22] = [
    ("eval(", ""),
    ("eval \"", ""),
    ("eval $", ""),
    ("exec(", ""),
    ("execfile(", ""),
    ("compile(", "re.compile("),
    ("pickle.load", ""),
    ("joblib.load", ""),
    ("marshal.load", ""),
    ("shelve.open", ""),
    ("torch.load(", "weights_only=True"),
    ("yaml.load(", "SafeLoader"),
    ("allow_pickle=True", ""),
    ("importlib.", ""),
    ("__import__(", ""),
    ("runpy.", ""),
    ("CDLL(", ""),
    ("dofile(", ""),
    ("source \"$", ""),
    ("source $", ""),
    (". \"$", ""),
    ("chmod +x", ""),
];

/// Interpreters that run the file after them.
const INTERPRETERS: [&str; 8] = [
    "sh", "bash", "python", "python3", "perl", "ruby", "node", "lua",
];

/// What looks for a part of a text.
const PARTS: [&str; 9] = [
    "grep ",
    ".find(",
    ".contains(",
    ".includes(",
    ".indexOf(",
    "index(",
    "re.search(",
    "re.findall(",
    "strstr(",
];

/// What goes on after a failure.
const PASSED_OVER: [&str; 6] = [
    "|| true",
    "|| :",
    "|| echo",
    "set +e",
    "except: pass",
    "contextlib.suppress",
];

/// A place in a script, with the line's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: usize,
    pub(super) text: String,
}

/// Returns the text of a script; `None` for a file of another kind.
pub(super) fn text_of(path: &Path, bytes: &[u8]) -> Option<String> {
    let named = path
        .extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.contains(&ending));
    if !(named || bytes.starts_with(b"#!")) || bytes.len() > SCRIPT_BYTES_MAX {
        return None;
    }
    String::from_utf8(bytes.to_vec()).ok()
}

/// Returns the lines that run or revive what they are given.
pub(super) fn runs(text: &str) -> Vec<Spot> {
    spots(text, |line| {
        let told = |(sign, harmless): &(&str, &str)| {
            finds_word(line, sign) && (harmless.is_empty() || !line.contains(harmless))
        };
        RUNS.iter().any(told) || starts_argument(line)
    })
}

/// Returns the lines that look for a part of a text.
pub(super) fn parts(text: &str) -> Vec<Spot> {
    spots(text, |line| PARTS.iter().any(|sign| finds(line, sign)))
}

/// Returns the lines that go on after a failure.
pub(super) fn passed_over(text: &str) -> Vec<Spot> {
    let mut found = spots(text, |line| {
        PASSED_OVER.iter().any(|sign| line.contains(sign))
    });
    let lines: Vec<String> = text.lines().map(bare).collect();
    let caught = lines.windows(2).enumerate().filter(|(_, two)| {
        let (first, then) = (two[0].trim(), two[1].trim());
        first.starts_with("except") && (then == "pass" || then.starts_with("return 0"))
    });
    found.extend(caught.map(|(index, two)| {
        Spot {
            line: index + 1,
            text: two
                .join(" ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        }
    }));
    found
}

/// Returns the lines that set a seed to a number of their own.
pub(super) fn own_seeds(text: &str) -> Vec<Spot> {
    spots(text, |line| !mentions_seed(line) && sets_a_seed(line))
}

/// Tells whether a text speaks of the lab's seed.
pub(super) fn mentions_seed(text: &str) -> bool {
    text.contains("LYCEUM_SEED")
}

/// Tells whether a line gives a number to something that is called a seed.
pub(super) fn sets_a_seed(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    ["seed", "srand", "random_state", "default_rng"]
        .iter()
        .any(|name| {
            lower.match_indices(name).any(|(at, _)| {
                let rest = lower[at + name.len()..].trim_start_matches(['"', '\'', ']']);
                let value = rest.trim_start_matches([' ', '=', '(', ':', '\t']);
                value.len() < rest.len() && value.starts_with(|c: char| c.is_ascii_digit())
            })
        })
}

/// Tells whether a shell line runs its own argument: `"$1"`, `sh "$1"`.
fn starts_argument(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let argument = |word: Option<&str>| {
        word.is_some_and(|word| {
            let bare = word.trim_start_matches(['"', '{']);
            bare.starts_with("$1") || bare.starts_with("${1") || bare.starts_with("$LYCEUM_OUTPUTS")
        })
    };
    match words.next() {
        Some(word) if INTERPRETERS.contains(&word) => argument(words.next()),
        first => argument(first),
    }
}

fn spots(text: &str, told: impl Fn(&str) -> bool) -> Vec<Spot> {
    let lines = text.lines().map(bare).enumerate();
    lines
        .filter(|(_, line)| told(line))
        .map(|(index, line)| Spot {
            line: index + 1,
            text: line.trim().to_owned(),
        })
        .collect()
}

/// Returns a line without its comment: `#` and `//` outside quotes, at a word's beginning.
fn bare(line: &str) -> String {
    let mut quote = None;
    let mut before = ' ';
    for (at, here) in line.char_indices() {
        match (quote, here) {
            (Some(open), _) if here == open && before != '\\' => quote = None,
            (None, '"' | '\'') if before != '\\' => quote = Some(here),
            (None, '#') if before.is_whitespace() || at == 0 => return line[..at].to_owned(),
            (None, '/') if line[at..].starts_with("//") && before.is_whitespace() => {
                return line[..at].to_owned();
            }
            _ => {}
        }
        before = here;
    }
    line.to_owned()
}

/// Tells whether a sign stands in a line.
fn finds(line: &str, sign: &str) -> bool {
    if sign.starts_with('.') {
        return line.contains(sign);
    }
    finds_word(line, sign)
}

/// Tells whether a sign stands in a line with no letter before it: `literal_eval(` is not `eval(`.
fn finds_word(line: &str, sign: &str) -> bool {
    line.match_indices(sign).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || c == '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: &[Spot]) -> Vec<usize> {
        found.iter().map(|spot| spot.line).collect()
    }

    #[test]
    fn what_runs_an_output_is_found_and_what_reads_one_is_not() {
        let text = "import pickle  # pickle.load is not used here
model = pickle.load(open(path, 'rb'))
value = ast.literal_eval(text)
pattern = re.compile('x')
weights = torch.load(path, weights_only=True)
weights = torch.load(path)
print('# eval(text)'); eval(text)
";
        assert_eq!(lines(&runs(text)), [2, 6, 7]);
        let shell = "exec 3>&1\n\"$1\"\nsh \"$1\"/run\nawk '{ print }' \"$1\"\n. \"$1\"\n";
        assert_eq!(lines(&runs(shell)), [2, 3, 5]);
    }

    #[test]
    fn a_seed_of_its_own_is_found_and_the_labs_is_not() {
        let text = "torch.manual_seed(42)
seed = 7
srand(seed % 2147483647)
seed = int(os.environ['LYCEUM_SEED'])
seed=\"${LYCEUM_SEED:-1}\"
rng = np.random.default_rng(0)
# seed = 42
args = ['--seed', 42]
";
        assert_eq!(lines(&own_seeds(text)), [1, 2, 6]);
        assert!(sets_a_seed("--seed 42") && sets_a_seed("\"seed\": 3"));
        assert!(!sets_a_seed("seeds are drawn"));
    }

    #[test]
    fn a_failure_that_is_passed_over_is_found() {
        let text =
            "./check || true\ntry:\n    check()\nexcept ValueError:\n    return 0.0\nraise\n";
        assert_eq!(lines(&passed_over(text)), [1, 4]);
    }

    #[test]
    fn a_part_of_a_text_is_found_outside_comments() {
        assert_eq!(
            lines(&parts(
                "grep -q PASS out\n# grep\nx.find('a')\negrep_like\n"
            )),
            [1, 3]
        );
    }
}
