//! Static rules over source that a candidate wrote. They read text and never run it; what they name is worth a look and
//! no more, since any rule on text can be evaded, and honest programs come close to some.

use std::collections::BTreeSet;

/// Hits named for one file.
const HITS_MAX: usize = 16;

/// Words that an honest program of a study hardly needs, with what each is called in a report.
const WORDS: [(&str, &str); 12] = [
    ("sys.modules", "reaches into the table of modules"),
    ("sys._getframe", "walks the stack"),
    ("inspect.currentframe", "walks the stack"),
    ("inspect.stack", "walks the stack"),
    ("gc.get_objects", "looks through all objects"),
    ("gc.get_referrers", "looks through all objects"),
    ("gc.get_referents", "looks through all objects"),
    ("os._exit", "ends without cleaning up"),
    ("atexit.register", "runs something after the end"),
    ("SkipTest", "skips tests"),
    ("pytest.skip", "skips tests"),
    ("unittest.skip", "skips tests"),
];

/// Returns what static rules name in a file: lines from 1, or 0 for the file as a whole.
pub fn hits(path: &str, text: &[u8]) -> Vec<(u32, &'static str)> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let mut found = Vec::new();
    match name {
        "conftest.py" => found.push((0, "is loaded by the test runner")),
        "sitecustomize.py" | "usercustomize.py" => {
            found.push((0, "is loaded by every Python program"));
        }
        _ if suffix == "pth" => found.push((0, "is loaded by every Python program")),
        _ => {}
    }
    let text = String::from_utf8_lossy(text);
    for (line, number) in text.lines().zip(1..) {
        if line.contains("LD_PRELOAD") || line.contains("LD_AUDIT") {
            found.push((number, "loads a library into every program"));
        }
    }
    if suffix == "py" {
        python(&text, &mut found);
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(HITS_MAX);
    found
}

fn python(text: &str, found: &mut Vec<(u32, &'static str)>) {
    let bare = without_texts(text);
    let mut modules = BTreeSet::new();
    for (line, number) in bare.lines().zip(1_u32..) {
        imported(line, &mut modules);
        for (word, rule) in WORDS {
            if has_word(line, word) {
                found.push((number, rule));
            }
        }
        let line = line.trim();
        if line
            .strip_prefix("def ")
            .is_some_and(|rest| rest.starts_with("pytest_"))
        {
            found.push((number, "hooks into the test runner"));
        }
        if assigns_to_module(line, &modules) {
            found.push((number, "replaces a part of a module"));
        }
    }
}

/// Takes the names under which a line imports modules.
fn imported(line: &str, modules: &mut BTreeSet<String>) {
    let Some(rest) = line.trim().strip_prefix("import ") else {
        return;
    };
    for one in rest.split([',', ';']) {
        let mut words = one.split_whitespace();
        let Some(module) = words.next() else { continue };
        let name = match (words.next(), words.next()) {
            (Some("as"), Some(name)) => name,
            _ => module.split('.').next().unwrap_or(module),
        };
        modules.insert(name.to_owned());
    }
}

/// Tells whether a line assigns to an attribute of an imported module: `time.time = f`, `setattr(time, …)`,
/// `time.__dict__[…]`, `vars(time)`.
fn assigns_to_module(line: &str, modules: &BTreeSet<String>) -> bool {
    for (call, rest) in ["setattr(", "delattr(", "vars("]
        .iter()
        .filter_map(|call| line.find(call).map(|at| (call, &line[at + call.len()..])))
    {
        let first = rest.split([',', ')']).next().unwrap_or_default().trim();
        let first = first.split('.').next().unwrap_or_default();
        if modules.contains(first) && (*call != "vars(" || line.contains('[')) {
            return true;
        }
    }
    let head = line
        .split(['=', '[', '('])
        .next()
        .unwrap_or_default()
        .trim();
    let Some((module, attribute)) = head.split_once('.') else {
        return false;
    };
    let plain = attribute
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    if !modules.contains(module) || !plain {
        return false;
    }
    let rest = line[head.len()..].trim_start();
    let assigned = rest.starts_with('=') && !rest.starts_with("==");
    assigned || attribute.ends_with("__dict__")
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(|c| part(c) || c == '.') && !after.is_some_and(part)
            || word == "SkipTest" && before == Some('.') && !after.is_some_and(part)
    })
}

