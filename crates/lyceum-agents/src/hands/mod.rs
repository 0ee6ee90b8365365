//! The agent's hands: a program of the lab that runs inside the sandbox and reads and changes files there.
//!
//! It has no powers of its own: what it can reach is what the sandbox shows. It is called with the path of a JSON
//! file that says what is wanted, prints the answer, and ends with 0, or with 1 and the reason where the tool fails.

mod edit;
mod find;
mod request;

use std::io::Write as _;

pub use request::{Request, read_request};

/// The program's name inside a sandbox.
pub const NAME: &str = "lyceum-hands";
/// Status of a tool that failed: the reason is what was printed.
pub const FAILED: i32 = 1;
/// Status of a request that cannot be read: a fault of the lab.
pub const BAD_REQUEST: i32 = 2;

/// Runs the program if `name` is its own; returns its exit code.
pub fn dispatch(name: &str, arguments: &[String]) -> Option<i32> {
    (name == NAME).then(|| main(arguments))
}

fn main(arguments: &[String]) -> i32 {
    let request = arguments.first().map(read_request);
    let (text, code) = match request {
        Some(Ok(request)) => match carry_out(&request) {
            Ok(text) => (text, 0),
            Err(why) => (why, FAILED),
        },
        Some(Err(why)) => (why, BAD_REQUEST),
        None => ("expected the path of a request".into(), BAD_REQUEST),
    };
    // A reader that went away hears nothing more; the code says what happened.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    code
}

fn carry_out(request: &Request) -> Result<String, String> {
    match request {
        Request::Read {
            path,
            offset,
            limit,
        } => edit::read(path, *offset, *limit),
        Request::Write { path, content } => edit::write(path, content),
        Request::Edit {
            path,
            old,
            new,
            all,
        } => edit::edit(path, old, new, *all),
        Request::Glob { pattern } => find::glob(pattern),
        Request::Grep { pattern, path } => find::grep(pattern, path.as_deref()),
    }
}
