//! The tools of one thread.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use lyceum_models::Tool;
use lyceum_study::{
    engine::{Broken, Cut},
    workspace,
};
use lyceum_types::Output;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    bench,
    event::{Body, Delegated, HandedOff, MessageSent, Taken},
    format::{Member, ON_FILES},
    offers,
    purse::Spending,
    room::Room,
    session_of,
    state::{DEPTH_MAX, State},
};
use crate::{
    hands,
    line::one_line,
    session::{self, Said, event::Noted},
    stream::Fold as _,
    tool::{Done, Outcome, Toolbox, Wanted, cut_middle, shelf::Shelf},
};

/// Most threads of a team.
const THREADS_MAX: usize = 64;
/// Most threads that work at the same time: each is a connection and a process.
const WORKING_MAX: usize = 16;
/// Most bytes of a task, a message or a note.
const WORDS_BYTES_MAX: usize = 8 << 10;
/// Usual and longest time of a shell's command, in seconds.
const TIMEOUT_S: (u64, u64) = (60, 120);
/// Usual and longest time of waiting, in seconds.
const WAIT_S: (u64, u64) = (600, 3600);
/// How often who waits looks whether it is to end.
const POLL: Duration = Duration::from_millis(100);
/// Things of a thread that are shown to who looks.
const LAST_SHOWN: usize = 8;
/// Most bytes of each.
const SHOWN_BYTES_MAX: usize = 400;
/// Most bytes of a diff that a result shows.
const DIFF_BYTES_MAX: usize = 8 << 10;

/// What holds for every thread of a team.
const RULES: &str = include_str!("rules.txt");
/// What holds for one that works alone.
const RULES_ALONE: &str = include_str!("rules_alone.txt");

