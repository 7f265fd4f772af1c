//! An S3-compatible storage of a test's own, which checks signatures: s3s over a directory.

use std::path::Path;
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The access key that it knows.
pub const KEY: &str = "AKIASLIPWAY";

/// The secret of the key.
pub const SECRET: &str = "verysecretindeed";

/// The bucket that it has.
pub const BUCKET: &str = "backups";

/// The storage, which ends when this is dropped.
pub struct S3Server {
    /// `http://ADDRESS:PORT`.
    pub url: String,
    root: TempDir,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    /// Starts it with an empty bucket on a free port of that address.
    pub fn start(address: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let listener = std::net::TcpListener::bind((address, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let (service, stop) = (builder.build(), CancellationToken::new());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            // Dropping the runtime cuts all connections.
            runtime.unwrap().block_on(stopped.run_until_cancelled(serve(listener, service)));
        });
        Self { url, root, stop, thread: Some(thread) }
    }

    /// The directory that holds the bucket's objects.
    pub fn bucket(&self) -> std::path::PathBuf {
        self.root.path().join(BUCKET)
    }

    /// All that it keeps, also uploads under way.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Cuts all connections and listens no more.
    pub fn stop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        // Clients that go away in the middle are what some tests are about.
        tokio::spawn(async move { drop(connection.await) });
    }
}
