//! Tells when files grow, without looking at each of them again and again: one inotify instance for all.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::net::unix::pipe::Receiver;

/// Which watch it was.
pub type Watch = i32;

/// The fixed part of a notice: watch, mask, cookie, length of the name behind it (`inotify(7)`).
const NOTICE: usize = 16;

/// Watches on files.
#[derive(Debug)]
pub struct Watches {
    inotify: Inotify,
    /// The same descriptor, read as the runtime reads a pipe.
    notices: Receiver,
}

impl Watches {
    /// None yet. Has to be called on the runtime that will wait.
    pub fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let notices = Receiver::from_owned_fd_unchecked(inotify.as_fd().try_clone_to_owned()?)?;
        Ok(Self { inotify, notices })
    }

    /// Watches a file until it is written to or moved. Once: a file that is written to 50,000 times a second makes
    /// one notice, not that many.
    pub fn add(&self, path: &Path) -> io::Result<Watch> {
        let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONESHOT;
        Ok(self.inotify.add_watch(path, flags)?.as_raw())
    }

    /// Waits for notices, and says which watches have ended with them.
    pub async fn next(&self) -> io::Result<Vec<Watch>> {
        let mut buffer = [0; 4096];
        loop {
            self.notices.readable().await?;
            match self.notices.try_read(&mut buffer) {
                Ok(length) => return Ok(read(buffer.get(..length).unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn read(mut notices: &[u8]) -> Vec<Watch> {
    let mut watches = Vec::new();
    while let Some((fixed, rest)) = notices.split_first_chunk::<NOTICE>() {
        let [w0, w1, w2, w3, .., l0, l1, l2, l3] = *fixed;
        watches.push(i32::from_ne_bytes([w0, w1, w2, w3]));
        let name = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        notices = rest.get(name..).unwrap_or_default();
    }
    watches
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn one_notice_comes_for_many_writes_and_none_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let (noisy, quiet) = (directory.path().join("noisy"), directory.path().join("quiet"));
        let mut files = [File::create(&noisy).unwrap(), File::create(&quiet).unwrap()];
        let watches = Watches::new().unwrap();
        let (first, second) = (watches.add(&noisy).unwrap(), watches.add(&quiet).unwrap());
        for _ in 0..10 {
            files[0].write_all(b"line\n").unwrap();
        }
        files[1].write_all(b"line\n").unwrap();
        let mut seen = Vec::new();
        while !seen.contains(&second) {
            seen.extend(watches.next().await.unwrap());
        }
        // The second one for a watch says that it is over.
        assert_eq!(seen.iter().filter(|watch| **watch == first).count(), 2);
        std::fs::rename(&quiet, directory.path().join("moved")).unwrap();
        let third = watches.add(&noisy).unwrap();
        files[0].write_all(b"line\n").unwrap();
        while !watches.next().await.unwrap().contains(&third) {}
    }
}
