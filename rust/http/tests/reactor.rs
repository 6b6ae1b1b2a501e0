//! Exchanges with a server that sends exactly the bytes a test tells it to.
#![expect(
    clippy::unwrap_used,
    reason = "what surrounds the tests may fail as they may"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use inferail_http::{Cell, Error, Options, Outgoing, Piece, Proxies, Reactor, Reason, Settings};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nX-Id: 7\r\ncontent-length: 5\r\n\r\nhello";

/// A server whose every connection is handled by `talk`, and how many there were.
fn serve(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (talk, counted) = (Arc::new(talk), Arc::clone(&count));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let talk = Arc::clone(&talk);
            thread::spawn(move || talk(stream));
        }
    });
    (address, count)
}

/// Reads one request; `false` at the end of the connection.
fn read_request(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    let text = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).is_ok()
}

/// Answers every request with `answer`, `step` bytes at a time.
fn answering(answer: Vec<u8>, step: usize) -> impl Fn(TcpStream) + Send + Sync {
    move |mut stream| {
        stream.set_nodelay(true).unwrap();
        while read_request(&mut stream) {
            for piece in answer.chunks(step) {
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
        }
    }
}

/// Answers the first request with `answer` and closes.
fn closing(answer: &'static [u8]) -> impl Fn(TcpStream) + Send + Sync {
    move |mut stream| {
        if read_request(&mut stream) {
            let _ = stream.write_all(answer);
        }
    }
}

fn reactor(max_connections: usize) -> Reactor {
    let options = Options {
        proxies: Proxies::none(),
        max_connections,
        ..Options::default()
    };
    Reactor::new(Settings::new(options)).unwrap()
}

fn post(address: SocketAddr) -> Outgoing {
    Outgoing {
        method: Method::POST,
        uri: format!("http://{address}/v1/chat?q=1").parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{\"q\":1}"),
        connect_timeout: Some(Duration::from_secs(5)),
    }
}

/// Turns the reactor until `done`, for ten seconds at most.
fn turn_until(reactor: &mut Reactor, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < end, "it never came");
        reactor.turn(Duration::from_millis(20)).unwrap();
    }
}

/// The status and the body, or what broke.
fn follow(reactor: &mut Reactor, cell: &Arc<Cell>) -> Result<(u16, Vec<u8>), Error> {
    let mut body = Vec::new();
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        assert!(Instant::now() < end, "it never ended");
        match cell.next()? {
            Piece::Bytes(bytes) => body.extend_from_slice(&bytes),
            Piece::Pending => reactor.turn(Duration::from_millis(20)).unwrap(),
            Piece::End => return Ok((cell.head()?.unwrap().status, body)),
        }
    }
}

fn fetch(reactor: &mut Reactor, address: SocketAddr) -> Result<(u16, Vec<u8>), Error> {
    let cell = reactor.start(post(address))?;
    follow(reactor, &cell)
}

#[test]
fn answer_is_the_same_however_the_server_cuts_it() {
    let chunked = b"HTTP/1.1 201 Made\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
    for answer in [OK, chunked] {
        for step in [1, 3, answer.len()] {
            let (address, count) = serve(answering(answer.to_vec(), step));
            let mut reactor = reactor(8);

            for _ in 0..3 {
                let (status, body) = fetch(&mut reactor, address).unwrap();
                assert_eq!((status / 100, body.as_slice()), (2, &b"hello"[..]));
            }
            assert_eq!(
                count.load(Ordering::SeqCst),
                1,
                "one connection served all three"
            );
        }
    }
}

#[test]
fn connection_is_idle_again_after_its_answer() {
    let (address, _) = serve(answering(OK.to_vec(), OK.len()));
    let mut reactor = reactor(8);

    fetch(&mut reactor, address).unwrap();

    turn_until(&mut reactor, || true);
    assert_eq!(reactor.connections(), (1, 1));
}

