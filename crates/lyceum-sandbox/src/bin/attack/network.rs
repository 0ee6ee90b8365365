//! Attacks through the network and through sockets.

use std::fs;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::time::Duration;

use crate::{Options, Tried};

const PATIENCE: Duration = Duration::from_secs(2);

/// Knocks at listeners of the host: `tcp`, `udp`, `abstract`, `paths`.
pub(crate) fn connect(options: &Options) -> Tried {
    for address in options.list("tcp") {
        let Ok(address) = address.parse() else {
            continue;
        };
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) {
            let _ = stream.write_all(b"knock");
        }
    }
    for address in options.list("udp") {
        for from in ["0.0.0.0:0", "127.0.0.1:0"] {
            let _ = UdpSocket::bind(from).and_then(|socket| socket.send_to(b"knock", address));
        }
    }
    for name in options.list("abstract") {
        if let Ok(address) = SocketAddr::from_abstract_name(name) {
            let _ = UnixStream::connect_addr(&address)
                .and_then(|mut stream| stream.write_all(b"knock"));
            let _ =
                UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(b"knock", &address));
        }
    }
    for path in options.list("paths") {
        for root in ["", "/proc/self/root", "/proc/1/root"] {
            let _ = UnixStream::connect(format!("{root}{path}"))
                .and_then(|mut stream| stream.write_all(b"knock"));
        }
    }
    Ok(())
}

/// Looks for interfaces beside loopback, routes, and the right to change them.
pub(crate) fn interfaces(options: &Options) -> Tried {
    let devices = fs::read_to_string("/proc/net/dev")?;
    let names = devices.lines().filter_map(|line| line.split_once(':'));
    if names.into_iter().any(|(name, _)| name.trim() != "lo") {
        options.reach("interface");
    }
    if fs::read_to_string("/proc/net/route")?
        .lines()
        .nth(1)
        .is_some()
    {
        options.reach("route");
    }
    // A netlink message: add 10.99.99.99/32 to interface 1.
    let mut message = Vec::new();
    for part in [
        &40_u32.to_le_bytes()[..],
        &20_u16.to_le_bytes(),
        &0x0605_u16.to_le_bytes(),
    ] {
        message.extend_from_slice(part);
    }
    message.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(&[libc::AF_INET as u8, 32, 0, 0, 1, 0, 0, 0]);
    for kind in [1_u16, 2] {
        message.extend_from_slice(&8_u16.to_le_bytes());
        message.extend_from_slice(&kind.to_le_bytes());
        message.extend_from_slice(&[10, 99, 99, 99]);
    }
    let mut answer = [0_u8; 1_024];
    // SAFETY: both buffers are valid for their lengths.
    let length = unsafe {
        let socket = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE);
        libc::send(socket, message.as_ptr().cast(), message.len(), 0);
        libc::recv(socket, answer.as_mut_ptr().cast(), answer.len(), 0)
    };
    // An acknowledgement is an error message whose number, after the 16 bytes of its header, is zero.
    if length >= 20 && answer[16..20] == [0; 4] {
        options.reach("address added");
    }
    Ok(())
}

/// Creates sockets of every family, kind and the protocols that have own code.
pub(crate) fn families(options: &Options) -> Tried {
    let internet = |family| matches!(family, libc::AF_INET | libc::AF_INET6);
    let usual = |family, kind, protocol| {
        family == libc::AF_UNIX
            || internet(family) && matches!(kind, 1 | 2) && matches!(protocol, 0 | 6 | 17)
            || family == libc::AF_NETLINK && protocol == libc::NETLINK_ROUTE
    };
    for family in 0..=46 {
        for kind in [1, 2, 3, 4, 5, 6, 10] {
            for protocol in [0, 1, 6, 15, 17, 58, 132, 255, 262, 768] {
                if usual(family, kind, protocol) {
                    continue;
                }
                // SAFETY: plain integers; the descriptor is closed at once.
                let socket = unsafe { libc::socket(family, kind, protocol) };
                if socket >= 0 {
                    // SAFETY: just made.
                    unsafe { libc::close(socket) };
                    let what = format!("family {family}");
                    if internet(family) {
                        options.reach(&format!("{what} kind {kind} protocol {protocol}"));
                    } else {
                        options.reach(&what);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Where a sandbox with listed destinations has its proxy.
const PROXY: &str = "127.0.0.1:3128";

/// Tries to get a `knock` to `port` of the host through the proxy, past the one destination `allowed`; and
/// without the proxy.
pub(crate) fn proxy(options: &Options) -> Tried {
    let (port, allowed) = (options.number("port")?, options.get("allowed")?);
    for host in options.list("hosts") {
        let target = format!("{host}:{port}");
        let encoded = target.replace('.', "%2e");
        for request in [
            format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"),
            format!("CONNECT {target} HTTP/1.1\r\nHost: {allowed}\r\n\r\n"),
            format!("CONNECT {target}\0{allowed} HTTP/1.1\r\n\r\n"),
            format!("CONNECT {allowed}@{target} HTTP/1.1\r\n\r\n"),
            format!("CONNECT {encoded} HTTP/1.1\r\n\r\n"),
            format!("GET http://{target}/ HTTP/1.1\r\nHost: {allowed}\r\n\r\n"),
            format!("GET http://{allowed}@{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n"),
            format!("GET http://{target}#{allowed}/ HTTP/1.1\r\n\r\n"),
            format!("POST https://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {target}\r\n\r\n"),
            format!(
                "GET http://{allowed}/ HTTP/1.1\r\nHost: {target}\r\n\r\nGET http://{target}/ HTTP/1.1\r\n\r\n"
            ),
        ] {
            say(PROXY, request.as_bytes());
        }
        let mut socks = vec![5, 1, 0, 5, 1, 0, 3, host.len() as u8];
        socks.extend_from_slice(host.as_bytes());
        socks.extend_from_slice(&(port as u16).to_be_bytes());
        say(PROXY, &socks);
        say(&target, b"");
    }
    Ok(())
}

/// Sends something to an address, then a knock, and waits for an answer.
fn say(address: &str, text: &[u8]) {
    use std::io::Read;
    use std::net::ToSocketAddrs;
    for address in address.to_socket_addrs().into_iter().flatten() {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else {
            continue;
        };
        let _ = stream.set_read_timeout(Some(PATIENCE / 4));
        let _ = stream.write_all(text);
        let mut answer = [0; 512];
        if !text.is_empty() {
            let _ = stream.read(&mut answer);
        }
        let _ = stream.write_all(b"knock");
    }
}
