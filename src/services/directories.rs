//! Where a service's files lie on the host: `services/ENGINE/NAME/{data,config}` in the root.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::service::ServiceId;
use crate::services::Service;

/// Where directories of destroyed services wait for their removal.
const REMOVED: &str = ".removed";

/// All of a service's files.
pub fn root(app: &App, service: &Service) -> PathBuf {
    all(app).join(service.record.engine.as_str()).join(service.record.name.as_str())
}

/// Its data.
pub fn data(app: &App, service: &Service) -> PathBuf {
    root(app, service).join(&service.record.data)
}

/// Its own configuration files.
pub fn config(app: &App, service: &Service) -> PathBuf {
    root(app, service).join("config")
}

fn all(app: &App) -> PathBuf {
    app.settings.root.join("services")
}

/// Makes them, if they are not there.
pub async fn ensure(app: &App, service: &Service) -> Result<(), CommandError> {
    let (all, data, config) = (all(app), data(app, service), config(app, service));
    let made = blocking(move || {
        fs::create_dir_all(&all)?;
        // Whom the data belongs to in the container is somebody else on the host.
        fs::set_permissions(&all, fs::Permissions::from_mode(0o700))?;
        fs::create_dir_all(&data)?;
        fs::create_dir_all(&config)
    });
    made.await.map_err(|error| {
        CommandError::internal(format!("The directories of {service} cannot be made"), error)
            .hint("Look at the free space and the permissions of the server's root")
    })
}

/// Takes a service's files out of the way of another one of the same name. They are still there until they are
/// discarded.
pub async fn set_aside(app: &App, service: &Service) -> Result<(), CommandError> {
    let (from, removed) = (root(app, service), all(app).join(REMOVED));
    let to = removed.join(service.record.id.0.to_string());
    let moved = blocking(move || {
        fs::create_dir_all(&removed)?;
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // A disk of its own is mounted there: what is on it goes, the place stays.
            Err(error) if is_mount(&error) => clear(&from),
            renamed => renamed,
        }
    });
    moved.await.map_err(|error| {
        CommandError::internal(format!("The files of {service} cannot be moved away"), error)
            .hint("They are as they were. Look at the permissions of the server's root, then try again")
    })
}

/// Removes the files of services that are set aside and recorded no more.
pub async fn discard(app: &App, recorded: Vec<ServiceId>) -> io::Result<()> {
    let removed = all(app).join(REMOVED);
    blocking(move || {
        let entries = match fs::read_dir(&removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let id = number(&path).map(ServiceId);
            if id.is_some_and(|id| !recorded.contains(&id)) {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    })
    .await
}

/// Removes the directory with a service's data; no error if there is none.
pub async fn remove_data(app: &App, service: &Service) -> Result<(), CommandError> {
    let data = data(app, service);
    let removed = blocking(move || match fs::remove_dir_all(&data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    });
    removed.await.map_err(|error| {
        CommandError::internal(format!("Data of {service} that nobody needs cannot be removed"), error)
            .hint("The server tries again. Look at the permissions of its root")
    })
}

/// Has all of a service's data written to the disk, where a crash of the host does not reach it.
pub async fn write_out(app: &App, service: &Service) -> Result<(), CommandError> {
    let data = data(app, service);
    let written = blocking(move || Ok(nix::unistd::syncfs(fs::File::open(data)?)?)).await;
    written.map_err(|error| {
        CommandError::internal(format!("The data of {service} cannot be written to the disk"), error)
            .hint("Nothing was changed. Look at the disk and its free space, then try again")
    })
}

/// The names of all directories beside a service's data, itself included.
pub async fn data_names(app: &App, service: &Service) -> Result<Vec<String>, CommandError> {
    let root = root(app, service);
    let read = blocking(move || names(&root)).await;
    read.map_err(|error| {
        CommandError::internal(format!("The directories of {service} cannot be read"), error)
    })
}

/// The names in a directory and in those below it, `ENGINE/NAME`; none if there is no such directory.
pub async fn pairs(root: &Path) -> Result<Vec<(String, String)>, CommandError> {
    let (root, shown) = (root.to_owned(), root.display().to_string());
    let read = blocking(move || {
        let mut pairs = Vec::new();
        for engine in names(&root)? {
            for name in names(&root.join(&engine))? {
                pairs.push((engine.clone(), name));
            }
        }
        Ok(pairs)
    });
    read.await.map_err(|error| CommandError::internal(format!("{shown} cannot be read"), error))
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(entry.file_name().into_string());
        }
    }
    Ok(found)
}

fn is_mount(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy)
}

/// Removes all that is in a directory, but for the places where disks are mounted.
fn clear(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
            continue;
        }
        clear(&entry.path())?;
        match fs::remove_dir(entry.path()) {
            Err(error) if !is_mount(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn number(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.parse().ok()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
