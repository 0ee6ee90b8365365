//! HTTP/1.1 of the scripted server: one request for each connection, answers in chunks.

use std::{
    io::{self, BufRead as _, BufReader, ErrorKind as Io, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Fault, Received, Trickle, Turn, render};
use crate::message::WireKind;

/// No head of a request is longer.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// No body of a request is longer.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// How often is looked whether a waiting client has left or the server is stopped.
const LOOK: Duration = Duration::from_millis(20);
const STREAM: &str = "text/event-stream";

pub(super) fn read(stream: &TcpStream) -> io::Result<Received> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut limited = reader.by_ref().take(HEAD_BYTES_MAX);
    while !head.ends_with("\r\n\r\n") {
        if limited.read_line(&mut head)? == 0 {
            return Err(Io::UnexpectedEof.into());
        }
    }
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1));
    let path = path.unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse::<u64>().ok());
    let length = length.filter(|length| *length <= BODY_BYTES_MAX);
    let length = length.ok_or(io::Error::from(Io::InvalidData))?;
    let mut body = vec![0; length as usize];
    reader.read_exact(&mut body)?;
    let text = String::from_utf8(body).map_err(|_| io::Error::from(Io::InvalidData))?;
    Ok(Received {
        wire: wire(&path),
        body: serde_json::from_str(&text)?,
        path,
        headers,
        text,
    })
}

fn wire(path: &str) -> WireKind {
    if path.ends_with("/messages") {
        WireKind::Anthropic
    } else if path.ends_with("/responses") {
        WireKind::Responses
    } else {
        WireKind::Chat
    }
}

/// The sending end of a connection.
struct Out<'a> {
    stream: &'a TcpStream,
    stopped: &'a AtomicBool,
}

pub(super) fn answer(
    stream: &TcpStream,
    received: &Received,
    turn: &Turn,
    stopped: &AtomicBool,
) -> io::Result<()> {
    let out = Out { stream, stopped };
    match turn {
        Turn::Say(said) => {
            let body = render::stream(received, said);
            out.head(200, STREAM, &[])?;
            out.body(body.as_bytes(), said.trickle)?;
            out.end()
        }
        Turn::Fault(fault) => out.fault(received, fault),
    }
}

