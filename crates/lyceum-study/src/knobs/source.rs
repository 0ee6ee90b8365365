//! What in a source file can be edited as a value: numbers, switches and operators, found by a small tokenizer.
//!
//! It knows comments, texts and numbers of a family of languages and nothing else of them: no grammar, no types. An edit may
//! therefore give a program that does not compile or does nonsense; that is a failed experiment, from which the search
//! learns. What stands in comments and texts is never touched.

use std::ops::Range;

use lyceum_types::Setting;

use super::locate::{Found, Located, Lost};

/// Languages that write comments, texts and numbers alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Python.
    Python,
    /// Rust.
    Rust,
    /// C and what took its look: C++, C#, Java, JavaScript, TypeScript, Go, Swift, Kotlin, awk.
    C,
}

impl Family {
    /// Returns the family of files with this extension.
    pub fn of(extension: &str) -> Option<Family> {
        match extension {
            "py" => Some(Family::Python),
            "rs" => Some(Family::Rust),
            "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "cu" | "cs" | "java" | "js"
            | "mjs" | "ts" | "go" | "swift" | "kt" | "awk" => Some(Family::C),
            _ => None,
        }
    }

    /// Returns a switch as the family writes it.
    pub(super) fn spelled(self, value: bool) -> &'static str {
        match (self, value) {
            (Family::Python, true) => "True",
            (Family::Python, false) => "False",
            (Family::Rust | Family::C, true) => "true",
            (Family::Rust | Family::C, false) => "false",
        }
    }
}

/// Tokens of which each may stand for the other. A token that has several meanings stands in its commonest.
pub(super) const CHOICES: [&[&str]; 6] = [
    &["+", "-", "*", "/"],
    &["<", "<=", ">", ">="],
    &["==", "!="],
    &["&&", "||"],
    &["and", "or"],
    &["min", "max"],
];

/// Words behind which no operator stands between two operands.
const WORDS: [&str; 13] = [
    "return", "if", "else", "elif", "while", "in", "not", "and", "or", "yield", "case", "match",
    "as",
];

/// One token that can be edited.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// Its line, from 1.
    pub(super) line: usize,
    /// Its number among those of the line, from 1. An edit puts one token in the place of another, so that it stays.
    pub(super) number: usize,
    /// Its bytes.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) value: Setting,
    /// The nearest name before it on its line, for people.
    pub(super) name: Option<Range<usize>>,
}

/// Finds the token at `LINE:NUMBER`.
pub(super) fn locate(text: &str, family: Family, key: &str) -> Result<Located, Lost> {
    let place = key.split_once(':').and_then(|(line, number)| {
        let (line, number): (usize, usize) = (line.parse().ok()?, number.parse().ok()?);
        Some((line, number))
    });
    let Some((line, number)) = place else {
        let expected = "expected LINE:NUMBER in a source file, as \"12:1\"";
        return Err(Lost::KeyPath(expected.to_owned()));
    };
    let on_line: Vec<Token> = tokens(text, family)
        .into_iter()
        .filter(|token| token.line == line)
        .collect();
    match on_line.into_iter().find(|token| token.number == number) {
        Some(token) => Ok(Located {
            span: token.span,
            value: Found::Scalar(token.value),
        }),
        None => Err(Lost::NoKey(vec![])),
    }
}

/// Returns all tokens of a text that can be edited, in order.
pub(super) fn tokens(text: &str, family: Family) -> Vec<Token> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        family,
        at: 0,
        line: 1,
        before: Before::Nothing,
        name: None,
        found: Vec::new(),
    };
    while reader.at < reader.bytes.len() {
        reader.step();
    }
    reader.found
}

