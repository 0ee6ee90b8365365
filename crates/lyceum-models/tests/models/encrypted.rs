//! A server behind TLS, as hosted models are. Its certificate and the authority that signed it are fixtures, made with
//! `openssl` for the name `localhost` and for a hundred years; nothing else trusts them.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
};

use lyceum_models::{ErrorKind, connect};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::support::{KEY, ask, once, request};

const SERVER: &[u8] = include_bytes!("fixtures/server.pem");
const ANSWER: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"secretly\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// Starts a server for one connection. Returns its port and, when it is done, what it was asked.
fn server(breaks: bool) -> (u16, JoinHandle<String>) {
    let certificate = CertificateDer::from_pem_slice(SERVER).unwrap();
    let key = PrivateKeyDer::from_pem_slice(SERVER).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        answer(stream, Arc::new(config), breaks).unwrap_or_default()
    });
    (port, serving)
}

/// Answers once. Returns what was asked; an error where nobody came to ask.
fn answer(stream: TcpStream, config: Arc<ServerConfig>, breaks: bool) -> std::io::Result<String> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let (mut asked, mut byte) = (Vec::new(), [0]);
    // The body's last bytes are those of its JSON.
    while !asked.ends_with(b"}") {
        stream.read_exact(&mut byte)?;
        asked.push(byte[0]);
        let text = String::from_utf8_lossy(&asked);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && head.contains(&format!("content-length: {}", body.len()))
        {
            break;
        }
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    if breaks {
        write!(stream, "{head}content-length: 9999\r\n\r\n: hm\n\n")?;
        stream.flush()?;
        // A record that nobody encrypted.
        stream.sock.write_all(b"\x17\x03\x03\x00\x20")?;
        stream.sock.write_all(&[7; 32])?;
        return Ok(String::from_utf8_lossy(&asked).into_owned());
    }
    write!(
        stream,
        "{head}content-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    )?;
    stream.flush()?;
    Ok(String::from_utf8_lossy(&asked).into_owned())
}

fn tried(port: u16, roots: Option<&str>) -> Result<String, ErrorKind> {
    let spec = format!("https://localhost:{port}/v1#m").parse().unwrap();
    let environment = |name: &str| match name {
        "LYCEUM_MODEL_KEY" => Some(OsString::from(KEY)),
        "SSL_CERT_FILE" => roots.map(OsString::from),
        _ => None,
    };
    let model = connect(&spec, once(), &environment).map_err(|error| error.kind)?;
    let answer = ask(&model, &request()).map_err(|error| error.kind)?;
    Ok(answer.text())
}

const AUTHORITY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/models/fixtures/authority.pem"
);

#[test]
fn an_encrypted_server_is_spoken_to() {
    let (port, serving) = server(false);
    assert_eq!(tried(port, Some(AUTHORITY)).unwrap(), "secretly");
    let asked = serving.join().unwrap();
    assert!(asked.contains(&format!("Bearer {KEY}")), "{asked}");
}

#[test]
fn what_tls_does_not_like_in_the_middle_of_an_answer_is_no_missing_connection() {
    let (port, serving) = server(true);
    let error = tried(port, Some(AUTHORITY)).unwrap_err();
    assert!(matches!(error, ErrorKind::Cut { .. }), "{error}");
    assert!(error.may_have_cost());
    serving.join().unwrap();
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (port, serving) = server(false);
    let error = tried(port, None).unwrap_err();
    assert!(matches!(error, ErrorKind::Connect { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(serving.join().unwrap(), "");
}

#[test]
fn roots_that_cannot_be_read_are_said() {
    let error = tried(1, Some("/no/such/file.pem")).unwrap_err();
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    // A file without a certificate trusts nobody.
    let (port, serving) = server(false);
    let error = tried(port, Some("/dev/null")).unwrap_err();
    assert!(matches!(error, ErrorKind::Connect { .. }), "{error}");
    assert_eq!(serving.join().unwrap(), "");
}
