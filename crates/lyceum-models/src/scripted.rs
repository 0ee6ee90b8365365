//! A server for tests that speaks the three wires over a real socket, with their faults.
//!
//! One [`Server`] speaks all three, by the path that is asked for. What it answers is a script, one [`Turn`] for each
//! request, or a function of the request, which is what a client that is killed and started again needs.
//!
//! ```
//! use lyceum_models::{Cancel, Message, Model, Options, Request, connect, scripted::{Said, Server}};
//!
//! let server = Server::start(vec![Said::text("hello").into()]).unwrap();
//! let spec = format!("{}/v1#any", server.base()).parse().unwrap();
//! let model = connect(&spec, Options::default(), &|_| None).unwrap();
//! let request = Request {
//!     messages: vec![Message::user("hi")],
//!     output_tokens_max: 100,
//!     ..Request::default()
//! };
//! let answer = model.turn(&request, &Cancel::new(), &mut |_| {}).unwrap();
//! assert_eq!(answer.text(), "hello");
//! ```

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use crate::{
    message::WireKind,
    response::{Stop, Usage},
};

mod http;
mod render;

/// One answer of the server.
#[derive(Clone, Debug)]
pub enum Turn {
    /// The model says something.
    Say(Said),
    /// Something goes wrong.
    Fault(Fault),
}

impl From<Said> for Turn {
    fn from(said: Said) -> Self {
        Self::Say(said)
    }
}

impl From<Fault> for Turn {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What the model says in one turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Why it stops.
    pub stop: Stop,
    /// What is counted.
    pub usage: Usage,
    /// How fast it comes.
    pub trickle: Option<Trickle>,
}

/// A part of what a model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words.
    Text(String),
    /// Reasoning that may be read, with a signature or an encrypted form that a client must bring back.
    Reasoning(String),
    /// Reasoning that may not be read.
    Redacted(String),
    /// A call.
    Tool {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// The arguments as they are written, which need not be JSON.
        arguments: String,
    },
}

/// Bytes that come slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trickle {
    /// So many at once.
    pub bytes: usize,
    /// So long in between.
    pub pause: Duration,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// 429, with what `retry-after` says.
    RateLimited {
        /// The header's value, if it is sent.
        retry_after: Option<String>,
    },
    /// 529, or 503 on the wires that have no 529.
    Overloaded,
    /// 500.
    ServerError,
    /// 401; the message repeats the key that was sent.
    Unauthorized,
    /// The account cannot pay.
    Billing,
    /// 404.
    NotFound,
    /// 400 as each wire says that the conversation is too long.
    ContextOverflow,
    /// 400 for anything else.
    BadRequest,
    /// A redirect.
    Redirect {
        /// Where to.
        to: String,
    },
    /// The connection ends before anything is sent.
    Disconnected,
    /// Nothing is ever sent.
    NoAnswer,
    /// The answer breaks off after so many bytes of its body.
    Cut {
        /// What would have been said.
        said: Said,
        /// Bytes of the body that are sent.
        after: usize,
        /// Whether HTTP ends properly, so that only the wire shows what is missing.
        clean: bool,
    },
    /// After so many bytes of the body nothing comes any more.
    Silent {
        /// What would have been said.
        said: Said,
        /// Bytes of the body that are sent.
        after: usize,
    },
    /// Comments come for ever, and no event.
    Alive {
        /// So long in between.
        pause: Duration,
    },
    /// The stream says that the server is overloaded, after the answer began.
    OverloadedInside,
    /// An event that is no JSON.
    MalformedEvent,
    /// A page where an answer was expected.
    Page,
    /// An event that never ends.
    Endless,
    /// Comments without a pause and without an end.
    Flood,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The wire that it is written for.
    pub wire: WireKind,
    /// The path that was asked for.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub text: String,
    /// The body.
    pub body: Value,
}

/// A server, stopped when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

type Answer = Box<dyn FnMut(&Received) -> Turn + Send>;

struct Shared {
    stopped: AtomicBool,
    answer: Mutex<Answer>,
    received: Mutex<Vec<Received>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Said {
    /// Returns words after which the model is done.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(vec![Part::Text(text.into())], Stop::EndTurn)
    }

