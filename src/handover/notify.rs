//! What a server tells systemd (`sd_notify(3)`). Without systemd nothing of it is sent.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;

use rustix::cmsg_space;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};

/// News for systemd.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// The server serves.
    Ready,
    /// The server is about to end.
    Stopping,
    /// Another process is the service from now on.
    MainProcess(u32),
    /// Sockets of this name need not be kept any more.
    Forget(&'a str),
    /// A socket that is to be kept over a restart, and its name.
    Keep(&'a str, BorrowedFd<'a>),
}

/// Tells systemd. That it cannot be told is logged, and no reason to do anything else.
pub fn notify(news: News<'_>) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&path, news) {
        tracing::warn!(%error, ?news, "systemd cannot be told");
    }
}

fn send(path: &OsStr, news: News<'_>) -> io::Result<()> {
    let (text, descriptor) = match news {
        News::Ready => ("READY=1".to_owned(), None),
        News::Stopping => ("STOPPING=1".to_owned(), None),
        News::MainProcess(id) => (format!("MAINPID={id}"), None),
        News::Forget(name) => (format!("FDSTOREREMOVE=1\nFDNAME={name}"), None),
        News::Keep(name, descriptor) => (format!("FDSTORE=1\nFDNAME={name}"), Some(descriptor)),
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = descriptor.into_iter().collect();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let socket = UnixDatagram::unbound()?;
    let text = [IoSlice::new(text.as_bytes())];
    sendmsg_addr(socket.as_fd(), &address, &text, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}