/// What stands before a token, as far as it decides what an operator means.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    /// Something that an operator can stand behind.
    Operand,
    Point,
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    family: Family,
    at: usize,
    line: usize,
    before: Before,
    name: Option<Range<usize>>,
    found: Vec<Token>,
}

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Passes over so many bytes and counts their lines.
    fn pass(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.bytes.len());
        for _ in self.bytes[self.at..end]
            .split(|byte| *byte == b'\n')
            .skip(1)
        {
            self.line += 1;
            self.name = None;
        }
        self.at = end;
    }

    fn step(&mut self) {
        let byte = self.peek(0);
        if let Some(length) = self.comment() {
            self.pass(length);
        } else if let Some(length) = self.quoted() {
            self.pass(length);
            self.before = Before::Operand;
        } else if byte.is_ascii_digit() || (byte == b'.' && self.starts_with_a_point()) {
            self.number();
        } else if is_name(byte) {
            self.word();
        } else if is_operator(byte) {
            self.operator();
        } else {
            self.before = match byte {
                b')' | b']' => Before::Operand,
                // Behind two points stands the end of a range.
                b'.' if self.before == Before::Point => Before::Nothing,
                b'.' => Before::Point,
                _ if byte.is_ascii_whitespace() => self.before,
                _ => Before::Nothing,
            };
            self.pass(1);
        }
    }

    fn starts_with_a_point(&self) -> bool {
        self.family != Family::Rust
            && self.before == Before::Nothing
            && self.peek(1).is_ascii_digit()
    }

    /// Returns the length of the comment that begins here.
    fn comment(&self) -> Option<usize> {
        let rest = self.rest();
        let line = |rest: &[u8]| {
            rest.iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len())
        };
        match self.family {
            Family::Python => (rest[0] == b'#').then(|| line(rest)),
            Family::Rust | Family::C if rest.starts_with(b"//") => Some(line(rest)),
            // The preprocessor's lines hold numbers too, but what they mean stands elsewhere.
            Family::C if rest[0] == b'#' => Some(line(rest)),
            Family::Rust | Family::C if rest.starts_with(b"/*") => Some(self.block(rest)),
            Family::Rust | Family::C => None,
        }
    }

    /// Returns the length of a block comment; those of Rust nest.
    fn block(&self, rest: &[u8]) -> usize {
        let (mut at, mut depth) = (2, 1);
        while at < rest.len() && depth > 0 {
            let here = &rest[at..];
            if here.starts_with(b"*/") {
                depth -= 1;
                at += 2;
            } else if self.family == Family::Rust && here.starts_with(b"/*") {
                depth += 1;
                at += 2;
            } else {
                at += 1;
            }
        }
        at
    }

    /// Returns the length of the text that begins here.
    fn quoted(&self) -> Option<usize> {
        let rest = self.rest();
        match (self.family, rest[0]) {
            (Family::Python, quote @ (b'"' | b'\'')) => {
                let three = [quote; 3];
                Some(if rest.starts_with(&three) {
                    until(rest, 3, &three, true)
                } else {
                    until(rest, 1, &[quote], false)
                })
            }
            (Family::Rust, b'\'') => character(rest),
            (Family::C, b'`') => Some(until(rest, 1, b"`", true)),
            (Family::C, quote @ (b'"' | b'\'')) => Some(until(rest, 1, &[quote], false)),
            (Family::Rust, b'"') => Some(until(rest, 1, b"\"", true)),
            _ => None,
        }
    }

    /// Takes a name, a keyword, or the prefix of a raw text.
    fn word(&mut self) {
        let begin = self.at;
        let length = self
            .rest()
            .iter()
            .take_while(|byte| is_name(**byte))
            .count();
        let word = &self.text[begin..begin + length];
        if let Some(raw) = self.raw(word, length) {
            self.pass(raw);
            self.before = Before::Operand;
            return;
        }
        let span = begin..begin + length;
        let alone = self.before != Before::Point;
        let switch = [true, false]
            .into_iter()
            .find(|value| word == self.family.spelled(*value));
        let group = CHOICES.iter().any(|group| group.contains(&word));
        let call = word == "min" || word == "max";
        let logic = self.family == Family::Python && (word == "and" || word == "or");
        self.pass(length);
        match switch {
            Some(value) if alone => self.push(span, Setting::Boolean(value)),
            // `min` and `max` are edited where they are called, the words of logic in Python alone.
            _ if group && (logic || (call && self.peek(0) == b'(')) => {
                let word = self.text[span.clone()].to_owned();
                self.push(span, Setting::Text(word));
            }
            _ => self.name = Some(span),
        }
        let word = &self.text[begin..begin + length];
        self.before = if WORDS.contains(&word) {
            Before::Nothing
        } else {
            Before::Operand
        };
    }

    /// Returns the length of a text with a prefix: `r"…"`, `br#"…"#`, `f'…'`, which nothing in it ends but its own quote.
    fn raw(&self, word: &str, length: usize) -> Option<usize> {
        let rest = &self.rest()[length..];
        let raw = word.contains(['r', 'R']) && word.len() <= 3;
        match self.family {
            Family::Rust if raw && matches!(word, "r" | "br" | "cr") => {
                let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
                let end: Vec<u8> = std::iter::once(b'"')
                    .chain(std::iter::repeat_n(b'#', hashes))
                    .collect();
                (rest.get(hashes) == Some(&b'"')).then(|| {
                    let text = &rest[hashes + 1..];
                    let found = find(text, &end).map_or(text.len(), |at| at + end.len());
                    length + hashes + 1 + found
                })
            }
            Family::Python | Family::Rust | Family::C => None,
        }
    }

    /// Takes a number in decimal digits; any other is passed over.
    fn number(&mut self) {
        let begin = self.at;
        let field = self.before == Before::Point;
        let digits = self.digits();
        let whole = self
            .rest()
            .iter()
            .take_while(|byte| is_name(**byte))
            .count();
        let suffix = &self.text[self.at..self.at + whole];
        let plain = suffix.is_empty()
            || suffix.starts_with('_')
            || matches!(
                suffix.as_bytes()[0],
                b'f' | b'F' | b'l' | b'L' | b'u' | b'U' | b'i'
            );
        let span = begin..self.at;
        let value = number(&self.text[span.clone()]);
        self.pass(whole);
        if let (false, true, Some(value)) = (field, plain && digits, value) {
            self.push(span, value);
        }
        self.before = Before::Operand;
    }

    /// Passes over digits, point and exponent. Returns whether they are a decimal number.
    fn digits(&mut self) -> bool {
        let run = |reader: &mut Self| {
            while reader.peek(0).is_ascii_digit()
                || (matches!(reader.peek(0), b'_' | b'\'') && reader.peek(1).is_ascii_digit())
            {
                reader.pass(1);
            }
        };
        // `0x1f`, `0b1`, `0o7`, and the octal `017` of C.
        let other = self.peek(0) == b'0' && self.peek(1).is_ascii_alphanumeric();
        let other = other && !matches!(self.peek(1), b'e' | b'E' | b'f' | b'F' | b'u' | b'i');
        run(self);
        // `1..2` is a range and `1.max(2)` a call.
        let fraction =
            self.peek(1).is_ascii_digit() || (!is_name(self.peek(1)) && self.peek(1) != b'.');
        if self.peek(0) == b'.' && fraction {
            self.pass(1);
            run(self);
        }
        let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
        if matches!(self.peek(0), b'e' | b'E') && self.peek(1 + sign).is_ascii_digit() {
            self.pass(1 + sign);
            run(self);
        }
        !other
    }

    /// Takes a run of operator characters, which is edited where it is one operator between two operands.
    fn operator(&mut self) {
        let begin = self.at;
        let length = self
            .rest()
            .iter()
            .take_while(|byte| is_operator(**byte))
            .count();
        // A comment may begin in the middle of a run.
        let run = &self.text[begin..begin + length];
        let length = ["//", "/*"]
            .iter()
            .filter(|_| self.family != Family::Python)
            .filter_map(|comment| run.find(comment))
            .min()
            .unwrap_or(length)
            .max(1);
        let span = begin..begin + length;
        let word = &self.text[span.clone()];
        let behind = self
            .bytes
            .get(begin.wrapping_sub(1))
            .copied()
            .unwrap_or(b' ');
        let ahead = self.peek(length);
        let spaced = (behind.is_ascii_whitespace(), ahead.is_ascii_whitespace());
        // `Vec<T>`, `*pointer` and `&&text` are no operators between operands: those stand free, or close on both sides.
        let free = spaced == (true, true);
        let close = spaced == (false, false)
            && (is_name(ahead) || matches!(ahead, b'(' | b'.'))
            && (self.family == Family::Python
                || !matches!(word, "<" | "<=" | ">" | ">=" | "&&" | "||"));
        let group = CHOICES.iter().any(|group| group.contains(&word));
        let binary = self.before == Before::Operand && (free || close) && ahead != b'\n';
        let word = word.to_owned();
        self.pass(length);
        if group && binary {
            self.push(span, Setting::Text(word));
        }
        self.before = Before::Nothing;
    }

    fn push(&mut self, span: Range<usize>, value: Setting) {
        let last = self.found.last().filter(|last| last.line == self.line);
        let number = last.map_or(1, |last| last.number + 1);
        self.found.push(Token {
            line: self.line,
            number,
            span,
            value,
            name: self.name.clone(),
        });
    }
}

