//! Which model a person means.

use std::{fmt, str::FromStr};

/// A model as a person names it: `anthropic:MODEL`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL` or
/// `command:PROGRAM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// Anthropic's API.
    Anthropic {
        /// The model's id.
        model: String,
    },
    /// `OpenAI`'s API.
    OpenAi {
        /// The model's id.
        model: String,
    },
    /// A server that speaks Chat Completions.
    Chat {
        /// Where, up to and without `/chat/completions`.
        base: Base,
        /// The model's id at that server.
        model: String,
    },
    /// A program on this machine.
    Command {
        /// Its path, or its name on `PATH`. Words after spaces are its arguments.
        program: String,
    },
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    url: String,
}

/// Why a text names no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No known beginning.
    #[error(
        "expected `anthropic:MODEL`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL` or `command:PROGRAM`, found `{found}`"
    )]
    Form {
        /// What was found.
        found: String,
    },
    /// A model's id has other characters than ids have.
    #[error(
        "expected a model's id of letters, digits and `-_.:/@+`, at most 200 characters, found `{found}`"
    )]
    Model {
        /// What was found.
        found: String,
    },
    /// An address has no model after it.
    #[error("expected `#MODEL` after the address `{url}`, as in `http://localhost:8080/v1#qwen3`")]
    NoModel {
        /// The address.
        url: String,
    },
    /// Not an address of a server.
    #[error("`{url}` is no address of a server: {reason}")]
    Address {
        /// The address, without user and password.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No program is named.
    #[error("expected a program after `command:`")]
    NoProgram,
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if let Some(model) = text.strip_prefix("anthropic:") {
            let model = model_id(model)?;
            return Ok(Self::Anthropic { model });
        }
        if let Some(model) = text.strip_prefix("openai:") {
            let model = model_id(model)?;
            return Ok(Self::OpenAi { model });
        }
        if let Some(program) = text.strip_prefix("command:") {
            if program.trim().is_empty() {
                return Err(SpecError::NoProgram);
            }
            let program = program.trim().to_owned();
            return Ok(Self::Command { program });
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let (url, model) = text.split_once('#').ok_or_else(|| SpecError::NoModel {
                url: without_secrets(text),
            })?;
            let base = url.parse()?;
            let model = model_id(model)?;
            return Ok(Self::Chat { base, model });
        }
        Err(SpecError::Form { found: shown(text) })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anthropic { model } => write!(f, "anthropic:{model}"),
            Self::OpenAi { model } => write!(f, "openai:{model}"),
            Self::Chat { base, model } => write!(f, "{base}#{model}"),
            Self::Command { program } => write!(f, "command:{program}"),
        }
    }
}

impl Base {
    /// Returns the address of something under it.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{}", self.url, path.trim_start_matches('/'))
    }

    /// Returns whether what is sent there is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// Returns host and port as they are written.
    pub fn authority(&self) -> &str {
        let (_, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        rest.split('/').next().unwrap_or(rest)
    }

    /// Returns the host without its port.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => authority.split(':').next().unwrap_or(authority),
        }
    }

    /// Returns whether the server is on this machine, by its written name.
    pub fn is_local(&self) -> bool {
        let host = self.host();
        let address = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl FromStr for Base {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let fault = |reason| SpecError::Address {
            url: without_secrets(text),
            reason,
        };
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
            .ok_or_else(|| fault("it does not begin with `http://` or `https://`"))?;
        let authority = rest.split('/').next().unwrap_or(rest);
        if authority.contains('@') {
            return Err(fault(
                "it holds a user or password; keys come from the environment or a file",
            ));
        }
        if rest.contains(['?', '#']) {
            return Err(fault("it has a query or a fragment"));
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault("it has spaces or other than ASCII characters"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| fault("its port is no port"))?;
        if host.is_empty() || port == Some(0) {
            return Err(fault("it has no host"));
        }
        let url = text.trim_end_matches('/').to_owned();
        Ok(Self { url })
    }
}

/// Returns host and port; nothing where the port is no number of one.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (
                host,
                after.strip_prefix(':').or(after.is_empty().then_some(""))?,
            )
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    if port.is_empty() {
        return Some((host, None));
    }
    port.parse().ok().map(|port| (host, Some(port)))
}

fn model_id(text: &str) -> Result<String, SpecError> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+".contains(c);
    if text.is_empty() || text.len() > 200 || !text.chars().all(good) {
        return Err(SpecError::Model { found: shown(text) });
    }
    Ok(text.to_owned())
}

fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect()
}

/// Returns an address without user, password and query, each of which may hold a key.
fn without_secrets(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    shown(&format!("{scheme}://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_and_printed() {
        for text in [
            "anthropic:claude-opus-5-5",
            "openai:gpt-6-sol",
            "http://localhost:8080/v1#qwen3:8b",
            "https://openrouter.ai/api/v1#meta-llama/llama-4",
            "http://[::1]:8080/v1#m",
            "command:./answer --quick",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        let spec = "http://localhost:8080/v1/#m".parse::<Spec>().unwrap();
        assert_eq!(spec.to_string(), "http://localhost:8080/v1#m");
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        for (text, says) in [
            ("", "expected `anthropic:MODEL`"),
            ("gp", "found `gp`"),
            ("anthropic:", "found ``"),
            ("openai:a b", "found `a b`"),
            ("http://localhost:8080/v1", "expected `#MODEL`"),
            ("http://:80/v1#m", "no host"),
            ("http://h:99999/v1#m", "port"),
            ("http://h:x/v1#m", "port"),
            ("https://me:secret@h/v1#m", "user or password"),
            ("https://h/v1?key=secret#m", "query"),
            ("command: ", "expected a program"),
        ] {
            let error = text.parse::<Spec>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        let local = |text: &str| text.parse::<Base>().unwrap().is_local();
        for text in [
            "http://localhost:1/v1",
            "http://127.0.0.1",
            "http://[::1]:8/v1",
        ] {
            assert!(local(text), "{text}");
        }
        for text in [
            "http://localhost.evil.com/v1",
            "http://10.0.0.1",
            "http://example.com",
        ] {
            assert!(!local(text), "{text}");
        }
    }
}
