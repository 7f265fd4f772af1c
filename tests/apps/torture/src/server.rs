//! The accept loop, one thread a connection, and the orderly stop.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::request::{ReadError, read_request};
use crate::routes;
use crate::websocket;

/// What all connections share.
pub struct Server {
    /// A random name made at the start: a restarted app has another one.
    pub instance: String,
    /// What `/mood` answers with.
    pub mood: AtomicU16,
    unwell_until: Instant,
    stopping: AtomicBool,
    /// Requests whose answer is not complete; the stop waits for none to be left.
    unfinished: Mutex<usize>,
    finished: Condvar,
    /// Open WebSockets: the stop says goodbye to them, since no request of theirs ends by itself.
    websockets: Mutex<Vec<Weak<Mutex<TcpStream>>>>,
}

impl Server {
    /// Makes a server that answers 500 for the time `unwell`.
    pub fn new(unwell: Duration) -> io::Result<Arc<Self>> {
        let mut random = [0_u8; 8];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        Ok(Arc::new(Self {
            instance: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            mood: AtomicU16::new(200),
            unwell_until: Instant::now() + unwell,
            stopping: AtomicBool::new(false),
            unfinished: Mutex::new(0),
            finished: Condvar::new(),
            websockets: Mutex::new(Vec::new()),
        }))
    }

    /// Serves until [`Server::stop`], then returns once every request has its answer.
    pub fn run(self: Arc<Self>, listener: &TcpListener) {
        while !self.stopping() {
            match listener.accept() {
                Ok((stream, _)) if !self.stopping() => {
                    let server = self.clone();
                    thread::spawn(move || server.serve_connection(stream));
                }
                Ok(_) => {}
                Err(error) => {
                    eprintln!("torture: cannot accept: {error}");
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
        let mut unfinished = locked(&self.unfinished);
        while *unfinished > 0 {
            unfinished = self.finished.wait(unfinished).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the accept loop of the listener bound to `address`, and closes the WebSockets.
    pub fn stop(&self, address: SocketAddr) {
        self.stopping.store(true, Ordering::SeqCst);
        for stream in locked(&self.websockets).iter().filter_map(Weak::upgrade) {
            // A peer that is gone needs no goodbye.
            locked(&stream).write_all(&websocket::GOING_AWAY).ok();
        }
        // `accept` is blocked and only a connection wakes it up; if none can be made, it is not blocked.
        TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).ok();
    }

    /// Whether SIGTERM has come.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether everything still has to be answered with 500.
    pub fn unwell(&self) -> bool {
        Instant::now() < self.unwell_until
    }

    /// Remembers a WebSocket, so that the stop can say goodbye to it.
    pub fn remember_websocket(&self, stream: &Arc<Mutex<TcpStream>>) {
        let mut websockets = locked(&self.websockets);
        websockets.retain(|known| known.strong_count() > 0);
        websockets.push(Arc::downgrade(stream));
    }

    fn serve_connection(&self, stream: TcpStream) {
        stream.set_nodelay(true).ok();
        let Ok(read_half) = stream.try_clone() else { return };
        let mut reader = BufReader::with_capacity(64 * 1024, read_half);
        loop {
            let request = match read_request(&mut reader) {
                Ok(Some(request)) => request,
                Ok(None) | Err(ReadError::Broken) => return,
                Err(ReadError::Malformed(reason)) => return refuse(&stream, reason),
            };
            let _unfinished = Unfinished::begin(self);
            let started = Instant::now();
            let line = request.line.clone();
            let mut exchange = Exchange::new(request, &mut reader, &stream, &self.stopping);
            let outcome = routes::answer(self, &mut exchange).and_then(|()| exchange.finish());
            let status = exchange.status();
            println!("{line} {status} {}ms", started.elapsed().as_millis());
            if let Err(error) = outcome {
                println!("{line} broke off: {error}");
                return;
            }
            if exchange.closes() {
                return;
            }
        }
    }
}

/// Counts a request as unfinished while it lives.
struct Unfinished<'a>(&'a Server);

impl<'a> Unfinished<'a> {
    fn begin(server: &'a Server) -> Self {
        *locked(&server.unfinished) += 1;
        Self(server)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        *locked(&self.0.unfinished) -= 1;
        self.0.finished.notify_all();
    }
}

fn refuse(mut stream: &TcpStream, reason: &str) {
    println!("malformed request: {reason}");
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n";
    // The peer may have gone; there is nobody else to tell.
    write!(stream, "{head}Content-Length: {}\r\n\r\n{reason}\n", reason.len() + 1).ok();
}

/// Locks, also after a thread panicked: the counters stay right because guards restore them.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Arc<Server>, SocketAddr, thread::JoinHandle<()>) {
        let server = Server::new(Duration::ZERO).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let running = server.clone();
        (server, address, thread::spawn(move || running.run(&listener)))
    }

    fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn pipelined_requests_are_answered_in_order_with_their_bodies_taken_off() {
        let (_server, address, _thread) = start();
        let upload = "POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                      1\r\na\r\n2;x=y\r\nbc\r\n0\r\nTrailer: t\r\n\r\n";
        let ignored = "POST /status/404 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        let last = "GET /headers HTTP/1.1\r\nhOST: x \r\nConnection: close\r\n\r\n";
        let answer = exchange(address, &[upload, ignored, last].concat());
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 81\r\n\r\n\
             length 3\nsha256 {sha}\n\
             HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 11\r\n\r\n\
             status 404\n\
             HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 52\r\nConnection: close\r\n\r\n\
             GET /headers HTTP/1.1\r\nhOST: x \r\nConnection: close\r\n"
        );
        assert_eq!(answer, expected);
    }

    #[test]
    fn a_body_that_breaks_the_framing_ends_the_connection() {
        let (_server, address, _thread) = start();
        let head = "POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(exchange(address, &format!("{head}1\r\nab\r\n")), "");
        assert!(exchange(address, "GET /\r\n\r\n").starts_with("HTTP/1.1 400 "));
    }

    #[test]
    fn a_stop_lets_the_running_request_finish() {
        let (server, address, running) = start();
        let client = thread::spawn(move || exchange(address, "GET /sleep?ms=300 HTTP/1.1\r\n\r\n"));
        while *locked(&server.unfinished) == 0 {
            thread::yield_now();
        }
        server.stop(address);
        running.join().unwrap();
        assert!(TcpStream::connect(address).is_err());
        assert!(client.join().unwrap().ends_with("slept 300 ms\n"));
    }
}