#[test]
fn broken_answers_are_told_after_what_came_before() {
    for (answer, before) in [
        (
            &b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"[..],
            &b"hello"[..],
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"hello",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello",
            b"",
        ),
        (b"SSH-2.0-server\r\n\r\n", b""),
        (b"", b""),
    ] {
        let (address, _) = serve(closing(answer));
        let mut reactor = reactor(8);
        let cell = reactor.start(post(address)).unwrap();
        let mut got = Vec::new();

        let broken = loop {
            match cell.next() {
                Ok(Piece::Bytes(bytes)) => got.extend_from_slice(&bytes),
                Ok(Piece::Pending) => reactor.turn(Duration::from_millis(20)).unwrap(),
                Ok(Piece::End) => panic!("passed off as whole: {answer:?}"),
                Err(error) => break error,
            }
        };

        assert!(matches!(broken, Error::Broken { .. }), "{broken:?}");
        assert_eq!(got, before);
        turn_until(&mut reactor, || true);
        assert_eq!(reactor.connections(), (0, 0));
    }
}

#[test]
fn connection_that_the_server_closed_meanwhile_is_not_used() {
    let (address, count) = serve(closing(OK));
    let mut reactor = reactor(8);

    for number in 1..=5 {
        fetch(&mut reactor, address).unwrap();
        // The reactor does not turn meanwhile, so it has not seen the end.
        thread::sleep(Duration::from_millis(5));
        assert_eq!(count.load(Ordering::SeqCst), number);
    }
}

#[test]
fn exchange_that_is_given_up_closes_its_connection_and_frees_its_place() {
    let (address, _) = serve(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel");
        // Until the other side has closed.
        let _ = stream.read(&mut [0]);
    });
    let mut reactor = reactor(1);
    let first = reactor.start(post(address)).unwrap();
    let second = reactor.start(post(address)).unwrap();
    turn_until(&mut reactor, || first.head().unwrap().is_some());
    assert_eq!(reactor.connections(), (1, 0));
    assert!(second.head().unwrap().is_none(), "there is but one place");

    let nudger = reactor.nudger();
    nudger.give_up(&first);
    reactor.run();

    assert_eq!(first.next(), Err(Error::Closed));
    turn_until(&mut reactor, || second.head().unwrap().is_some());
    assert_eq!(reactor.connections(), (1, 0));
    nudger.give_up(&second);
    reactor.run();
    assert_eq!(reactor.connections(), (0, 0));
}

#[test]
fn wait_ends_at_its_moment_and_not_before_where_more_time_was_given() {
    let (address, _) = serve(|mut stream| {
        read_request(&mut stream);
        let _ = stream.read(&mut [0]);
    });
    let mut reactor = reactor(1);
    let cell = reactor.start(post(address)).unwrap();
    let begun = Instant::now();
    let after = |milliseconds| Some(begun + Duration::from_millis(milliseconds));

    assert!(reactor.wait_until(&cell, after(30)));
    assert!(
        !reactor.wait_until(&cell, after(90)),
        "the timer is there already"
    );
    turn_until(&mut reactor, || cell.take_late());

    assert!(begun.elapsed() >= Duration::from_millis(90));
    assert!(
        reactor
            .next_timer()
            .is_none_or(|next| next > Instant::now())
    );
}

#[test]
fn reader_that_is_slow_keeps_the_rest_in_the_sockets() {
    let body = vec![b'x'; 64 * 1024 * 1024];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), &body].concat();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let (address, _) = serve(move |mut stream| {
        read_request(&mut stream);
        for piece in answer.chunks(16 * 1024) {
            stream.write_all(piece).unwrap();
            counted.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    let mut reactor = reactor(1);
    let cell = reactor.start(post(address)).unwrap();
    turn_until(&mut reactor, || cell.head().unwrap().is_some());
    for _ in 0..20 {
        reactor.turn(Duration::from_millis(10)).unwrap();
    }

    assert!(sent.load(Ordering::SeqCst) < body.len() / 2);
    assert_eq!(follow(&mut reactor, &cell).unwrap().1.len(), body.len());
}

#[test]
fn places_where_nothing_listens_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut reactor = reactor(1);

    let refused = fetch(&mut reactor, address);

    let Err(Error::Connect { reason, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(reason, Reason::Refused);
    assert_eq!(reactor.connections(), (0, 0));
}

#[test]
fn requests_that_cannot_be_sent_are_refused_at_once() {
    let mut reactor = reactor(1);
    for uri in [
        "/v1/chat",
        "ftp://127.0.0.1/",
        "http://a:port/",
        "http://a:99999/",
    ] {
        let Ok(uri) = uri.parse() else {
            continue;
        };
        let outgoing = Outgoing {
            uri,
            ..post(([127, 0, 0, 1], 1).into())
        };
        assert!(matches!(reactor.start(outgoing), Err(Error::Request(_))));
    }
}
