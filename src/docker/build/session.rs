//! BuildKit's way back to us: while a build runs, the engine asks for secrets and logins over this connection.
//!
//! The connection starts as a request and turns round: from then on it is HTTP/2 with gRPC, and we are the server
//! (github.com/moby/buildkit, session/). Nothing is asked for that was not announced in the request's headers.

use std::collections::HashMap;
use std::sync::Arc;

use bollard::health::health_check_response::ServingStatus;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use bytes::Bytes;
use futures_util::stream::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use secrecy::ExposeSecret;
use tokio::io::AsyncReadExt;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::docker::build::BuildSecret;
use crate::docker::error::EngineError;
use crate::docker::image::RegistryLogin;
use crate::docker::wire::{Call, Wire};

/// The calls that the engine may make. It checks by itself, unannounced, that we are still there (`Health`).
const METHODS: [&str; 2] =
    ["/moby.buildkit.secrets.v1.Secrets/GetSecret", "/moby.filesync.v1.Auth/Credentials"];

/// An open session. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    _server: AbortOnDropHandle<()>,
}

impl Session {
    /// Opens a session and serves it until it is dropped.
    pub(super) async fn open(
        wire: &Wire,
        secrets: &[BuildSecret],
        logins: &[RegistryLogin],
    ) -> Result<Self, EngineError> {
        let id = format!("{:032x}", rand::random::<u128>());
        let mut call = Call::post("/session".to_owned(), Bytes::new()).upgrading("h2c");
        call.headers.push(("X-Docker-Expose-Session-Uuid", id.clone()));
        call.headers.push(("X-Docker-Expose-Session-Name", "slipway".to_owned()));
        let announced = METHODS.map(|method| ("X-Docker-Expose-Session-Grpc-Method", method.to_owned()));
        call.headers.extend(announced);
        let upgraded = wire.upgrade(call).await?;
        let (read, write) = tokio::io::split(upgraded.stream);
        let early = std::io::Cursor::new(upgraded.already_read.freeze());
        let connection = TokioIo::new(tokio::io::join(early.chain(read), write));

        let service = TowerToHyperService::new(routes(secrets, logins));
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            // The engine closes the connection when the build has ended; what broke is told by the build itself.
            if let Err(error) = server.serve_connection(connection, service).await {
                tracing::debug!(%error, "a build session ended");
            }
        }));
        Ok(Self { id, _server: server })
    }

    /// The id that the build names.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

fn routes(secrets: &[BuildSecret], logins: &[RegistryLogin]) -> Routes {
    let secrets = secrets.iter().map(|secret| (secret.id.clone(), secret.clone())).collect();
    Routes::new(HealthServer::new(Alive))
        .add_service(SecretsServer::new(SecretStore { secrets: Arc::new(secrets) }))
        .add_service(AuthServer::new(Logins { logins: logins.into() }))
}

/// The secrets of one build.
struct SecretStore {
    secrets: Arc<HashMap<String, BuildSecret>>,
}

#[tonic::async_trait]
impl Secrets for SecretStore {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        // BuildKit goes on without the secret on this code, unless the Dockerfile says `required`.
        let unknown = || Status::not_found(format!("secret {id} is not defined"));
        let secret = self.secrets.get(&id).ok_or_else(unknown)?;
        Ok(Response::new(GetSecretResponse { data: secret.value.expose_secret().to_vec() }))
    }
}

/// The logins of one build.
struct Logins {
    logins: Arc<[RegistryLogin]>,
}

#[tonic::async_trait]
impl Auth for Logins {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let login = self.logins.iter().find(|login| login.host == host);
        // Empty credentials mean: go on as nobody.
        let answer = login.map_or_else(CredentialsResponse::default, |login| CredentialsResponse {
            username: login.username.clone(),
            secret: login.password.expose_secret().to_owned(),
        });
        Ok(Response::new(answer))
    }

    async fn fetch_token(
        &self,
        _request: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(not_offered())
    }

    async fn get_token_authority(
        &self,
        _request: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(not_offered())
    }

    async fn verify_token_authority(
        &self,
        _request: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(not_offered())
    }
}

/// Says that we are here: the engine ends a session whose health it cannot check.
struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    async fn check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(
        &self,
        _request: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Err(not_offered())
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(not_offered())
    }
}

fn not_offered() -> Status {
    Status::unimplemented("not offered")
}
