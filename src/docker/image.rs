//! Images: what is in them, getting them, naming them, removing them.

use std::collections::BTreeMap;
use std::io;

use bollard::auth::DockerCredentials;
use bollard::models::{CreateImageInfo, ImageConfig};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListImagesOptions, RemoveImageOptions,
    TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::OWNER;
use crate::model::release::ImageId;

/// What is known about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its id.
    pub id: ImageId,
    /// The TCP ports it exposes, in ascending order.
    pub exposed_tcp_ports: Vec<u16>,
    /// Whether it has a `HEALTHCHECK`.
    pub has_healthcheck: bool,
    /// Its entry point; empty if it has none.
    pub entrypoint: Vec<String>,
    /// Its command; empty if it has none.
    pub command: Vec<String>,
    /// The directory in which its processes begin; empty for the root.
    pub working_directory: String,
    /// Its environment, `KEY=value`.
    pub environment: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its size in bytes, shared layers included.
    pub size: u64,
    /// When the engine last gave it a name, seconds since the Unix epoch, if it remembers that.
    pub named_at: Option<i64>,
}

/// An image that the owner has made or named, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedImage {
    /// Its id.
    pub id: ImageId,
    /// Its names; of an image that was made elsewhere only those that we gave it.
    pub tags: Vec<String>,
    /// Whether it has no name at all, not even one that somebody else gave it.
    pub nameless: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made, seconds since the Unix epoch.
    pub created_at: i64,
    /// Its size in bytes, shared layers included.
    pub size: u64,
}

/// What came of removing an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRemoval {
    /// It, or the name it was called by, is gone.
    Removed,
    /// It stays, for the reason that the engine gives: a container or another image needs it.
    InUse(String),
    /// There was none.
    Absent,
}

/// How to log in at a registry.
#[derive(Clone, Debug)]
pub struct RegistryLogin {
    /// The registry's host, as in image names; `docker.io` for the hub.
    pub host: String,
    /// The user.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

impl Engine {
    /// Says what is in an image, by id or name; `None` if the engine does not have it.
    pub async fn image_facts(&self, reference: &str) -> Result<Option<ImageFacts>, EngineError> {
        check_reference(reference)?;
        let image = match self.client().await?.inspect_image(reference).await.map_err(EngineError::from) {
            Err(error) if error.is_not_found() => return Ok(None),
            answer => answer?,
        };
        let config = image.config.unwrap_or_default();
        Ok(Some(ImageFacts {
            id: ImageId(image.id.unwrap_or_default()),
            exposed_tcp_ports: tcp_ports(config.exposed_ports.as_deref().unwrap_or_default()),
            has_healthcheck: has_healthcheck(&config),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            working_directory: config.working_dir.unwrap_or_default(),
            environment: config.env.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            named_at: image
                .metadata
                .and_then(|metadata| metadata.last_tag_time)
                .map(|at| at.unix_timestamp()),
        }))
    }