/// Returns a number as it is written in decimal; `None` for one that does not fit.
fn number(text: &str) -> Option<Setting> {
    let plain: String = text.chars().filter(|c| !matches!(c, '_' | '\'')).collect();
    let real = plain.contains(['.', 'e', 'E']);
    if real {
        let value: f64 = plain.parse().ok()?;
        return value.is_finite().then_some(Setting::Float(value));
    }
    plain.parse().ok().map(Setting::Integer)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn is_operator(byte: u8) -> bool {
    b"+-*/%<>=!&|^~?@".contains(&byte)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Returns the length of a text from its opening quote through its end; one that may not span lines ends with its line.
fn until(rest: &[u8], open: usize, end: &[u8], lines: bool) -> usize {
    let mut at = open;
    while at < rest.len() {
        if rest[at] == b'\\' {
            at += 2;
        } else if rest[at..].starts_with(end) {
            return at + end.len();
        } else if rest[at] == b'\n' && !lines {
            return at;
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Returns the length of a character of Rust; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(until(rest, 1, b"'", false));
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
    let text = match &text {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&rest[1..=error.valid_up_to()]).unwrap_or_default(),
    };
    let first = text.chars().next()?.len_utf8();
    (rest.get(1 + first) == Some(&b'\'')).then_some(first + 2)
}
