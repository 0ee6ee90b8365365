//! Language models: one turn asked for, answered and paid.
//!
//! [`connect`] makes a [`Model`] of what a person names ([`Spec`]): Anthropic Messages, `OpenAI` Responses, Chat
//! Completions as many servers speak it, or a local program. A turn is a [`Request`] and a [`Response`]; what comes
//! meanwhile is told as [`Event`]s.
//!
//! What is promised:
//! - Reasoning, and blocks that nobody here knows, go back to their wire as they came ([`Kept`]).
//! - An answer is whole or an error: no cut stream is taken for one that ended.
//! - Each attempt is reserved for before and settled after it ([`Budget`]); what a model costs is known or unknown,
//!   never nothing for want of a price.
//! - A key goes into one header of one server: not into an error, a `Debug` text, a recording, or a redirect.
//! - Whatever a server sends: nothing panics, and no answer takes more than a bounded part of memory.
//! - A recording ([`FileTape`], [`Recording`]) answers again byte for byte, without a network and without a key.

mod budget;
mod client;
mod command;
mod connect;
mod error;
mod http;
mod key;
mod message;
mod model;
mod money;
mod patience;
mod prices;
mod record;
mod request;
mod response;
pub mod scripted;
mod spec;
mod sse;
mod transport;
mod wire;

pub use budget::{Budget, Estimate, Reservation, Spent, Unlimited};
pub use client::Client;
pub use connect::{Options, Tape, connect};
pub use error::{Clock, ErrorKind, ModelError};
pub use key::{Environment, KeyError, Secret, environment};
pub use message::{Arguments, Block, Cache, Kept, Message, Role, ToolResult, ToolUse, WireKind};
pub use model::{Cancel, Model};
pub use money::{Money, MoneyError, Price};
pub use patience::{NoPace, Pace, Patience, SystemPace};
pub use prices::{PRICES_DATED, PriceList, Rates, list_price};
pub use record::{
    Asker, Exchange, FileTape, Keep, Mark, Note, RECORDING_VERSION, Recording, ReplayError,
};
pub use request::{
    Effort, OutputSchema, Parallel, Reasoning, Request, SystemBlock, Tool, ToolChoice,
};
pub use response::{Event, Response, Stop, Usage};
pub use spec::{Base, Spec, SpecError};
pub use transport::Limits;
