//! Reading the head of a request to the proxy. Whatever can be read in two ways is refused.

use std::io::{self, Read};

/// Bytes of a request's head.
const HEAD_MAX: usize = 32 << 10;

/// Headers that concern one connection only (RFC 9110 §7.6.1), and the host, which the proxy writes.
const DROPPED: [&str; 8] = [
    "connection",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request to the proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// `HOST:PORT` as it was written; port 80 is added for plain requests without one.
    pub(super) authority: String,
    /// What to pass on; `None` for `CONNECT`.
    pub(super) plain: Option<Plain>,
}

/// A plain request, as far as it is passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body_bytes: u64,
}

/// Reads a head; returns it and what was read beyond it.
pub(super) fn read_head(stream: &mut impl Read) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((bytes, rest)));
        }
        if bytes.len() > HEAD_MAX {
            return Ok(None);
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            more => bytes.extend_from_slice(&buffer[..more]),
        }
    }
}

impl Request {
    /// Reads a request, or says what is wrong with it.
    pub(super) fn parse(head: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(head).map_err(|_| "the head is not text")?;
        let text = text.strip_suffix("\r\n\r\n").ok_or("the head has no end")?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let words: Vec<&str> = first.split(' ').collect();
        let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else {
            return Err("the first line is no request");
        };
        if !is_token(method)
            || target
                .chars()
                .any(|one| one.is_control() || one.is_whitespace())
        {
            return Err("the first line is no request");
        }
        let headers = lines.map(header).collect::<Result<Vec<_>, _>>()?;
        if method == "CONNECT" {
            return Ok(Self {
                method: method.into(),
                authority: target.into(),
                plain: None,
            });
        }
        let (authority, path) = absolute(target)?;
        let body_bytes = body_bytes(&headers)?;
        let headers = headers.into_iter().filter(|(name, _)| {
            !DROPPED.contains(&&*name.to_ascii_lowercase())
                && !name.to_ascii_lowercase().starts_with("proxy-")
        });
        Ok(Self {
            method: method.into(),
            authority,
            plain: Some(Plain {
                path,
                headers: headers.collect(),
                body_bytes,
            }),
        })
    }
}

/// Splits `http://HOST[:PORT]/PATH`; adds the port.
fn absolute(target: &str) -> Result<(String, String), &'static str> {
    let rest = match target.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http://") => rest,
        _ => return Err("a plain request needs a target like `http://HOST/PATH`"),
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("a target with a user name is refused");
    }
    let path = match path.chars().next() {
        None => "/".to_owned(),
        Some('/') => path.to_owned(),
        Some('?') => format!("/{path}"),
        Some(_) => return Err("the target is no address of a page"),
    };
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    let authority = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    Ok((authority, path))
}

fn header(line: &str) -> Result<(String, String), &'static str> {
    let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
    let value = value.trim_matches([' ', '\t']);
    if !is_token(name) || value.chars().any(|one| one.is_control() && one != '\t') {
        return Err("a header is malformed");
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Returns the length of the body, which must be known and told once.
fn body_bytes(headers: &[(String, String)]) -> Result<u64, &'static str> {
    let of = |wanted: &str| {
        let wanted = wanted.to_owned();
        headers
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(&wanted))
            .map(|(_, value)| value.as_str())
    };
    if of("transfer-encoding").next().is_some() {
        return Err("a body needs `Content-Length`; chunks are not passed on");
    }
    let mut lengths = of("content-length");
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(0),
        (Some(length), None) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map_err(|_| "`Content-Length` is no number")
        }
        _ => Err("`Content-Length` is not one number"),
    }
}

/// Returns whether a text is a token of RFC 9110 §5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(of_token)
}

impl Plain {
    /// Returns the head to be sent to the destination.
    pub(super) fn head(&self, method: &str, host: &str, secrets: &[(&str, &str)]) -> String {
        let is_secret = |name: &str| {
            secrets
                .iter()
                .any(|(secret, _)| secret.eq_ignore_ascii_case(name))
        };
        let own = self.headers.iter().map(|(name, value)| (&**name, &**value));
        let own = own.filter(|(name, _)| !is_secret(name));
        let fixed = [("Host", host), ("Connection", "close")];
        let all = fixed.into_iter().chain(own).chain(secrets.iter().copied());
        let mut head = format!("{method} {} HTTP/1.1\r\n", self.path);
        for (name, value) in all {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head + "\r\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Request, &'static str> {
        Request::parse(head.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn plain_requests_are_rewritten_for_their_destination() {
        let text = "POST HTTP://Example.com?a=b HTTP/1.1\nHost: other\nX: y\nAuthorization: mine\nProxy-Authorization: p\n\
                    Connection: keep-alive\nContent-Length: 3\n\n";
        let request = parse(text).expect("parses");
        assert_eq!(request.authority, "Example.com:80");
        let plain = request.plain.expect("is plain");
        assert_eq!((&*plain.path, plain.body_bytes), ("/?a=b", 3));
        assert_eq!(
            plain.head("POST", "example.com", &[("authorization", "s")]),
            "POST /?a=b HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nX: y\r\nContent-Length: 3\r\n\
             authorization: s\r\n\r\n"
        );
        let connect = parse("CONNECT [::1]:443 HTTP/1.1\n\n").expect("parses");
        assert_eq!((&*connect.authority, connect.plain), ("[::1]:443", None));
        assert_eq!(
            parse("GET http://[::1]/ HTTP/1.0\n\n")
                .expect("parses")
                .authority,
            "[::1]:80"
        );
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for head in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET  http://a/ HTTP/1.1\n\n",
            "GET http://a/ HTTP/2\n\n",
            "GET http://u@a/ HTTP/1.1\n\n",
            "GET http://a\\@b/ HTTP/1.1\n\n",
            "GET http://a#@b/ HTTP/1.1\n\n",
            "GET https://a/ HTTP/1.1\n\n",
            "GET http://a/\t HTTP/1.1\n\n",
            "POST http://a/ HTTP/1.1\nContent-Length: 1\nContent-Length: 2\n\n",
            "POST http://a/ HTTP/1.1\nContent-Length: +1\n\n",
            "POST http://a/ HTTP/1.1\nTransfer-Encoding: chunked\n\n",
            "GET http://a/ HTTP/1.1\nX: y\n z: folded\n\n",
            "GET http://a/ HTTP/1.1\nX : y\n\n",
            "GET http://a/ HTTP/1.1\nX: y\0\n\n",
        ] {
            assert!(parse(head).is_err(), "{head:?}");
        }
        assert!(Request::parse(b"GET http://a/ HTTP/1.1\r\nX: y\nZ: w\r\n\r\n").is_err());
        assert!(Request::parse(b"GET http://a/\xff HTTP/1.1\r\n\r\n").is_err());
    }
}