    /// Returns a call of a tool.
    pub fn tool(id: &str, name: &str, arguments: &Value) -> Self {
        Self::text_and_tools("", &[(id, name, &arguments.to_string())])
    }

    /// Returns words, if any, and calls of tools, their arguments as they are written.
    pub fn text_and_tools(text: &str, calls: &[(&str, &str, &str)]) -> Self {
        let words = (!text.is_empty()).then(|| Part::Text(text.to_owned()));
        let calls = calls.iter().map(|(id, name, arguments)| Part::Tool {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
        });
        Self::of(words.into_iter().chain(calls).collect(), Stop::ToolUse)
    }

    /// Returns that the model declines.
    pub fn refusal(reason: &str) -> Self {
        let reason = reason.to_owned();
        Self::of(vec![], Stop::Refusal { reason })
    }

    /// Returns parts after which the model stops for a reason.
    pub fn of(parts: Vec<Part>, stop: Stop) -> Self {
        Self {
            parts,
            stop,
            usage: Usage {
                input_tokens: 100,
                output_tokens: 20,
                reported: true,
                ..Usage::default()
            },
            trickle: None,
        }
    }

    /// Returns the same, with reasoning before it.
    #[must_use]
    pub fn after_reasoning(mut self, text: &str) -> Self {
        self.parts.insert(0, Part::Reasoning(text.to_owned()));
        self
    }

    /// Returns the same, with other counts.
    #[must_use]
    pub fn counted(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// Returns the same, coming slowly.
    #[must_use]
    pub fn trickling(mut self, bytes: usize, pause: Duration) -> Self {
        self.trickle = Some(Trickle { bytes, pause });
        self
    }
}

impl Received {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(of, _)| of == name)?;
        Some(&found.1)
    }

    /// Returns how many turns of the model the conversation holds.
    pub fn model_turns(&self) -> usize {
        let role = |item: &Value| item["role"] == "assistant";
        let list = |key: &str| self.body[key].as_array().cloned().unwrap_or_default();
        match self.wire {
            WireKind::Anthropic | WireKind::Chat => {
                list("messages").iter().filter(|item| role(item)).count()
            }
            WireKind::Responses => {
                // What the model wrote in one turn are items next to each other.
                let own = |item: &Value| {
                    role(item)
                        || matches!(item["type"].as_str(), Some("function_call" | "reasoning"))
                };
                let owns: Vec<bool> = list("input").iter().map(own).collect();
                let begins = |at: usize| owns[at] && (at == 0 || !owns[at - 1]);
                (0..owns.len()).filter(|at| begins(*at)).count()
            }
            WireKind::Command => 0,
        }
    }
}

impl Server {
    /// Starts a server that answers in this order, whoever asks, and with status 500 when the script is over.
    pub fn start(script: Vec<Turn>) -> io::Result<Self> {
        let mut script = script.into_iter();
        Self::answering(move |_| script.next().unwrap_or(Turn::Fault(Fault::ServerError)))
    }

    /// Starts a server that answers as a function says.
    pub fn answering(answer: impl FnMut(&Received) -> Turn + Send + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            stopped: AtomicBool::new(false),
            answer: Mutex::new(Box::new(answer)),
            received: Mutex::new(Vec::new()),
        });
        let serving = Arc::clone(&shared);
        let accepting = thread::spawn(move || accept(&listener, &serving));
        Ok(Self {
            address,
            shared,
            accepting: Some(accepting),
        })
    }

    /// Returns the server's address without a path: what `ANTHROPIC_BASE_URL` takes. With `/v1` behind it it is what
    /// `OPENAI_BASE_URL` takes and what stands before `#MODEL`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what came so far, in order.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A client that left is no fault of the server.
            let _ = serve(&stream, &shared);
        });
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let received = http::read(stream)?;
    lock(&shared.received).push(received.clone());
    let turn = (lock(&shared.answer))(&received);
    http::answer(stream, &received, &turn, &shared.stopped)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