/// The tools of one thread.
pub(super) struct Tools<'a> {
    pub(super) room: &'a Room<'a>,
    pub(super) thread: u32,
    pub(super) member: &'a Member,
    pub(super) rules: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bash {
    command: String,
    #[serde(default)]
    timeout_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delegate {
    specialist: String,
    task: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    thread: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    #[serde(default)]
    threads: Option<Vec<u32>>,
    #[serde(default)]
    seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    thread: u32,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn read<T: DeserializeOwned>(call: &Wanted) -> Result<T, String> {
    serde_json::from_value(call.arguments.clone())
        .map_err(|error| format!("the arguments do not fit: {error}"))
}

fn words(what: &str, text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err(format!("the {what} is empty")),
        text if text.len() > WORDS_BYTES_MAX => Err(format!(
            "the {what} has {} bytes, expected at most {WORDS_BYTES_MAX}",
            text.len()
        )),
        text => Ok(text.to_owned()),
    }
}

/// What a tool that says no by itself gives.
type Answer = Result<Result<Done, String>, Broken>;

impl<'a> Tools<'a> {
    /// Returns the tools of a thread.
    pub(super) fn new(room: &'a Room<'a>, thread: u32, member: &'a Member) -> Tools<'a> {
        let rules = if room.team.alone { RULES_ALONE } else { RULES };
        let rules = if member.prompt.trim().is_empty() {
            rules.trim_end().to_owned()
        } else {
            format!("{rules}\n{}", member.prompt.trim())
        };
        Tools {
            room,
            thread,
            member,
            rules,
        }
    }

    fn broken<E>(doing: &str) -> impl FnOnce(E) -> Broken
    where
        E: Into<Box<dyn std::error::Error + std::marker::Send + Sync>>,
    {
        Broken::while_doing(doing.to_owned())
    }

    fn with_files(&self, session: &session::State, call: &Wanted, cut: &Cut) -> Answer {
        if !self.member.tools.contains(&call.name) {
            return Ok(Err(format!("you have no tool `{}`", call.name)));
        }
        let state = self.room.state();
        let shared = state.files(self.version(&state));
        let seen = bench::Seen {
            shared: &shared,
            own: &session.files,
            mounts: &[],
            shelf: &Shelf::default(),
        };
        if call.name == "bash" {
            let asked = match read::<Bash>(call) {
                Ok(asked) => asked,
                Err(why) => return Ok(Err(why)),
            };
            let timeout = asked.timeout_s.unwrap_or(TIMEOUT_S.0).clamp(1, TIMEOUT_S.1);
            let timeout = Duration::from_secs(timeout);
            return bench::bash(self.room.kit, &asked.command, timeout, seen, cut).map(Ok);
        }
        let mut arguments = call.arguments.clone();
        if let Some(object) = arguments.as_object_mut() {
            object.insert("tool".into(), call.name.clone().into());
        }
        match serde_json::from_value::<hands::Request>(arguments) {
            Ok(request) => bench::with_hands(self.room.kit, &request, seen, cut).map(Ok),
            Err(error) => Ok(Err(format!("the arguments do not fit: {error}"))),
        }
    }

    fn version(&self, state: &State) -> u32 {
        state
            .threads
            .get(self.thread as usize)
            .map_or(0, |one| one.version)
    }

    /// Returns how files changed, as far as there is room.
    fn diff(&self, before: &[&Output], after: &[&Output]) -> Result<String, Broken> {
        let contents = |files: &[&Output]| -> Result<Vec<(String, Vec<u8>)>, Broken> {
            let files: Vec<Output> = files.iter().map(|file| (*file).clone()).collect();
            let read = self.room.kit.read_kept(&files)?.into_iter();
            Ok(read.map(|edit| (edit.path, edit.bytes)).collect())
        };
        let text = workspace::diff(&contents(before)?, &contents(after)?);
        Ok(cut_middle(text, DIFF_BYTES_MAX))
    }

    fn hand_off(&self, session: &session::State, call: &Wanted) -> Answer {
        let message = match read::<Message>(call).and_then(|asked| words("message", &asked.message))
        {
            Ok(message) => message,
            Err(why) => return Ok(Err(why)),
        };
        let own = session.files.clone();
        let decided = self.room.decide(|state| {
            let before = state
                .handoffs
                .iter()
                .find(|one| one.thread == self.thread && one.call == call.call);
            if let Some(before) = before {
                return (None, Ok(before.version));
            }
            let base = self.version(state);
            let clash = clashes(state, base, &own);
            if !clash.is_empty() {
                return (None, Err(clash));
            }
            if own.is_empty() {
                return (None, Err(vec![]));
            }
            let version = state.version() + 1;
            let handed = HandedOff {
                version,
                thread: self.thread,
                call: call.call.clone(),
                message,
                files: own.clone(),
            };
            (Some(Body::HandedOff(handed)), Ok(version))
        });
        match decided.map_err(Self::broken("handing off"))? {
            // What is shared is no own change any more.
            Ok(version) => Ok(Ok(Done {
                files: Some(vec![]),
                ..Done::said(format!(
                    "your changes are version {version} of the shared files"
                ))
            })),
            Err(clash) if clash.is_empty() => {
                Ok(Err("nothing of yours differs from the shared files".into()))
            }
            Err(clash) => {
                let state = self.room.state();
                let shown =
                    self.changes_of_others(&state, self.version(&state), state.version(), &clash)?;
                let names = clash.join(", ");
                Ok(Err(format!(
                    "refused: others handed off {names} since you took the shared files. What they changed:\n{shown}\ntake_shared, bring both together, and hand off again"
                )))
            }
        }
    }

    fn changes_of_others(
        &self,
        state: &State,
        from: u32,
        to: u32,
        names: &[String],
    ) -> Result<String, Broken> {
        let (before, after) = (state.files(from), state.files(to));
        let pick = |files: &bench::Files<'_>| -> Vec<Output> {
            let found = names.iter().filter_map(|name| files.get(name.as_str()));
            found.map(|file| (*file).clone()).collect()
        };
        let (before, after) = (pick(&before), pick(&after));
        let (before, after): (Vec<&Output>, Vec<&Output>) =
            (before.iter().collect(), after.iter().collect());
        self.diff(&before, &after)
    }

    fn take_shared(&self, session: &session::State, call: &Wanted) -> Answer {
        if let Err(why) = read::<Nothing>(call) {
            return Ok(Err(why));
        }
        let key = (self.thread, call.call.clone());
        let taken = self.room.decide(|state| {
            let from = self.version(state);
            if let Some(version) = state.taken.get(&key) {
                return (None, (*version, *version));
            }
            let version = state.version();
            let taken = Taken {
                thread: self.thread,
                call: call.call.clone(),
                version,
            };
            (Some(Body::Taken(taken)), (from, version))
        });
        let (from, to) = taken.map_err(Self::broken("taking the shared files"))?;
        let state = self.room.state();
        let shared = state.files(to);
        let mut text = format!("you have version {to} of the shared files now");
        for handed in state
            .handoffs
            .iter()
            .skip(from as usize)
            .take((to - from) as usize)
        {
            let names: Vec<&str> = handed.files.iter().map(|file| file.name.as_str()).collect();
            let said = one_line(&handed.message);
            let _ = write!(
                text,
                "\nversion {} by thread {}: {}: {said}",
                handed.version,
                handed.thread,
                names.join(", ")
            );
        }
        let clash = clashes(&state, from, &session.files);
        if !clash.is_empty() {
            let shown = self.changes_of_others(&state, from, to, &clash)?;
            let _ = write!(
                text,
                "\nyour own versions of these stay, and lack what the others did: {}. What they changed:\n{shown}",
                clash.join(", ")
            );
        }
        let mut own = session.files.clone();
        own.retain(|file| {
            shared
                .get(file.name.as_str())
                .is_none_or(|one| one.blob != file.blob)
        });
        Ok(Ok(Done {
            files: (own != session.files).then_some(own),
            ..Done::said(text)
        }))
    }

    fn delegate(&self, call: &Wanted) -> Answer {
        let asked = read::<Delegate>(call)
            .and_then(|asked| Ok((asked.specialist, words("task", &asked.task)?)));
        let (specialist, task) = match asked {
            Ok(asked) => asked,
            Err(why) => return Ok(Err(why)),
        };
        if !self.member.specialists.contains(&specialist) {
            let known = self.member.specialists.join(", ");
            return Ok(Err(format!(
                "you can ask nobody called `{specialist}`; there are: {known}"
            )));
        }
        let began = self.room.decide(|state| {
            let of_call = |one: &&Delegated| one.parent == self.thread && one.call == call.call;
            let known = state
                .threads
                .iter()
                .filter_map(|one| one.delegated.as_ref());
            if let Some(before) = known.clone().find(of_call) {
                return (None, Ok(before.thread));
            }
            let depth = state
                .threads
                .get(self.thread as usize)
                .map_or(0, |one| one.depth);
            let working = (0..state.threads.len() as u32)
                .filter(|one| state.works(*one))
                .count();
            if depth >= DEPTH_MAX {
                return (
                    None,
                    Err(format!(
                        "there are {DEPTH_MAX} levels below the lead, and you are on the last"
                    )),
                );
            }
            if state.threads.len() >= THREADS_MAX {
                return (
                    None,
                    Err(format!(
                        "the team has {THREADS_MAX} threads: send more work to one that is there"
                    )),
                );
            }
            if working >= WORKING_MAX {
                return (
                    None,
                    Err(format!("{WORKING_MAX} threads are at work: wait for one")),
                );
            }
            let thread = state.threads.len() as u32;
            let delegated = Delegated {
                thread,
                parent: self.thread,
                call: call.call.clone(),
                specialist,
                task,
                version: state.version(),
            };
            (Some(Body::Delegated(delegated)), Ok(thread))
        });
        Ok(match began.map_err(Self::broken("delegating"))? {
            Ok(thread) => {
                self.room.start(thread);
                Ok(Done::said(format!("thread {thread} is at work")))
            }
            Err(why) => Err(why),
        })
    }

    /// Returns the thread of this number if it is below this one.
    fn below(&self, state: &State, thread: u32) -> Result<u32, String> {
        let known = (thread as usize) < state.threads.len() && thread != self.thread;
        if known && state.line_of(thread).contains(&self.thread) {
            return Ok(thread);
        }
        Err(format!("no thread {thread} is below you"))
    }

    fn send(&self, call: &Wanted) -> Answer {
        let asked =
            read::<Send>(call).and_then(|asked| Ok((asked.thread, words("text", &asked.text)?)));
        let (thread, text) = match asked {
            Ok(asked) => asked,
            Err(why) => return Ok(Err(why)),
        };
        let sent = self.room.decide(|state| {
            if let Err(why) = self.below(state, thread) {
                return (None, Err(why));
            }
            let mut known = state.messages.iter();
            if known.any(|one| one.from == self.thread && one.call == call.call) {
                return (None, Ok(()));
            }
            let sent = MessageSent {
                message: state.messages.len() as u32 + 1,
                from: self.thread,
                to: thread,
                call: call.call.clone(),
                text,
            };
            (Some(Body::MessageSent(sent)), Ok(()))
        });
        Ok(match sent.map_err(Self::broken("sending a message"))? {
            Ok(()) => {
                self.room.start(thread);
                Ok(Done::said("sent"))
            }
            Err(why) => Err(why),
        })
    }

    fn look(&self, call: &Wanted) -> Answer {
        let state = self.room.state();
        let thread = match read::<Look>(call).and_then(|asked| self.below(&state, asked.thread)) {
            Ok(thread) => thread,
            Err(why) => return Ok(Err(why)),
        };
        let reader = self
            .room
            .kit
            .ledger()
            .reader()
            .map_err(Self::broken("looking at a thread"))?;
        let of = session_of(&self.room.team.name, thread);
        let session =
            session::State::load(&reader, &of).map_err(Self::broken("looking at a thread"))?;
        let mut text = line(&state, thread);
        let _ = write!(
            text,
            "\n{} requests, {} calls, {} tokens\nlast:",
            session.requests, session.calls_made, session.tokens
        );
        let from = session.conversation.len().saturating_sub(LAST_SHOWN);
        for item in &session.conversation[from..] {
            let _ = write!(text, "\n  {}", shown(&item.said));
        }
        let version = state
            .threads
            .get(thread as usize)
            .map_or(0, |one| one.version);
        let shared = state.files(version);
        let before: Vec<&Output> = session
            .files
            .iter()
            .filter_map(|file| shared.get(file.name.as_str()).copied())
            .collect();
        let after: Vec<&Output> = session.files.iter().collect();
        if after.is_empty() {
            text.push_str("\nno changes that are not handed off");
        } else {
            let _ = write!(
                text,
                "\nchanges that are not handed off:\n{}",
                self.diff(&before, &after)?
            );
        }
        Ok(Ok(Done::said(text)))
    }

    fn wait(&self, call: &Wanted, cut: &Cut) -> Result<Done, String> {
        let asked = read::<Wait>(call)?;
        let state = self.room.state();
        let threads = asked.threads.unwrap_or_else(|| state.children(self.thread));
        if let Some(why) = threads
            .iter()
            .find_map(|one| self.below(&state, *one).err())
        {
            return Err(why);
        }
        let longest = Duration::from_secs(asked.seconds.unwrap_or(WAIT_S.0).clamp(1, WAIT_S.1));
        let began = Instant::now();
        let mut state = state;
        self.room.turns.wait_for(self.thread, threads.clone());
        while threads.iter().any(|one| state.works(*one))
            && began.elapsed() < longest
            && cut.cause().is_none()
        {
            self.room.wait(POLL);
            state = self.room.state();
        }
        self.room.turns.go_on(self.thread);
        let state = self.room.state();
        let lines: Vec<String> = threads.iter().map(|one| line(&state, *one)).collect();
        let text = if lines.is_empty() {
            "nobody is below you".to_owned()
        } else {
            lines.join("\n")
        };
        Ok(Done::said(text))
    }
}

/// Returns the files of its own that a thread cannot hand off: others made other versions of them shared since it took
/// the shared files.
fn clashes(state: &State, base: u32, own: &[Output]) -> Vec<String> {
    let (before, now) = (state.files(base), state.files(state.version()));
    let moved = own.iter().filter(|file| {
        let (old, new) = (before.get(file.name.as_str()), now.get(file.name.as_str()));
        let blob = |one: Option<&&Output>| one.map(|one| one.blob.clone());
        blob(old) != blob(new) && blob(new).as_ref() != Some(&file.blob)
    });
    moved.map(|file| file.name.clone()).collect()
}

/// Returns a thread in a few lines.
pub(super) fn line(state: &State, thread: u32) -> String {
    let Some(found) = state.threads.get(thread as usize) else {
        return format!("thread {thread}: unknown");
    };
    let who = found
        .delegated
        .as_ref()
        .map_or("lead", |one| one.specialist.as_str());
    match &found.idle {
        None => format!("thread {thread} ({who}): at work"),
        Some((why, report)) => {
            let why = serde_json::to_value(why).unwrap_or_default();
            let why = why["type"].as_str().unwrap_or_default().to_owned();
            let said = cut_middle(one_line(report), SHOWN_BYTES_MAX * 10);
            format!("thread {thread} ({who}): idle ({why}): {said}")
        }
    }
}

fn shown(said: &Said) -> String {
    let (who, text) = match said {
        Said::Person(text) => ("a person", text.clone()),
        Said::Lab(text) => ("the lab", text.clone()),
        Said::Agent(blocks) => (
            "it",
            serde_json::to_string(&words_of(blocks)).unwrap_or_default(),
        ),
        Said::Result { text, .. } => ("a tool", text.clone()),
    };
    format!(
        "{who}: {}",
        cut_middle(one_line(&text), SHOWN_BYTES_MAX).replace('\n', " ")
    )
}

/// Returns what a model said and called.
fn words_of(blocks: &[lyceum_models::Block]) -> Vec<String> {
    use lyceum_models::{Arguments, Block};
    let said = blocks.iter().filter_map(|block| match block {
        Block::Text { text, .. } => Some(text.clone()),
        Block::ToolUse(call) => {
            let arguments = match &call.arguments {
                Arguments::Object { value } => value.to_string(),
                Arguments::Malformed { text, .. } => text.clone(),
            };
            Some(format!("{} {arguments}", call.name))
        }
        Block::Reasoning { .. } | Block::ToolResult(_) | Block::Opaque { .. } => None,
    });
    said.collect()
}

impl Toolbox for Tools<'_> {
    fn offers(&self) -> Vec<Tool> {
        let state = self.room.state();
        let depth = state
            .threads
            .get(self.thread as usize)
            .map_or(0, |one| one.depth);
        offers::of(self.member, depth >= DEPTH_MAX, self.room.team.alone)
    }

    fn rules(&self) -> Option<&str> {
        Some(&self.rules)
    }

    fn brief(&self, session: &session::State) -> String {
        let state = self.room.state();
        let version = self.version(&state);
        let mut text = String::new();
        if !self.room.team.alone {
            let _ = writeln!(
                text,
                "you are thread {} ({})",
                self.thread, self.member.name
            );
            let _ = writeln!(
                text,
                "you have version {version} of the shared files; the newest is {}",
                state.version()
            );
        }
        let names: Vec<&str> = session
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        let changed = if self.room.team.alone {
            "files that you changed"
        } else {
            "your changes that are not handed off"
        };
        let _ = writeln!(text, "{changed}: [{}]", one_line(&names.join(" ")));
        for child in state.children(self.thread) {
            let _ = writeln!(
                text,
                "{}",
                cut_middle(one_line(&line(&state, child)), SHOWN_BYTES_MAX).replace('\n', " ")
            );
        }
        text
    }

    fn call(&self, session: &session::State, call: &Wanted, cut: &Cut) -> Result<Outcome, Broken> {
        let leads = !self.member.specialists.is_empty();
        let done = match call.name.as_str() {
            name if ON_FILES.contains(&name) => self.with_files(session, call, cut)?,
            "hand_off" if !self.room.team.alone => self.hand_off(session, call)?,
            "take_shared" if !self.room.team.alone => self.take_shared(session, call)?,
            "note" => read::<Text>(call).and_then(|asked| {
                let text = words("note", &asked.text)?;
                Ok(Done {
                    also: vec![crate::session::event::Body::Noted(Noted { text })],
                    ..Done::said("noted")
                })
            }),
            "delegate" if leads => self.delegate(call)?,
            "look" if leads => self.look(call)?,
            "wait" if leads => self.wait(call, cut),
            "send" if leads => self.send(call)?,
            other => Err(format!("there is no tool `{}`", one_line(other))),
        };
        Ok(Outcome::Result(done.unwrap_or_else(Done::refused)))
    }

    fn look_up(
        &self,
        session: &session::State,
        call: &Wanted,
        cut: &Cut,
    ) -> Result<Outcome, Broken> {
        if !ON_FILES.contains(&call.name.as_str()) {
            // What it did stands in the team's record under this call, or it did nothing yet.
            return self.call(session, call, cut);
        }
        Ok(Outcome::Result(Done {
            is_error: true,
            unknown: true,
            ..Done::said(
                "the lab was stopped while this call was carried out. It is not repeated; your files are as they were before it",
            )
        }))
    }

    fn reserve(&self, tokens: u64, money: Option<u64>) -> bool {
        let need = Spending {
            tokens,
            money: money.unwrap_or(0),
        };
        self.room.reserve(self.thread, need, money.is_some())
    }

    fn settle(&self, reserved: (u64, u64), spent: (u64, u64)) {
        let of = |(tokens, money)| Spending { tokens, money };
        self.room.settle(self.thread, of(reserved), of(spent));
    }
}
