//! `router:explain`.

use std::net::IpAddr;

use clap::Args;
use hyper::Method;
use serde::Serialize;
use url::Url;

use slipway_router::explain::{Explanation, Found, Question, Verdict};
use slipway_router::table::{Entrance, Protocol};

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::catalogue::{default, settings};
use crate::requests::policy::draft_of;
use crate::store::apps::AppRecord;
use crate::store::certificates::covers;

/// Says what would become of a request: its route, app, instances, rules, and what the client would get
#[derive(Debug, Args)]
pub struct Explain {
    /// The method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The client's address
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    from: IpAddr,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The URL, for example `https://www.example.com/path`
    url: String,
}

/// What is told, in this order.
#[derive(Debug, Serialize)]
struct Report {
    url: String,
    app: Option<String>,
    route: Option<String>,
    target: Option<String>,
    entrance: String,
    container_port: Option<u16>,
    protocol: Option<&'static str>,
    certificate: Option<String>,
    instances: Vec<Instance>,
    settings: Vec<(String, String)>,
    verdict: String,
    status: Option<u16>,
    code: Option<&'static str>,
    location: Option<String>,
}

#[derive(Debug, Serialize)]
struct Instance {
    name: String,
    address: IpAddr,
    condition: &'static str,
    in_flight: usize,
}

impl Command for Explain {
    const NAME: &'static str = "router:explain";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Every
    }

    async fn run(self, context: Context) -> CommandResult {
        let question = self.question(&context)?;
        let explanation = context.app.router.explain(&question);
        let record = explanation.found.as_ref().and_then(|found| own_record(&context, found));
        if explanation.found.is_some() && record.is_none() {
            return Err(CommandError::user(format!(
                "{} leads to an app that your key does not open",
                self.url
            ))
            .hint("Ask whoever runs the host"));
        }
        let mut report = report(&self.url, question.entrance, explanation);
        if let Some(record) = record {
            report.settings = set_values(&context, record).await?;
            if matches!(question.entrance, Entrance::Https | Entrance::EncryptedPort(_)) {
                report.certificate = Some(certificate(&context, record, &question.host).await?);
            }
        }
        if self.format == Format::Json {
            print_json(context.console(), &report).await?;
        } else {
            context.console().headline(&report.url).await;
            context.console().stdout(columns(&report.rows())).await;
        }
        Ok(0)
    }
}

impl Explain {
    fn question(&self, context: &Context) -> Result<Question, CommandError> {
        let wrong = |what: String| {
            CommandError::user(what).hint("For example: router:explain https://www.example.com/path")
        };
        let text = if self.url.contains("://") { self.url.clone() } else { format!("http://{}", self.url) };
        let url: Url = text.parse().map_err(|error| wrong(format!("{} is not a URL: {error}", self.url)))?;
        let host = url.host_str().ok_or_else(|| wrong(format!("{} has no host", self.url)))?;
        let method = Method::from_bytes(self.method.as_bytes());
        let method = method.map_err(|_| wrong(format!("{} is not a method", self.method)))?;
        let entrance = match (url.scheme(), url.port()) {
            ("http", None) => Entrance::Http,
            ("https", None) => Entrance::Https,
            ("http", Some(port)) if port == context.app.http_address.port() => Entrance::Http,
            ("https", Some(port)) if context.app.https_address.is_some_and(|own| own.port() == port) => {
                Entrance::Https
            }
            ("http", Some(port)) => Entrance::Port(port),
            ("https", Some(port)) => Entrance::EncryptedPort(port),
            (scheme, _) => return Err(wrong(format!("{scheme} is neither http nor https"))),
        };
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        Ok(Question { method, host, target, entrance, from: self.from })
    }
}

fn own_record<'a>(context: &'a Context, found: &Found) -> Option<&'a AppRecord> {
    context.targets.iter().find(|record| record.name.as_str() == &*found.app)
}

/// The settings that are not as they are by default.
async fn set_values(context: &Context, record: &AppRecord) -> Result<Vec<(String, String)>, CommandError> {
    let store = &context.app.store;
    let (own, global) =
        (store.request_properties(Some(record.id)).await?, store.request_properties(None).await?);
    let draft = draft_of(&own, &global);
    let values = settings().map(|setting| (setting, (setting.show)(&draft)));
    let set = values.filter(|(setting, value)| *value != default(setting));
    Ok(set.map(|(setting, value)| (setting.key.to_owned(), value)).collect())
}

