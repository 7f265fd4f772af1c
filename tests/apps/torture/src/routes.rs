//! What each path answers.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::process;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::exchange::Exchange;
use crate::server::Server;
use crate::websocket;

/// Answers one request.
pub fn answer(server: &Server, exchange: &mut Exchange) -> io::Result<()> {
    if server.unwell() {
        return exchange.text(500, "not well yet, as TORTURE_500_MS says\n");
    }
    let path = exchange.request.path.clone();
    match path.as_str() {
        "/" => exchange.text(200, "torture\n"),
        "/sleep" => sleep(exchange),
        "/sse" => events(exchange),
        "/ws" => websocket::serve(server, exchange),
        "/upload" => upload(exchange),
        "/download" => download(exchange),
        "/drip" => drip(exchange),
        "/crash" => crash(),
        "/print" => print(exchange),
        "/headers" => {
            let head = exchange.request.head.clone();
            exchange.bytes(200, "text/plain", &head)
        }
        "/env" => environment(exchange),
        "/instance" => instance(server, exchange),
        "/mood" => mood(server, exchange),
        "/eat" => eat(exchange),
        "/via" => via(exchange),
        _ => match path.strip_prefix("/status/").and_then(|text| text.parse().ok()) {
            Some(status @ 200..=999) => exchange.text(status, &format!("status {status}\n")),
            Some(_) => exchange.text(400, "a status has three digits and is no 1xx\n"),
            None => exchange.text(404, "torture has no such path\n"),
        },
    }
}

/// `/sleep?ms=N`: answers after N milliseconds.
fn sleep(exchange: &mut Exchange) -> io::Result<()> {
    let duration = milliseconds(exchange);
    thread::sleep(duration);
    exchange.text(200, &format!("slept {} ms\n", duration.as_millis()))
}

/// `/sse?n=N&ms=M`: N events, M milliseconds apart, each sent at once.
fn events(exchange: &mut Exchange) -> io::Result<()> {
    let (count, pause) = (exchange.request.number("n").unwrap_or(3), milliseconds(exchange));
    exchange.head(200, "text/event-stream", None)?;
    for event in 1..=count {
        exchange.send(format!("id: {event}\ndata: event {event} of {count}\n\n").as_bytes())?;
        if event < count {
            thread::sleep(pause);
        }
    }
    Ok(())
}

/// `/upload`: length and SHA-256 of the request's body.
fn upload(exchange: &mut Exchange) -> io::Result<()> {
    let mut hash = Sha256::new();
    let mut length: u64 = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match exchange.read(&mut buffer)? {
            0 => break,
            count => {
                hash.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    exchange.text(200, &format!("length {length}\nsha256 {digest}\n"))
}

/// `/download?bytes=N`: byte I is I modulo 251.
fn download(exchange: &mut Exchange) -> io::Result<()> {
    // The block's length is a multiple of the pattern's, so that blocks can follow one another.
    let block: Vec<u8> = (0..=250).cycle().take(251 * 256).collect();
    let mut left = exchange.request.number("bytes").unwrap_or(1024);
    exchange.head(200, "application/octet-stream", Some(left))?;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        exchange.send(&block[..piece])?;
        left -= piece as u64;
    }
    Ok(())
}

/// `/drip?bytes=N&ms=M`: the same bytes as `/download`, one by one, M milliseconds apart.
fn drip(exchange: &mut Exchange) -> io::Result<()> {
    let (count, pause) = (exchange.request.number("bytes").unwrap_or(10), milliseconds(exchange));
    exchange.head(200, "application/octet-stream", Some(count))?;
    for (sent, byte) in (0..=250).cycle().enumerate().take(usize::try_from(count).unwrap_or(usize::MAX)) {
        if sent > 0 {
            thread::sleep(pause);
        }
        exchange.send(&[byte])?;
    }
    Ok(())
}

/// `/crash`: the whole process is gone before there is an answer.
fn crash() -> ! {
    eprintln!("torture: crashing, as asked");
    process::exit(1)
}

/// `/print?word=W&n=N`: prints N lines `W 1`, `W 2` and so on.
fn print(exchange: &mut Exchange) -> io::Result<()> {
    let word = exchange.request.parameter("word").unwrap_or_else(|| b"printed".to_vec());
    let count = exchange.request.number("n").unwrap_or(1);
    let mut output = io::stdout().lock();
    for number in 1..=count {
        output.write_all(&[&word[..], format!(" {number}\n").as_bytes()].concat())?;
    }
    output.flush()?;
    drop(output);
    exchange.text(200, "printed\n")
}

/// `/env?name=X`: the variable's bytes, or 404. `/env`: all of them, `NAME=VALUE`, each ended by NUL.
fn environment(exchange: &mut Exchange) -> io::Result<()> {
    let Some(name) = exchange.request.parameter("name") else {
        let all: Vec<u8> = env::vars_os()
            .flat_map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat())
            .collect();
        return exchange.bytes(200, "application/octet-stream", &all);
    };
    match env::vars_os().find(|(known, _)| known == OsStr::from_bytes(&name)) {
        Some((_, value)) => exchange.bytes(200, "application/octet-stream", value.as_bytes()),
        None => exchange.text(404, "this variable is not set\n"),
    }
}