    /// Gets an image from its registry. Progress comes as lines for a person; nobody has to read them.
    pub async fn pull(
        &self,
        reference: &str,
        login: Option<&RegistryLogin>,
        progress: &mpsc::Sender<String>,
    ) -> Result<ImageId, EngineError> {
        check_reference(reference)?;
        let reference = with_tag(reference);
        let options = CreateImageOptionsBuilder::default().from_image(&reference).build();
        let credentials = login.map(|login| DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.expose_secret().to_owned()),
            serveraddress: Some(login.host.clone()),
            ..DockerCredentials::default()
        });
        let mut answers = std::pin::pin!(self.client().await?.create_image(Some(options), None, credentials));
        while let Some(answer) = answers.next().await {
            if let Some(line) = progress_line(answer?)
                && progress.send(line).await.is_err()
            {
                tracing::trace!("nobody reads the progress of a pull");
            }
        }
        let gone = || EngineError::NotFound(format!("No such image: {reference}"));
        Ok(self.image_facts(&reference).await?.ok_or_else(gone)?.id)
    }

    /// Takes images out of an archive as `docker save` writes it; gives their names, or ids where they have none.
    pub async fn load(
        &self,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Vec<String>, EngineError> {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let mut answers = std::pin::pin!(self.client().await?.import_image_stream(options, archive, None));
        let mut loaded = Vec::new();
        while let Some(answer) = answers.next().await {
            let answer = answer?;
            if let Some(message) = answer.error_detail.and_then(|detail| detail.message) {
                return Err(EngineError::Refused { status: 200, message });
            }
            let text = answer.stream.unwrap_or_default();
            let names = text.lines().filter_map(|line| {
                line.strip_prefix("Loaded image ID: ").or_else(|| line.strip_prefix("Loaded image: "))
            });
            loaded.extend(names.map(|name| name.trim().to_owned()));
        }
        Ok(loaded)
    }

    /// Gives an image one more name.
    pub async fn tag(&self, image: &ImageId, repository: &str, tag: &str) -> Result<(), EngineError> {
        check_reference(&image.0)?;
        let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
        Ok(self.client().await?.tag_image(&image.0, Some(options)).await?)
    }

    /// Removes an image by its id, or one of its names (and the image with its last name).
    pub async fn remove_image(&self, reference: &str) -> Result<ImageRemoval, EngineError> {
        check_reference(reference)?;
        let client = self.client().await?;
        // Never forced: force would take the image away from stopped containers.
        match client
            .remove_image(reference, None::<RemoveImageOptions>, None)
            .await
            .map_err(EngineError::from)
        {
            Ok(_) => Ok(ImageRemoval::Removed),
            Err(EngineError::NotFound(_)) => Ok(ImageRemoval::Absent),
            Err(EngineError::Conflict(reason)) => Ok(ImageRemoval::InUse(reason)),
            Err(error) => Err(error),
        }
    }

    /// Lists the images that were built here, or that were given a name of ours; with those names only.
    pub async fn list_images(&self) -> Result<Vec<OwnedImage>, EngineError> {
        // The engine can filter by label or by name, not by either.
        let images = self.client().await?.list_images(None::<ListImagesOptions>).await?;
        let ours = format!("{}/", self.network_name());
        let owned = images.into_iter().map(|image| OwnedImage {
            id: ImageId(image.id),
            nameless: image.repo_tags.iter().all(|tag| tag == "<none>:<none>"),
            tags: image.repo_tags.into_iter().filter(|tag| tag.starts_with(&ours)).collect(),
            labels: image.labels.into_iter().collect(),
            created_at: image.created,
            size: u64::try_from(image.size).unwrap_or(0),
        });
        let is_ours = |image: &OwnedImage| {
            !image.tags.is_empty()
                || image.labels.get(OWNER).is_some_and(|owner| owner == self.owner().as_str())
        };
        Ok(owned.filter(is_ours).collect())
    }
}

/// Refuses what cannot be a reference. It comes from people and becomes part of a request's path.
fn check_reference(reference: &str) -> Result<(), EngineError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/' | b':' | b'@');
    let good_part = |part: &str| part.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if reference.bytes().all(allowed) && reference.split('/').all(good_part) {
        Ok(())
    } else {
        let message =
            format!("{reference:?} is not an image: write for example nginx:1.27 or ghcr.io/me/app");
        Err(EngineError::Refused { status: 400, message })
    }
}

/// Without a tag the engine would get every tag of the repository.
fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains(':') || name.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

fn tcp_ports(exposed: &[String]) -> Vec<u16> {
    let number = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
    let mut ports: Vec<u16> = exposed.iter().filter_map(number).collect();
    ports.sort_unstable();
    ports
}

/// `HEALTHCHECK NONE` is a check whose command is the one word NONE.
fn has_healthcheck(config: &ImageConfig) -> bool {
    let test = config.healthcheck.as_ref().and_then(|check| check.test.as_deref()).unwrap_or_default();
    test.first().is_some_and(|word| word != "NONE")
}

/// Steps that end, and what is said of the whole; not the bars in between.
fn progress_line(info: CreateImageInfo) -> Option<String> {
    let status = info.status?;
    match info.id {
        Some(layer) if status == "Pull complete" => Some(format!("{layer}: {status}")),
        Some(tag) if status.starts_with("Pulling from") => Some(format!("{tag}: {status}")),
        Some(_) => None,
        None => Some(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_cannot_leave_their_path() {
        for good in ["debian:bookworm-slim", "127.0.0.1:5000/a/b:c", "sha256:00ff", "a@sha256:00ff"] {
            assert!(check_reference(good).is_ok(), "{good}");
        }
        for bad in ["", "..", "a/../b", "/a", "a?b", "a b", "a#b", "a%2f"] {
            assert!(check_reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pull_is_of_one_tag() {
        assert_eq!(with_tag("127.0.0.1:5000/app"), "127.0.0.1:5000/app:latest");
        assert_eq!(with_tag("debian:12"), "debian:12");
        assert_eq!(with_tag("debian@sha256:00ff"), "debian@sha256:00ff");
    }

    #[test]
    fn ports_are_tcp_and_in_order() {
        let exposed = ["8080/tcp", "53/udp", "80/tcp", "443"].map(str::to_owned);
        assert_eq!(tcp_ports(&exposed), [80, 443, 8080]);
    }
}
