//! One form for every way to write a host: the list and each request are brought to it before they are
//! compared, so that no spelling passes for another.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address;

/// A host and a port, in normalised form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A name in lower-case ASCII without a last dot, or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

/// A text that is not `HOST:PORT`, or names what cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}: expected `HOST:PORT`, found `{found}`")]
pub struct DestinationError {
    found: String,
    why: &'static str,
}

/// Longest name, RFC 1035.
const NAME_MAX: usize = 253;
/// Longest part of a name.
const LABEL_MAX: usize = 63;

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let failed = |why| DestinationError {
            found: crate::show_untrusted(text.as_bytes()),
            why,
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| failed("no port"))?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port: u16 = port
            .parse()
            .ok()
            .filter(|port| digits && *port > 0)
            .ok_or_else(|| failed("the port is no number from 1 to 65535"))?;
        let host = Host::parse(host).map_err(failed)?;
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for Destination {
    type Error = DestinationError;

    fn try_from(text: String) -> Result<Self, DestinationError> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(six)) => write!(formatter, "[{six}]:{}", self.port),
            Host::Address(IpAddr::V4(four)) => write!(formatter, "{four}:{}", self.port),
            Host::Name(name) => write!(formatter, "{name}:{}", self.port),
        }
    }
}

impl Destination {
    /// Returns whether this may stand in a list: everything but addresses of every link and of many.
    pub fn may_be_listed(&self) -> bool {
        !matches!(self.host, Host::Address(found) if address::is_never(found))
    }
}

impl Host {
    /// Brings a host to its normalised form, or says why it has none.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or("a bracket is open")?;
            let six: Ipv6Addr = inner.parse().map_err(|_| "it is no IPv6 address")?;
            return Ok(Self::Address(address::plain(six.into())));
        }
        let name = ascii(text)?;
        let name = name.strip_suffix('.').unwrap_or(&name);
        let labels: Vec<&str> = name.split('.').collect();
        let sound = |label: &&str| {
            !label.is_empty()
                && label.len() <= LABEL_MAX
                && label
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        };
        if name.len() > NAME_MAX || !labels.iter().all(sound) {
            return Err("it is no host name");
        }
        // As browsers decide it: what ends in a number is an address or nothing.
        if labels
            .last()
            .is_some_and(|last| number(last).is_some() || is_digits(last))
        {
            let four = inet_aton(&labels).ok_or("it is no IPv4 address")?;
            return Ok(Self::Address(four.into()));
        }
        Ok(Self::Name(name.to_owned()))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a number as `inet_aton` does: decimal, octal after `0`, hexadecimal after `0x`.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x") {
        (digits, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (&text[1..], 8)
    } else {
        (text, 10)
    };
    if digits.is_empty() && radix == 16 {
        return Some(0);
    }
    let sound = digits.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| sound)
}

/// Reads an IPv4 address of one to four numbers, of which the last fills what is left.
fn inet_aton(labels: &[&str]) -> Option<Ipv4Addr> {
    let numbers: Vec<u64> = labels
        .iter()
        .map(|label| number(label))
        .collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let rest_bytes = 4_usize
        .checked_sub(first.len())
        .filter(|bytes| *bytes > 0)?;
    if *last >= 1 << (8 * rest_bytes) || first.iter().any(|byte| *byte > 255) {
        return None;
    }
    let high = first.iter().fold(0, |all, byte| all << 8 | byte) << (8 * rest_bytes);
    u32::try_from(high | last).ok().map(Ipv4Addr::from)
}

/// Returns a name in lower-case ASCII; labels of other letters in Punycode after `xn--`. There is no
/// further Unicode normalisation: what is not written in its usual lower-case form matches nothing.
fn ascii(text: &str) -> Result<String, &'static str> {
    let mapped = text.chars().flat_map(|character| match character {
        // The full stops of other scripts, and full-width forms (UTS 46 maps both).
        '\u{3002}' | '\u{ff61}' => '.'.to_lowercase(),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0)
            .unwrap_or(character)
            .to_lowercase(),
        other => other.to_lowercase(),
    });
    let mapped: String = mapped.collect();
    let labels = mapped.split('.').map(|label| {
        if label.is_ascii() {
            Ok(label.to_owned())
        } else if label.chars().all(char::is_alphanumeric) {
            punycode(label)
                .map(|coded| format!("xn--{coded}"))
                .ok_or("it is too long")
        } else {
            Err("it holds characters that no host name has")
        }
    });
    Ok(labels.collect::<Result<Vec<_>, _>>()?.join("."))
}

