//! A lab on disk: studies opened, run in sandboxes, written to the ledger, checked and repeated.
//!
//! Supervisor side of the four trust domains: this code holds the keys, the ledger and the clock, and treats everything
//! that comes out of a sandbox as data.

mod adopted;
mod agent;
mod answer;
mod approve;
mod below;
mod candidate;
mod conduct;
mod control;
mod data;
mod evaluator;
mod executed;
mod found;
mod fresh;
mod grader;
mod kit;
mod left;
mod machine;
mod memory;
mod observe;
mod place;
mod receipts;
mod record;
mod repeat;
mod reports;
mod researchers;
mod rubric;
mod stop;
mod study;
mod timed;
mod toolchain;
mod trap;
mod verify;

pub use adopted::{RulesChecked, check_rules};
pub use agent::{Case, Desk, Doubt, Judge, Judged, Judgement, Staff};
pub use approve::{Pending, Unapproved, pending, promotion, rules, sign};
pub use below::withheld;
pub use candidate::{harmless, in_the_way, is_harmless_path, is_obeyed, is_opaque, is_plain_path};
pub use conduct::{ConductError, Conducted, SandboxExecutor, conduct, conduct_with};
pub use kit::{
    Edit, Kit, Order, Processes, Programs, SystemProcesses, clean_up, clean_up_among, discard,
    disk_is_full, read_only, write_owned_as,
};
pub use left::{Found, Left, Looked};
pub use machine::{facts, processors, slots};
pub use memory::past;
pub use place::{DIRECTORY, Lab, is_study_name};
pub use receipts::Receipts;
pub use record::{StudyJournal, load, names, read_events, read_stream, stream_of, studies};
pub use repeat::{Repeated, Repeater, same_measurement};
pub use researchers::agent_in;
pub use stop::{ask_to_stop, mark};
pub use study::{
    OpenError, OpenStudy, Opening, Request, names_an_agent, open, protocol, protocol_as_opened,
    trust_text,
};
pub use verify::{Checked, Difference, check, events_before};