/// The certificate that is shown for a host, which may have a port behind it.
async fn certificate(context: &Context, record: &AppRecord, host: &str) -> Result<String, CommandError> {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let host = name.map_or(host, |(name, _)| name);
    let own = context.app.store.certificates(Some(record.id)).await?;
    if let Some(own) = own.iter().find(|own| covers(&own.hosts, host)) {
        let end = clock::format_seconds(own.not_after);
        return Ok(format!("{} ({}) for {}, until {end}", own.name, own.kind, own.hosts.join(" ")));
    }
    let default = context.app.certificates.default().filter(|default| default.certificate.covers(host));
    Ok(match default {
        Some(default) if default.is_trusted => "the server's own".to_owned(),
        Some(_) => format!("the server's own, which clients do not trust: certs:add {}", record.name),
        None => format!("none, so that handshakes are refused: certs:add {}", record.name),
    })
}

fn report(url: &str, entrance: Entrance, explanation: Explanation) -> Report {
    let Explanation { found, verdict } = explanation;
    let found = found.as_ref();
    let port = found.and_then(|found| found.port);
    let instances = found.map(|found| found.instances.as_slice()).unwrap_or_default();
    let (status, code, location) = match &verdict {
        Verdict::Answered { status, code, location, .. } => (Some(*status), *code, location.clone()),
        Verdict::Passes | Verdict::Waits => (None, None, None),
    };
    Report {
        url: url.to_owned(),
        app: found.map(|found| found.app.to_string()),
        route: found.map(|found| format!("{}{}", found.host, found.path)),
        target: found.map(|found| found.target.clone()),
        entrance: entrance_name(entrance),
        container_port: port.map(|port| port.container_port),
        protocol: port.map(|port| match port.protocol {
            Protocol::Http1 => "HTTP/1.1",
            Protocol::H2c => "HTTP/2 in clear text",
        }),
        instances: instances
            .iter()
            .map(|one| Instance {
                name: one.label.to_string(),
                address: one.address,
                condition: one.condition.name(),
                in_flight: one.in_flight,
            })
            .collect(),
        settings: Vec::new(),
        certificate: None,
        verdict: sentence(&verdict),
        status,
        code,
        location,
    }
}

fn entrance_name(entrance: Entrance) -> String {
    match entrance {
        Entrance::Http => "http".to_owned(),
        Entrance::Https => "https".to_owned(),
        Entrance::Port(port) => format!("http, port {port}"),
        Entrance::EncryptedPort(port) => format!("https, port {port}"),
    }
}

fn sentence(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passes => "an instance answers".to_owned(),
        Verdict::Waits => "it waits until an instance is there".to_owned(),
        Verdict::Answered { status, location: Some(location), .. } => format!("{status}: sent to {location}"),
        Verdict::Answered { status, code, description, .. } => {
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            format!("{status}: {}{code}", description.unwrap_or("answered by the router"))
        }
    }
}

impl Report {
    /// What a person sees.
    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut row = |name: &str, value: String| rows.push(vec![format!("       {name}:"), value]);
        row("app", self.app.clone().unwrap_or_else(|| "none".to_owned()));
        if let (Some(route), Some(target)) = (&self.route, &self.target) {
            row("route", format!("{route}, the app sees {target}"));
        }
        row("entrance", self.entrance.clone());
        if let (Some(port), Some(protocol)) = (self.container_port, self.protocol) {
            row("container port", format!("{port}, {protocol}"));
        }
        if let Some(certificate) = &self.certificate {
            row("certificate", certificate.clone());
        }
        for one in &self.instances {
            let Instance { name, address, condition, in_flight } = one;
            row("instance", format!("{name} at {address}, {condition}, {in_flight} requests under way"));
        }
        for (key, value) in &self.settings {
            row("set", format!("{key} {value}"));
        }
        row("verdict", self.verdict.clone());
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_a_sentence() {
        let answered = |status, code, description, location: Option<&str>| {
            let location = location.map(str::to_owned);
            sentence(&Verdict::Answered { status, code, description, location })
        };
        assert_eq!(answered(401, Some("unauthorized"), Some("A name"), None), "401: A name (unauthorized)");
        assert_eq!(answered(301, None, None, Some("https://x/")), "301: sent to https://x/");
        assert_eq!(sentence(&Verdict::Passes), "an instance answers");
    }
}
