//! The transport alone, over loopback: `cargo bench -p inferail-benches --bench http`.
//!
//! Wall time, the server's share included: it answers from prepared bytes in a thread for each connection.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use inferail_http::{Cell, Options, Outgoing, Piece, Proxies, Reactor, Settings};

const EVENTS: usize = 200;

/// A server that answers every request with the same bytes.
fn serve(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback address");
    let address = listener.local_addr().expect("its address");
    let answer: Arc<[u8]> = answer.into();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || talk(stream, &answer));
        }
    });
    address
}

fn talk(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        stream.write_all(answer)?;
    }
}

fn unary() -> Vec<u8> {
    let body = format!(
        r#"{{"choices":[{{"message":{{"content":"{}"}}}}]}}"#,
        "x".repeat(500)
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: r1\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn stream() -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    let event = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "x".repeat(200)
    );
    for _ in 0..EVENTS {
        answer.extend(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

fn reactor() -> Reactor {
    let options = Options {
        proxies: Proxies::none(),
        ..Options::default()
    };
    Reactor::new(Settings::new(options)).expect("descriptors")
}

fn begin(reactor: &mut Reactor, address: SocketAddr) -> Arc<Cell> {
    let outgoing = Outgoing {
        method: Method::POST,
        uri: format!("http://{address}/v1/chat/completions")
            .parse()
            .expect("a URL"),
        headers: HeaderMap::new(),
        body: Bytes::from_static(&[b'x'; 200]),
        connect_timeout: None,
    };
    reactor.start(outgoing).expect("a request")
}

/// Reads what has come; whether there is more to come.
fn read(cell: &Cell) -> bool {
    loop {
        match cell.next().expect("a whole answer") {
            Piece::Bytes(_) => {}
            Piece::Pending => return true,
            Piece::End => return false,
        }
    }
}

fn finish(reactor: &mut Reactor, mut cells: Vec<Arc<Cell>>) {
    while !cells.is_empty() {
        reactor
            .turn(Duration::from_secs(5))
            .expect("an operating system that waits");
        reactor.take_changed();
        cells.retain(|cell| read(cell));
        reactor.run();
    }
}

fn bench_http(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("http");
    for (name, answer, at_once) in [
        ("unary", unary(), 1),
        ("unary", unary(), 64),
        ("stream", stream(), 1),
    ] {
        let elements = if name == "stream" { EVENTS } else { at_once };
        group.throughput(Throughput::Elements(elements as u64));
        let address = serve(answer);
        let mut reactor = reactor();
        group.bench_function(format!("{name}/{at_once} at once"), |bencher| {
            bencher.iter(|| {
                let cells = (0..at_once).map(|_| begin(&mut reactor, address)).collect();
                finish(&mut reactor, cells);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench_http);
criterion_main!(benches);