/// Encodes a label, RFC 3492 §6.3 with the parameters of its §5.
fn punycode(label: &str) -> Option<String> {
    const BASE: u32 = 36;
    const FIRST: u32 = 128;
    let mut coded: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(coded.len()).ok()?;
    let count = u32::try_from(label.chars().count()).ok()?;
    if basic > 0 {
        coded.push('-');
    }
    let (mut next, mut delta, mut bias, mut done) = (FIRST, 0_u32, 72, basic);
    while done < count {
        let least = label
            .chars()
            .map(u32::from)
            .filter(|code| *code >= next)
            .min()?;
        delta = delta.checked_add((least - next).checked_mul(done + 1)?)?;
        next = least;
        for code in label.chars().map(u32::from) {
            if code < next {
                delta = delta.checked_add(1)?;
            }
            if code == next {
                let mut rest = delta;
                let mut at = BASE;
                loop {
                    let threshold = at.saturating_sub(bias).clamp(1, 26);
                    if rest < threshold {
                        break;
                    }
                    let span = BASE - threshold;
                    coded.push(digit(threshold + (rest - threshold) % span));
                    rest = (rest - threshold) / span;
                    at += BASE;
                }
                coded.push(digit(rest));
                bias = adapt(delta, done + 1, done == basic);
                delta = 0;
                done += 1;
            }
        }
        delta = delta.checked_add(1)?;
        next += 1;
    }
    Some(coded)
}

fn digit(value: u32) -> char {
    char::from_digit(value, 36).map_or('0', |_| {
        char::from(if value < 26 {
            b'a' + value as u8
        } else {
            b'0' + (value - 26) as u8
        })
    })
}

/// Chooses the next bias, RFC 3492 §6.1.
fn adapt(delta: u32, count: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut steps = 0;
    while delta > 455 {
        delta /= 35;
        steps += 36;
    }
    steps + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Destination>()
            .map_or_else(|error| error.why.to_owned(), |one| one.to_string())
    }

    #[test]
    fn every_spelling_comes_to_one_form() {
        for (text, form) in [
            ("Example.COM.:443", "example.com:443"),
            ("ｅｘａｍｐｌｅ。com:80", "example.com:80"),
            ("BÜCHER.example:443", "xn--bcher-kva.example:443"),
            ("xn--bcher-kva.example:443", "xn--bcher-kva.example:443"),
            (
                "他们为什么不说中文.example:1",
                "xn--ihqwcrb4cv8a8dqg056pqjye.example:1",
            ),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.1:80", "127.0.0.1:80"),
            ("0177.0.0.1:80", "127.0.0.1:80"),
            ("0x7f.1:80", "127.0.0.1:80"),
            ("2130706433:80", "127.0.0.1:80"),
            ("0x7f000001.:80", "127.0.0.1:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("[0:0::1]:80", "[::1]:80"),
        ] {
            assert_eq!(shown(text), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_has_no_form() {
        for text in [
            "example.com",
            ":80",
            "a:0",
            "a:65536",
            "a:+1",
            "a: 80",
            "a b:1",
            "user@host:1",
            "a/b:1",
            "a%2e:1",
            "a\0.example.com:443",
            "a\n:1",
            "a..b:1",
            ".:1",
            "1.2.3.4.5:1",
            "256.1.1.1:1",
            "1.2.3:4:5",
            "::1:80",
            "[::1:80",
            "[fe80::1%eth0]:80",
            "0x7g.0.0.1.2:1",
            "08.1.1.1:1",
            "a.1:1",
            "a\u{200b}b:1",
            "*.a:1",
            &format!("{}:1", "a".repeat(64)),
            &format!("{}:1", "a.".repeat(130)),
        ] {
            assert!(
                text.parse::<Destination>().is_err(),
                "{text:?} became {}",
                shown(text)
            );
        }
    }

    #[test]
    fn addresses_of_every_link_cannot_be_listed() {
        let may = |text: &str| text.parse::<Destination>().expect(text).may_be_listed();
        assert!(may("example.com:443") && may("127.0.0.1:8080") && may("10.0.0.1:80"));
        assert!(!may("169.254.169.254:80") && !may("0xa9fea9fe:80") && !may("[fe80::1]:80"));
    }
}