/// `/instance`: who answers, one `name value` a line.
fn instance(server: &Server, exchange: &mut Exchange) -> io::Result<()> {
    let variable = |name| env::var(name).unwrap_or_else(|_| "-".to_owned());
    let text = format!(
        "id {}\ndyno {}\nrelease {}\nversion {}\n",
        server.instance,
        variable("DYNO"),
        variable("SLIPWAY_RELEASE"),
        variable("TORTURE_VERSION"),
    );
    exchange.text(200, &text)
}

/// `/mood`: the status that was last set, 200 at first. `/mood?set=N`: sets it.
fn mood(server: &Server, exchange: &mut Exchange) -> io::Result<()> {
    if let Some(status) = exchange.request.number("set").and_then(|status| u16::try_from(status).ok()) {
        server.mood.store(status, Ordering::SeqCst);
        return exchange.text(200, "the mood is set\n");
    }
    let status = server.mood.load(Ordering::SeqCst);
    exchange.text(status, &format!("mood {status}\n"))
}

/// `/eat?mb=N`: holds N MiB of memory for ever.
fn eat(exchange: &mut Exchange) -> io::Result<()> {
    let megabytes = usize::try_from(exchange.request.number("mb").unwrap_or(1)).unwrap_or(1);
    // Not zero: memory of zeros is not taken until it is written to.
    Vec::leak(vec![1_u8; megabytes << 20]);
    exchange.text(200, "eaten\n")
}

/// `/via?env=NAME&path=/x`: what another app answers, whose URL is in that variable; `/via?url=URL&path=/x` without
/// one. Only the first address of its host is tried, as simple clients do.
fn via(exchange: &mut Exchange) -> io::Result<()> {
    let parameter =
        |name| exchange.request.parameter(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let variable = parameter("env").and_then(|name| env::var(name).ok());
    let url = variable.or_else(|| parameter("url")).unwrap_or_default();
    let path = parameter("path").unwrap_or_else(|| "/".to_owned());
    match ask(&url, &path) {
        Ok((status, body)) => exchange.bytes(status, "text/plain", &body),
        Err(error) => exchange.text(504, &format!("{url} cannot be asked: {error}\n")),
    }
}

fn ask(url: &str, path: &str) -> io::Result<(u16, Vec<u8>)> {
    let invalid = || io::Error::other("no answer in HTTP");
    let host = url.strip_prefix("http://").ok_or_else(|| io::Error::other("no URL"))?;
    let address = host.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").ok_or_else(invalid)?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(invalid)?;
    Ok((status, answer[end + 4..].to_vec()))
}

fn milliseconds(exchange: &Exchange) -> Duration {
    Duration::from_millis(exchange.request.number("ms").unwrap_or(100))
}
