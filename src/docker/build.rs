//! Building an image from a Dockerfile: by BuildKit, or by the classic builder where the engine has no other.
//!
//! Both builders take the context as a tar in the request's body and answer with a line of JSON for each thing
//! that happens. Dropping the request is how a build is stopped: the engine then kills the step that runs.

use std::collections::BTreeMap;
use std::io;

use bollard::models::{BuildInfo, BuildInfoAux};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use secrecy::SecretSlice;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::docker::Engine;
use crate::docker::build::classic::ClassicProgress;
use crate::docker::build::error::BuildError;
use crate::docker::build::kit::KitProgress;
use crate::docker::build::line::BuildLine;
use crate::docker::build::query::build_call;
use crate::docker::build::session::Session;
use crate::docker::error::EngineError;
use crate::docker::image::RegistryLogin;
use crate::docker::wire::{Answer, Body, Call, Wire};
use crate::model::release::ImageId;

pub mod error;
pub mod line;

mod classic;
mod kit;
mod query;
mod session;
mod splitter;

/// The most output of steps that is passed on. A step in an endless loop must not fill a disk with its words.
const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;

/// How an image is built.
#[derive(Clone, Debug)]
pub struct BuildSpec {
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// The stage to stop at.
    pub target: Option<String>,
    /// `ARG`s. They are recorded in the image: nothing secret belongs here. At most about 60 KB together.
    pub build_args: BTreeMap<String, String>,
    /// `name:address` lines for `/etc/hosts` of the steps.
    pub hosts: Vec<String>,
    /// What `RUN --mount=type=secret,id=…` may read.
    pub secrets: Vec<BuildSecret>,
    /// The image's labels, beside the owner's.
    pub labels: BTreeMap<String, String>,
    /// The image's name.
    pub tag: Option<String>,
    /// Whether it is no owner's own: it gets no owner's label, and nobody's garbage it is.
    pub shared: bool,
    /// Whether every step is run again.
    pub no_cache: bool,
    /// Whether newer base images are asked for at their registries, although the engine has some.
    pub pull: bool,
    /// How to log in where base images come from.
    pub logins: Vec<RegistryLogin>,
}

/// A secret of a build. It reaches the steps that ask for it, and no layer.
#[derive(Clone, Debug)]
pub struct BuildSecret {
    /// The name that Dockerfiles use.
    pub id: String,
    /// The content of the file they get.
    pub value: SecretSlice<u8>,
}

impl BuildSpec {
    /// A build of a context's `Dockerfile` with nothing special.
    pub fn new() -> Self {
        Self {
            dockerfile: "Dockerfile".to_owned(),
            target: None,
            build_args: BTreeMap::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            labels: BTreeMap::new(),
            tag: None,
            shared: false,
            no_cache: false,
            pull: false,
            logins: Vec::new(),
        }
    }
}

impl Default for BuildSpec {
    fn default() -> Self {
        Self::new()
    }
}

/// What one of the two builders tells, in one form.
enum Progress {
    Kit(KitProgress),
    Classic(ClassicProgress),
}

impl Engine {
    /// Builds an image from a tar of its context. Output comes as it is made; a slow reader slows the build.
    ///
    /// Cancelling, or dropping the future, stops the build in the engine as well.
    pub async fn build(
        &self,
        spec: &BuildSpec,
        context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        output: &mpsc::Sender<BuildLine>,
        cancel: &CancellationToken,
    ) -> Result<ImageId, BuildError> {
        let build = self.build_to_its_end(spec, context, output);
        cancel.run_until_cancelled(build).await.unwrap_or(Err(BuildError::Cancelled))
    }

    async fn build_to_its_end(
        &self,
        spec: &BuildSpec,
        context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        output: &mpsc::Sender<BuildLine>,
    ) -> Result<ImageId, BuildError> {
        let wire = self.wire().await?;
        let session = open_session(&wire, spec).await?;
        if session.is_none() && !spec.secrets.is_empty() {
            let message = "this Docker engine has no BuildKit, and build secrets need it".to_owned();
            return Err(BuildError::Rejected(message));
        }
        let (body, mut failure) = context_body(context);
        let call = build_call(self.owner(), spec, session.as_ref().map(Session::id), body)?;
        let progress = match session {
            Some(_) => Progress::Kit(KitProgress::default()),
            None => Progress::Classic(ClassicProgress::default()),
        };
        let result = async { follow(wire.send(call).await?, progress, output).await }.await;
        match failure.try_recv() {
            // The engine only saw its request break off.
            Ok(error) => Err(BuildError::Context(error)),
            Err(_) => result,
        }
    }
}

