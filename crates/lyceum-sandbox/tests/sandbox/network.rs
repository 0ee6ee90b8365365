//! What a command with a list of destinations can reach, and what is written down about it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::common::{SANDBOX, output, text};
use lyceum_sandbox::{
    Attached, Destination, Error, Exit, Job, Network, Policy, PolicyError, Record, Secret,
};

/// A server on the host's loopback that keeps what it was sent and answers each connection once.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("has an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("accepts");
                let mut said = vec![0; 4_096];
                let length = stream.read(&mut said).expect("reads");
                let said = String::from_utf8_lossy(&said[..length]).into_owned();
                kept.lock().expect("locks").push(said);
                // A client that was cut off does not wait for it.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("locks").clone()
    }

    fn listed(&self) -> Policy {
        allowing(&[&self.address.to_string()])
    }
}

fn allowing(list: &[&str]) -> Policy {
    let parse = |one: &&str| one.parse::<Destination>().expect("parses");
    Policy {
        network: Network::Allow(list.iter().map(parse).collect()),
        ..Policy::default()
    }
}

/// A function `ask` that says something to the proxy and prints the first and the last line of the answer.
const ASK: &str = r#"use IO::Socket::INET; $| = 1;
    sub ask { my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:3128") or return print "no proxy\n";
      print $s $_[0]; my @l = <$s>; s/[\r\n]//g for @l; print "$l[0] | $l[-1]\n" }
    sub get { ask("GET http://$_[0]/path HTTP/1.1\r\nHost: x\r\nAuthorization: own\r\n\r\n") }
"#;

fn ask(script: &str, policy: Policy, secrets: Vec<Secret>) -> Record {
    let job = Job::new(["perl", "-e", &format!("{ASK}{script}")], policy);
    let attached = Attached {
        secrets,
        ..Attached::default()
    };
    let record = SANDBOX
        .spawn_with(&job, attached)
        .expect("starts")
        .wait()
        .expect("ends");
    assert_eq!(record.exit, Exit::Code(0), "{}", text(&record));
    record
}

fn printed(record: &Record) -> String {
    String::from_utf8(record.stdout.joined()).expect("is text")
}

fn refusals(record: &Record) -> Vec<(&str, bool)> {
    let decisions = record.network.iter();
    decisions
        .map(|one| (&*one.destination, one.allowed))
        .collect()
}

#[test]
fn a_listed_destination_answers_and_gets_the_secret_that_stays_outside() {
    let server = Server::start();
    let secret = Secret {
        destination: server.address.to_string().parse().expect("parses"),
        header: "Authorization".into(),
        value: "Bearer sentinel-0815".into(),
    };
    let script = format!(
        r#"get("{}"); print join "\n", %ENV; open F, "/proc/$$/environ"; print <F>"#,
        server.address
    );
    let record = ask(&script, server.listed(), vec![secret]);
    assert!(
        printed(&record).starts_with("HTTP/1.1 200 OK | hello\n"),
        "{}",
        text(&record)
    );
    let [heard] = &server.heard()[..] else {
        panic!("heard {:?}", server.heard())
    };
    assert!(heard.starts_with("GET /path HTTP/1.1\r\n"), "{heard}");
    assert!(
        heard.contains(&format!("Host: {}\r\n", server.address)),
        "{heard}"
    );
    assert!(
        heard.contains("Authorization: Bearer sentinel-0815\r\n"),
        "{heard}"
    );
    assert!(!heard.contains("own"), "{heard}");
    let all = serde_json::to_string(&record).expect("encodes");
    assert!(
        !all.contains("sentinel-0815") && !printed(&record).contains("sentinel"),
        "{all}"
    );
    let [decision] = &record.network[..] else {
        panic!("{:?}", record.network)
    };
    assert_eq!((&*decision.method, decision.allowed), ("GET", true));
    assert_eq!(decision.destination, server.address.to_string());
    assert_eq!(decision.address, Some(server.address.ip()));
    assert!(
        decision.sent_bytes > 0 && decision.received_bytes > 0,
        "{decision:?}"
    );
}

#[test]
fn what_is_not_listed_is_refused_by_every_way_in_and_logged_once() {
    let (server, other) = (Server::start(), Server::start());
    let script = format!(
        r#"get("{other}"); get("example.com"); get("169.254.169.254");
           ask("CONNECT {other} HTTP/1.1\r\n\r\n"); ask("CONNECT example.com:443 HTTP/1.1\r\n\r\n");
           ask("CONNECT evil\0.example.com:443 HTTP/1.1\r\n\r\n"); ask("GET / HTTP/1.1\r\nHost: {listed}\r\n\r\n");
           ask("\x05\x01\x00" . "\x05\x01\x00\x01\x7f\0\0\x01" . pack("n", {port}));
           print IO::Socket::INET->new(PeerAddr => "{other}") ? "reached" : "held", "\n";
           print gethostbyname("example.com") ? "resolved" : "unresolved", "\n";"#,
        other = other.address,
        listed = server.address,
        port = other.address.port(),
    );
    let record = ask(&script, server.listed(), vec![]);
    let said = printed(&record);
    let codes: Vec<&str> = said
        .lines()
        .map(|line| line.get(9..12).unwrap_or(line))
        .collect();
    assert_eq!(
        codes[..7],
        ["403", "403", "403", "403", "403", "400", "400"],
        "{said}"
    );
    assert!(said.ends_with("held\nunresolved\n"), "{said}");
    assert_eq!((server.heard().len(), other.heard().len()), (0, 0));
    let unlisted = other.address.to_string();
    let decisions = refusals(&record);
    assert_eq!(decisions.len(), 8, "{decisions:?}");
    assert!(
        decisions.iter().all(|(_, allowed)| !allowed),
        "{decisions:?}"
    );
    let of = |wanted: &str| decisions.iter().filter(|(one, _)| *one == wanted).count();
    assert_eq!(
        (of(&unlisted), of("example.com:80"), of("example.com:443")),
        (3, 1, 1),
        "{decisions:?}"
    );
}

#[test]
fn one_destination_has_one_form_and_tunnels_carry_bytes() {
    let server = Server::start();
    let port = server.address.port();
    let script = format!(
        r#"get("127.1:{port}"); get("0x7f000001:{port}"); get("[::ffff:127.0.0.1]:{port}");
           my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:3128");
           print $s "CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n"; my $l = <$s>; <$s>;
           print $s "by tunnel\n"; $s->flush; my @a = <$s>; print "$a[-1]\n";
           $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:3128");
           print $s "\x05\x01\x00"; $s->flush; read $s, my $g, 2;
           print $s "\x05\x01\x00\x03\x09127.0.0.1" . pack("n", {port}); $s->flush; read $s, my $r, 10;
           print $s "by socks\n"; $s->flush; @a = <$s>; print "$a[-1]\n";"#
    );
    let record = ask(&script, server.listed(), vec![]);
    let hello = "HTTP/1.1 200 OK | hello\n";
    assert_eq!(
        printed(&record),
        format!("{hello}{hello}{hello}hello\nhello\n")
    );
    let form = server.address.to_string();
    assert_eq!(refusals(&record), vec![(&*form, true); 5]);
    assert_eq!(server.heard()[3..], ["by tunnel\n", "by socks\n"]);
}

#[test]
fn a_listed_name_that_leads_to_this_machine_is_refused() {
    let server = Server::start();
    let listed = format!("localhost:{}", server.address.port());
    let record = ask(&format!(r#"get("{listed}")"#), allowing(&[&listed]), vec![]);
    assert!(
        printed(&record).starts_with("HTTP/1.1 403 Forbidden"),
        "{}",
        text(&record)
    );
    assert!(
        record.network[0].why.contains("which is not public"),
        "{:?}",
        record.network
    );
    assert_eq!(server.heard().len(), 0);
    let refused = SANDBOX
        .spawn(&Job::new(["true"], allowing(&["169.254.169.254:80"])))
        .err();
    assert!(
        matches!(
            refused,
            Some(Error::Policy(PolicyError::Destination { .. }))
        ),
        "{refused:?}"
    );
}

#[test]
fn secrets_for_others_and_broken_ones_are_refused() {
    let secret = |destination: &str, value: &str| Secret {
        destination: destination.parse().expect("parses"),
        header: "x-key".into(),
        value: value.into(),
    };
    for secret in [
        secret("other.example:80", "v"),
        secret("example.com:80", "v\r\nx: y"),
    ] {
        assert!(!format!("{secret:?}").contains("value"), "{secret:?}");
        let attached = Attached {
            secrets: vec![secret],
            ..Attached::default()
        };
        let job = Job::new(["true"], allowing(&["example.com:80"]));
        let refused = SANDBOX.spawn_with(&job, attached).err();
        assert!(
            matches!(refused, Some(Error::Policy(PolicyError::Secret { .. }))),
            "{refused:?}"
        );
    }
}

#[test]
fn the_network_is_off_unless_asked_for() {
    let script = r#"perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(PeerAddr => "127.0.0.1:3128") ? "on" : "off"'; env"#;
    let off = output(script, Policy::default());
    assert!(off.starts_with("off") && !off.contains("proxy"), "{off}");
    let on = output(script, allowing(&["example.com:443"]));
    assert!(
        on.starts_with("on") && on.contains("https_proxy=http://127.0.0.1:3128\n"),
        "{on}"
    );
}
