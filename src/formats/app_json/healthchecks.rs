//! `healthchecks`: checks by process type, in Dokku's form.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::formats::app_json::node::{Fields, Node};
use crate::formats::app_json::{AppJsonError, by_process_type};
use crate::model::health_check::{CheckKind, CheckTest, HealthCheck, HttpTest};
use crate::model::process_type::ProcessType;

/// The most attempts, and the longest that a check may wait for something to stay up.
const MOST: u32 = 1000;
/// What belongs to a request only.
const OF_REQUESTS: [&str; 4] = ["content", "port", "scheme", "httpHeaders"];

/// Reads all of it.
pub fn read(
    node: &Node<'_>,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<ProcessType, Vec<HealthCheck>>, AppJsonError> {
    let mut checks = BTreeMap::new();
    for (process_type, node) in by_process_type(node)? {
        let nodes = node.array()?;
        let of_type: Result<_, _> = nodes.iter().map(|node| check(node, warnings)).collect();
        checks.insert(process_type, of_type?);
    }
    Ok(checks)
}

fn check(node: &Node<'_>, warnings: &mut Vec<String>) -> Result<HealthCheck, AppJsonError> {
    let mut fields = node.object()?;
    let kind = fields.take("type", kind)?.unwrap_or(CheckKind::Startup);
    let mut check = HealthCheck::new(kind, test(node, &mut fields)?);
    check.name = fields.take("name", Node::text)?;
    if let Some(attempts) = fields.take("attempts", |node| node.whole(1, MOST))? {
        check.attempts = attempts;
    }
    for (name, least, field) in [
        ("timeout", 1, &mut check.timeout),
        ("wait", 0, &mut check.wait),
        ("initialDelay", 0, &mut check.initial_delay),
    ] {
        if let Some(seconds) = fields.take(name, |node| node.seconds(least))? {
            *field = seconds;
        }
    }
    if kind != CheckKind::Startup && check.wait == Duration::ZERO {
        return Err(
            node.error("a check that goes on for as long as an instance runs needs a wait of 1 or more")
        );
    }
    check.warn = fields.take("warn", Node::boolean)?.unwrap_or(false);
    fields.warn_of_rest(warnings);
    check.validate().map_err(|impossible| node.error(impossible.to_string()))?;
    Ok(check)
}

fn kind(node: &Node<'_>) -> Result<CheckKind, AppJsonError> {
    match node.text()?.as_str() {
        "startup" => Ok(CheckKind::Startup),
        "readiness" => Ok(CheckKind::Readiness),
        "liveness" => Ok(CheckKind::Liveness),
        _ => Err(node.wrong("one of startup, readiness and liveness")),
    }
}

/// Exactly one of the four tests.
fn test(node: &Node<'_>, fields: &mut Fields<'_>) -> Result<CheckTest, AppJsonError> {
    let path = fields.take("path", path)?;
    let mut request = false;
    let mut found = Vec::new();
    if let Some(path) = path {
        request = true;
        found.push(CheckTest::Http(http(path, fields)?));
    }
    found.extend(fields.take("command", command)?.map(CheckTest::Command));
    found.extend(fields.take("uptime", |node| node.whole(1, 86_400))?.map(CheckTest::Uptime));
    let listening = fields.take("listening", Node::boolean)?.unwrap_or(false);
    found.extend(listening.then_some(CheckTest::Listening));
    if !request {
        for name in OF_REQUESTS {
            fields.take(name, |node| Err::<(), _>(node.error("it belongs to a check with a path")))?;
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(test), true) => Ok(test),
        _ => Err(node.error("a check has exactly one of path, command, uptime and listening")),
    }
}

fn path(node: &Node<'_>) -> Result<String, AppJsonError> {
    let path = node.text()?;
    let good = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(path) } else { Err(node.wrong("a path such as /health, percent-encoded")) }
}

fn http(path: String, fields: &mut Fields<'_>) -> Result<HttpTest, AppJsonError> {
    Ok(HttpTest {
        path,
        port: fields.take("port", port)?,
        tls: fields.take("scheme", is_https)?.unwrap_or(false),
        headers: fields.take("httpHeaders", headers)?.unwrap_or_default(),
        content: fields.take("content", Node::text)?,
    })
}

fn port(node: &Node<'_>) -> Result<u16, AppJsonError> {
    let number = node.whole(1, u32::from(u16::MAX))?;
    u16::try_from(number).map_err(|_| node.wrong("a port"))
}

fn is_https(node: &Node<'_>) -> Result<bool, AppJsonError> {
    match node.text()?.to_ascii_lowercase().as_str() {
        "http" => Ok(false),
        "https" => Ok(true),
        _ => Err(node.wrong("http or https")),
    }
}

/// `[{"name": …, "value": …}]`, as RFC 9110, section 5 allows them.
fn headers(node: &Node<'_>) -> Result<Vec<(String, String)>, AppJsonError> {
    let mut headers = Vec::new();
    for node in node.array()? {
        let mut fields = node.object()?;
        let name = fields.take("name", header_name)?.ok_or_else(|| node.error("it has no name"))?;
        let value = fields.take("value", header_value)?.ok_or_else(|| node.error("it has no value"))?;
        headers.push((name, value));
    }
    Ok(headers)
}

fn header_name(node: &Node<'_>) -> Result<String, AppJsonError> {
    let name = node.text()?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.bytes().all(token) { Ok(name) } else { Err(node.wrong("the name of a header field")) }
}

fn header_value(node: &Node<'_>) -> Result<String, AppJsonError> {
    let value = node.string()?;
    let printable = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    if printable { Ok(value) } else { Err(node.wrong("the value of a header field, in ASCII")) }
}

fn command(node: &Node<'_>) -> Result<Vec<String>, AppJsonError> {
    let words: Vec<String> = node.array()?.iter().map(Node::string).collect::<Result<_, _>>()?;
    let program = words.first().is_some_and(|program| !program.is_empty());
    if program { Ok(words) } else { Err(node.wrong("a program and its arguments: [\"curl\", \"-f\", …]")) }
}