/// A session for BuildKit; `None` where the engine has none.
async fn open_session(wire: &Wire, spec: &BuildSpec) -> Result<Option<Session>, EngineError> {
    let ping = wire.send(Call::get("/_ping".to_owned())).await?;
    // An engine of 20.10 says nothing unless it was configured, and has BuildKit all the same.
    if ping.response.headers().get("Builder-Version").is_some_and(|version| version == "1") {
        return Ok(None);
    }
    match Session::open(wire, &spec.secrets, &spec.logins).await {
        Ok(session) => Ok(Some(session)),
        Err(error @ (EngineError::NotFound(_) | EngineError::Refused { .. })) => {
            tracing::info!(%error, "the engine opens no build session, so its classic builder is used");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The context as a body, and where to learn of its failure, which the engine cannot tell.
fn context_body(
    context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> (Body, oneshot::Receiver<io::Error>) {
    let (tell, failure) = oneshot::channel();
    let mut tell = Some(tell);
    let frames = context.map(move |chunk| match (chunk, tell.take()) {
        (Ok(bytes), still_to_tell) => {
            tell = still_to_tell;
            Ok(Frame::data(bytes))
        }
        (Err(error), Some(tell)) => {
            let kind = error.kind();
            if let Err(untold) = tell.send(error) {
                tracing::debug!(%untold, "a build's context failed after the build had ended");
            }
            Err(kind.into())
        }
        (Err(error), None) => Err(error),
    });
    (StreamBody::new(frames).boxed_unsync(), failure)
}

/// Reads what the builder tells until the image is there, or is not going to be.
async fn follow(
    answer: Answer,
    mut progress: Progress,
    output: &mpsc::Sender<BuildLine>,
) -> Result<ImageId, BuildError> {
    let mut messages = answer.json_lines::<BuildInfo>();
    let mut image = None;
    let mut room = OUTPUT_LIMIT;
    while let Some(info) = messages.try_next().await? {
        if let Some(detail) = info.error_detail {
            pass_on(progress.rest(), &mut room, output).await;
            return Err(progress.failure(detail.code, detail.message.unwrap_or_default()));
        }
        if let Some(BuildInfoAux::Default(built)) = &info.aux {
            image = built.id.clone();
        }
        pass_on(progress.absorb(info), &mut room, output).await;
    }
    pass_on(progress.rest(), &mut room, output).await;
    let unnamed = || EngineError::Broken("the engine built an image and did not say which".into());
    Ok(image.map(ImageId).ok_or_else(unnamed)?)
}

/// Sends lines to whoever reads them. That nobody does is no reason to stop building.
async fn pass_on(lines: Vec<BuildLine>, room: &mut usize, output: &mpsc::Sender<BuildLine>) {
    for line in lines {
        let line = match line {
            BuildLine::Output(text) if text.len() > *room => {
                if *room == 0 {
                    continue;
                }
                *room = 0;
                BuildLine::Note("The output is too long: the rest is left out".to_owned())
            }
            BuildLine::Output(text) => {
                *room -= text.len();
                BuildLine::Output(text)
            }
            line => line,
        };
        if output.send(line).await.is_err() {
            tracing::trace!("nobody reads the output of a build");
        }
    }
}

impl Progress {
    fn absorb(&mut self, info: BuildInfo) -> Vec<BuildLine> {
        match (self, info.aux) {
            (Self::Kit(kit), Some(BuildInfoAux::BuildKit(status))) => kit.absorb(status),
            (Self::Kit(_), _) => Vec::new(),
            (Self::Classic(classic), _) => classic.absorb(info.stream, info.status, info.id),
        }
    }

    /// What was held back because its line had not ended.
    fn rest(&mut self) -> Vec<BuildLine> {
        match self {
            Self::Kit(kit) => kit.rest(),
            Self::Classic(classic) => classic.rest(),
        }
    }

    fn failure(self, code: Option<i64>, message: String) -> BuildError {
        match self {
            Self::Kit(kit) => kit.failure(message),
            Self::Classic(classic) => classic.failure(code, message),
        }
    }
}