/// Returns Python source with comments and the insides of texts blanked, lines kept.
fn without_texts(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut bare = Vec::with_capacity(bytes.len());
    let mut at = 0;
    // The quotes that end the open text.
    let mut open: Option<&[u8]> = None;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        match open {
            None if byte == b'#' => {
                let end = rest.iter().position(|byte| *byte == b'\n');
                at += end.unwrap_or(rest.len());
                continue;
            }
            None => {
                let quotes: [&[u8]; 4] = [b"\"\"\"", b"'''", b"\"", b"'"];
                if let Some(quote) = quotes.into_iter().find(|quote| rest.starts_with(quote)) {
                    open = Some(quote);
                    bare.push(b' ');
                    at += quote.len();
                    continue;
                }
                bare.push(byte);
            }
            Some(quote) if rest.starts_with(quote) => {
                open = None;
                at += quote.len();
                continue;
            }
            Some(quote) => {
                if byte == b'\n' {
                    bare.push(b'\n');
                    // A text in single quotes ends with its line, whatever is wrong with it.
                    open = open.filter(|_| quote.len() == 3);
                } else if byte == b'\\' {
                    at += 1;
                    if bytes.get(at) == Some(&b'\n') {
                        bare.push(b'\n');
                    }
                }
            }
        }
        at += 1;
    }
    String::from_utf8_lossy(&bare).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(u32, &'static str)> {
        hits("solution.py", text.as_bytes())
    }

    #[test]
    fn six_spellings_of_a_replaced_clock_are_named() {
        for text in [
            "import time\ns = '#'; time.time = f",
            "import time\nsetattr(time, 'time', f)",
            "import time as t\nt.perf_counter = f",
            "import time\ntime.__dict__['time'] = f",
            "import time, sys\nsys.modules['time'] = fake",
            "import time\nvars(time)['time'] = f",
        ] {
            let found = rules(text);
            let clock = found.iter().any(|(line, _)| *line == 2);
            // One statement hides behind another on its line: a limit of reading lines.
            assert!(clock || text.contains(';'), "{text}: {found:?}");
        }
    }

    #[test]
    fn honest_programs_are_not_named() {
        for text in [
            "try:\n    import fast\nexcept ImportError:\n    fast = None",
            "import time\nstart = time.time()\nx = time.time() - start\nif time.daylight == 1: pass",
            "class P:\n    def __eq__(self, other):\n        return True\nself.x = 1",
            "import sys\nsys.exit(0)",
            "import ctypes\nlib = ctypes.CDLL('libm.so.6')",
            "from functools import lru_cache\n@lru_cache\ndef f(n): return n",
            "# this is no hack: time.time = f\nx = 'import time; sys.modules'\n'''\nos._exit(1)\n'''",
            "import os\nmy_os._exit = 1\nos.environ['A'] = 'b'",
        ] {
            assert_eq!(rules(text), [], "{text}");
        }
    }

    #[test]
    fn files_that_load_by_themselves_are_named() {
        for name in ["conftest.py", "a/sitecustomize.py", "x.pth"] {
            assert_eq!(hits(name, b"").len(), 1, "{name}");
        }
        assert_eq!(hits("run.sh", b"export LD_PRELOAD=./clock.so").len(), 1);
        assert_eq!(hits("notes.txt", b"sys.modules os._exit"), []);
    }

    #[test]
    fn any_bytes_are_read_to_their_end() {
        for text in [
            "'''",
            "\"\\",
            "'\\\n",
            "\u{e9}'\u{e9}",
            "def pytest_x",
            "import \nimport ,;as",
        ] {
            rules(text);
        }
        hits("x.py", &[0xff, b'\'', 0xfe, b'\n', b'#']);
    }
}
