//! SIGTERM without a crate: the handler writes one byte, a thread reads it and acts.
//!
//! Declared by hand because the standard library has no signals and this app shall stay free of dependencies.

use std::io::Read;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

const SIGTERM: i32 = 15;
const SIG_IGN: usize = 1;

/// The write end that the handler uses. It is replaced when the action is, and never closed.
static WAKE: AtomicI32 = AtomicI32::new(-1);

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
    fn write(descriptor: i32, bytes: *const u8, count: usize) -> isize;
}

extern "C" fn handle(_number: i32) {
    // SAFETY: `write` is async-signal-safe, the buffer is static, and a bad descriptor only gives an error.
    unsafe { write(WAKE.load(Ordering::SeqCst), b"!".as_ptr(), 1) };
}

/// Runs `action` on a thread of its own when SIGTERM comes; the latest action replaces those before it.
pub fn on_sigterm(action: impl FnOnce() + Send + 'static) {
    let (mut reader, writer) = match UnixStream::pair() {
        Ok(pair) => pair,
        Err(error) => {
            eprintln!("torture: SIGTERM will kill at once: {error}");
            return;
        }
    };
    WAKE.store(writer.into_raw_fd(), Ordering::SeqCst);
    thread::spawn(move || {
        if reader.read_exact(&mut [0]).is_ok() {
            action();
        }
    });
    // SAFETY: `handle` has the signature that signal(2) wants and does nothing that is unsafe in a handler.
    unsafe { signal(SIGTERM, handle as extern "C" fn(i32) as usize) };
}

/// Makes SIGTERM have no effect.
pub fn ignore() {
    // SAFETY: SIG_IGN is a disposition that signal(2) takes for SIGTERM.
    unsafe { signal(SIGTERM, SIG_IGN) };
}
