//! SOCKS 5 (RFC 1928), for programs that know no HTTP proxy: connections only, no authentication.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Version, and what every message begins with.
pub(super) const VERSION: u8 = 5;

/// Greets and reads what is asked for, as `HOST:PORT`; `None` when it is no request for a connection.
pub(super) fn asked(stream: &mut (impl Read + Write)) -> io::Result<Option<String>> {
    let [_, methods] = take(stream)?;
    let mut offered = vec![0; usize::from(methods)];
    stream.read_exact(&mut offered)?;
    let anonymous = offered.contains(&0);
    stream.write_all(&[VERSION, if anonymous { 0 } else { 0xff }])?;
    let [version, command, _, kind] = take(stream)?;
    if !anonymous || version != VERSION || command != 1 {
        return Ok(None);
    }
    let host = match kind {
        1 => Ipv4Addr::from(take::<4>(stream)?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(take::<16>(stream)?)),
        3 => {
            let [length] = take(stream)?;
            let mut name = vec![0; usize::from(length)];
            stream.read_exact(&mut name)?;
            // What is not text stays recognisably no name.
            String::from_utf8(name).unwrap_or_else(|_| "\0".into())
        }
        _ => return Ok(None),
    };
    let port = u16::from_be_bytes(take(stream)?);
    Ok(Some(format!("{host}:{port}")))
}

/// Answers: a connection is there, or is not allowed.
pub(super) fn answer(stream: &mut impl Write, allowed: bool) -> io::Result<()> {
    let reply = if allowed { 0 } else { 2 };
    stream.write_all(&[VERSION, reply, 0, 1, 0, 0, 0, 0, 0, 0])
}

fn take<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
