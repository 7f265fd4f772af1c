//! A thread with a runtime of its own, for tasks that never leave it.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::{LocalOptions, LocalRuntime};

/// Starts a thread that runs a future, and with it what that spawns, to the future's end. What is left then is dropped
/// on the same thread.
pub(crate) fn start<F>(
    name: String,
    main: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<F::Output>>
where
    F: Future<Output: Default + Send + 'static>,
{
    // The runtime cannot be made elsewhere and brought here.
    let (tell, made) = sync_channel(1);
    let thread = Builder::new().name(name).spawn(move || {
        let (runtime, error) = match runtime() {
            Ok(runtime) => (Some(runtime), None),
            Err(error) => (None, Some(error)),
        };
        if tell.send(error).is_err() {
            return F::Output::default();
        }
        runtime.map_or_else(F::Output::default, |runtime| runtime.block_on(main()))
    })?;
    match made.recv() {
        Ok(None) => Ok(thread),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(io::Error::other("the thread ended at once")),
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}