impl Out<'_> {
    fn fault(&self, received: &Received, fault: &Fault) -> io::Result<()> {
        match fault {
            Fault::Disconnected => self.stream.shutdown(Shutdown::Both),
            Fault::NoAnswer => self.wait(),
            Fault::Cut { said, after, clean } => {
                self.part(received, said, *after)?;
                if *clean { self.end() } else { Ok(()) }
            }
            Fault::Silent { said, after } => {
                self.part(received, said, *after)?;
                self.wait()
            }
            Fault::Alive { pause } => {
                self.head(200, STREAM, &[])?;
                while !self.stopped.load(Ordering::SeqCst) {
                    self.body(b": still here\n", None)?;
                    thread::sleep(*pause);
                }
                Ok(())
            }
            Fault::OverloadedInside => self.page(200, STREAM, &render::overloaded(received)),
            Fault::MalformedEvent => self.page(200, STREAM, "data: {\"type\": \"message_st\n\n"),
            Fault::Page => self.page(200, "text/html", "<html>sign in to the network</html>"),
            Fault::Endless => self.flood(b"data: ", &b"x".repeat(1 << 16)),
            Fault::Flood => self.flood(b"", &b": more\n".repeat(1 << 13)),
            Fault::Redirect { to } => {
                self.head(307, "text/plain", &[("location", to)])?;
                self.end()
            }
            Fault::RateLimited { retry_after } => {
                let wait = retry_after
                    .iter()
                    .map(|value| ("retry-after", value.as_str()));
                let wait: Vec<_> = wait.collect();
                self.head(429, "application/json", &wait)?;
                let page = error(
                    received.wire,
                    "rate_limit_error",
                    "rate_limit_exceeded",
                    "slow down",
                );
                self.body(page.to_string().as_bytes(), None)?;
                self.end()
            }
            Fault::Overloaded
            | Fault::ServerError
            | Fault::Unauthorized
            | Fault::Billing
            | Fault::NotFound
            | Fault::ContextOverflow
            | Fault::BadRequest => {
                let (status, page) = refusal(received, fault);
                self.page(status, "application/json", &page.to_string())
            }
        }
    }

    fn part(&self, received: &Received, said: &super::Said, after: usize) -> io::Result<()> {
        let body = render::stream(received, said);
        let body = &body.as_bytes()[..after.min(body.len())];
        self.head(200, STREAM, &[])?;
        self.body(body, said.trickle)
    }

    fn flood(&self, begin: &[u8], piece: &[u8]) -> io::Result<()> {
        self.head(200, STREAM, &[])?;
        self.body(begin, None)?;
        while !self.stopped.load(Ordering::SeqCst) {
            self.body(piece, None)?;
        }
        Ok(())
    }

    fn page(&self, status: u16, kind: &str, text: &str) -> io::Result<()> {
        self.head(status, kind, &[])?;
        self.body(text.as_bytes(), None)?;
        self.end()
    }

    fn head(&self, status: u16, kind: &str, more: &[(&str, &str)]) -> io::Result<()> {
        let mut head = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: {kind}\r\nrequest-id: req_scripted\r\n"
        );
        for (name, value) in more {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        head += "transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        self.send(head.as_bytes())
    }

    fn body(&self, bytes: &[u8], trickle: Option<Trickle>) -> io::Result<()> {
        let Some(Trickle { bytes: size, pause }) = trickle else {
            return self.chunk(bytes);
        };
        for piece in bytes.chunks(size.max(1)) {
            self.chunk(piece)?;
            thread::sleep(pause);
        }
        Ok(())
    }

    fn chunk(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
        framed.extend_from_slice(bytes);
        framed.extend_from_slice(b"\r\n");
        self.send(&framed)
    }

    fn end(&self) -> io::Result<()> {
        self.send(b"0\r\n\r\n")
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.stream;
        stream.write_all(bytes)
    }

    /// Waits until the client leaves or the server is stopped.
    fn wait(&self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(LOOK))?;
        let mut stream = self.stream;
        while !self.stopped.load(Ordering::SeqCst) {
            match stream.read(&mut [0]) {
                Err(error) if matches!(error.kind(), Io::WouldBlock | Io::TimedOut) => {}
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// Returns an error as a wire writes it.
pub(super) fn error(wire: WireKind, anthropic: &str, other: &str, message: &str) -> Value {
    if wire == WireKind::Anthropic {
        json!({
            "type": "error",
            "error": { "type": anthropic, "message": message },
            "request_id": "req_scripted",
        })
    } else {
        json!({ "error": { "message": message, "type": other, "param": null, "code": other } })
    }
}

fn refusal(received: &Received, fault: &Fault) -> (u16, Value) {
    let own = received.wire == WireKind::Anthropic;
    let error = |anthropic, other, message: &str| error(received.wire, anthropic, other, message);
    match fault {
        Fault::Overloaded => {
            let status = if own { 529 } else { 503 };
            (
                status,
                error("overloaded_error", "server_is_overloaded", "overloaded"),
            )
        }
        Fault::Unauthorized => {
            let key = received
                .header("x-api-key")
                .or(received.header("authorization"));
            let message = format!("not a key: {}", key.unwrap_or_default());
            (
                401,
                error("authentication_error", "invalid_api_key", &message),
            )
        }
        Fault::Billing if own => (403, error("billing_error", "", "cannot pay")),
        Fault::Billing => (429, error("", "insufficient_quota", "cannot pay")),
        Fault::NotFound => (
            404,
            error("not_found_error", "model_not_found", "no such model"),
        ),
        Fault::ContextOverflow => (
            400,
            error(
                "invalid_request_error",
                "context_length_exceeded",
                "prompt is too long: 9000 tokens > 8192 maximum",
            ),
        ),
        Fault::BadRequest => (
            400,
            error("invalid_request_error", "invalid_request_error", "no"),
        ),
        _ => (500, error("api_error", "server_error", "internal error")),
    }
}
