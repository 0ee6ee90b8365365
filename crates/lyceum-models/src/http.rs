//! HTTP, by `ureq`.

use std::{
    io::Read,
    sync::Arc,
    time::{Duration, Instant},
};

use ureq::{
    Agent, SendBody,
    http::{HeaderMap, HeaderValue},
    tls::{RootCerts, TlsConfig},
};

use crate::{
    error::{Clock, ErrorKind, plain},
    model::Cancel,
    spec::Base,
    transport::{Call, Flow, HEADERS, Head, KeyHeader, Limits, Part, Receive, Transport},
};

/// Headers of an answer take no more.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// One header's value is kept no further.
const VALUE_BYTES_MAX: usize = 1024;

/// Speaks HTTP/1.1 to one server: no redirects, no cookies, no compression, nothing kept between calls.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) base: Base,
    pub(crate) limits: Limits,
    /// Roots of trust instead of Mozilla's, as PEM.
    pub(crate) roots: Option<Vec<u8>>,
}

impl Http {
    fn agent(&self) -> Result<Agent, ErrorKind> {
        let Limits {
            connect,
            idle,
            total,
        } = self.limits;
        // A proxy has no business between this machine and itself.
        let proxy = if self.base.is_local() {
            None
        } else {
            ureq::Proxy::try_from_env()
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_per_read(Some(idle))
            .timeout_per_write(Some(idle))
            .timeout_global(Some(total))
            .max_response_header_size(HEAD_BYTES_MAX)
            .user_agent(concat!("lyceum/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("")
            .proxy(proxy)
            .tls_config(self.tls()?);
        Ok(config.build().into())
    }

    fn tls(&self) -> Result<TlsConfig, ErrorKind> {
        let roots = match &self.roots {
            None => RootCerts::WebPki,
            Some(pem) => {
                let mut all = Vec::new();
                for item in ureq::tls::parse_pem(pem) {
                    match item {
                        Ok(ureq::tls::PemItem::Certificate(one)) => all.push(one),
                        Ok(_) => {}
                        Err(error) => {
                            return Err(self.no_connection(&format!("SSL_CERT_FILE: {error}")));
                        }
                    }
                }
                RootCerts::Specific(Arc::new(all))
            }
        };
        Ok(TlsConfig::builder().root_certs(roots).build())
    }

    fn no_connection(&self, reason: &str) -> ErrorKind {
        ErrorKind::Connect {
            host: self.base.authority().to_owned(),
            reason: plain(reason),
        }
    }

    /// Says what an error of the client means after so many bytes of the body. What goes wrong once the request is on
    /// its way is no missing connection, whether the socket, TLS or HTTP says it: the server may have begun to work.
    fn fault(&self, error: &ureq::Error, sent: bool, bytes: u64, began: Instant) -> ErrorKind {
        match error {
            ureq::Error::Timeout(clock) => self.timeout(*clock, began),
            other if sent => ErrorKind::Cut {
                bytes,
                reason: plain(&other.to_string()),
            },
            other => self.no_connection(&other.to_string()),
        }
    }

    fn timeout(&self, clock: ureq::Timeout, began: Instant) -> ErrorKind {
        let Limits {
            connect,
            idle,
            total,
        } = self.limits;
        let (clock, after): (Clock, Duration) = match clock {
            ureq::Timeout::Resolve | ureq::Timeout::Connect => (Clock::Connect, connect),
            ureq::Timeout::PerRead | ureq::Timeout::PerWrite => (Clock::Idle, idle),
            ureq::Timeout::Global | ureq::Timeout::PerCall => (Clock::Total, total),
            // No other is set.
            _ => (Clock::Total, began.elapsed()),
        };
        ErrorKind::Timeout { clock, after }
    }
}

impl Transport for Http {
    fn send(&self, call: &Call, cancel: &Cancel, receive: Receive<'_>) -> Result<(), ErrorKind> {
        cancel.check()?;
        let agent = self.agent()?;
        let breaker = agent.clone();
        let _waiting = cancel.on_cancel(move || breaker.shutdown());
        let result = self.exchange(&agent, call, receive);
        // Whatever a torn connection looked like, this is why.
        cancel.check()?;
        result
    }
}

impl Http {
    fn exchange(&self, agent: &Agent, call: &Call, receive: Receive<'_>) -> Result<(), ErrorKind> {
        let began = Instant::now();
        let mut request = agent.post(&call.url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(key) = &call.key {
            let text = format!("{}{}", key.before, key.secret.reveal());
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| self.no_connection("the key fits no header"))?;
            value.set_sensitive(true);
            request = request.header(key.name, value);
        }
        // The body has a length only if its header is set by hand.
        let mut body = Body {
            rest: &call.body,
            begun: false,
        };
        let mut response = request
            .header("content-length", call.body.len().to_string())
            .send(SendBody::from_reader(&mut body))
            .map_err(|error| self.fault(&error, body.begun, 0, began))?;
        let head = Head {
            status: response.status().as_u16(),
            headers: kept(response.headers(), call.key.as_ref()),
        };
        if receive(Part::Head(&head))? == Flow::Enough {
            return Ok(());
        }
        let mut body = response.body_mut().as_reader();
        let (mut piece, mut bytes) = (vec![0; 16 << 10], 0);
        loop {
            let length = body
                .read(&mut piece)
                .map_err(|error| self.fault(&ureq::Error::from(error), true, bytes, began))?;
            if length == 0 {
                return Ok(());
            }
            bytes += length as u64;
            if receive(Part::Bytes(&piece[..length]))? == Flow::Enough {
                return Ok(());
            }
        }
    }
}

/// A request's body, read once the connection stands and its head was sent.
struct Body<'a> {
    rest: &'a [u8],
    begun: bool,
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.begun = true;
        self.rest.read(into)
    }
}

/// Returns the headers that mean something here, without the key, should a server have put it there.
fn kept(headers: &HeaderMap, key: Option<&KeyHeader>) -> Vec<(String, String)> {
    let found = HEADERS.iter().filter_map(|name| {
        let value = headers.get(*name)?.to_str().ok()?;
        let clean = key.map_or_else(|| value.to_owned(), |key| key.secret.scrub(value));
        // Headers are ASCII.
        let value = clean.get(..VALUE_BYTES_MAX).unwrap_or(&clean);
        Some(((*name).to_owned(), value.to_owned()))
    });
    found.collect()
}
