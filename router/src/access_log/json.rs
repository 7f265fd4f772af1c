//! One JSON object: the fields of Heroku's form under its names, with numbers as numbers.

use hyper::header::HeaderValue;
use serde::Serialize;

use super::{AccessRecord, put};

#[derive(Serialize)]
struct Object<'a> {
    at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    host: Option<Text<'a>>,
    request_id: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    fwd: std::net::IpAddr,
    dyno: Option<&'a str>,
    connect_ms: u128,
    service_ms: u128,
    status: u16,
    bytes: u64,
    protocol: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Text<'a>>,
}

/// A header's value, which may be any bytes.
struct Text<'a>(&'a HeaderValue);

impl Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}

pub(super) fn write(record: &AccessRecord, line: &mut String) {
    let object = Object {
        at: if record.code.is_some() { "error" } else { "info" },
        code: record.code,
        desc: record.description,
        method: record.method.as_str(),
        path: record.path.as_ref().map_or("", |path| path.as_str()),
        host: record.host.as_ref().map(Text),
        request_id: Text(&record.request_id),
        trace_id: record.trace_id(),
        fwd: record.client,
        dyno: record.instance.as_deref(),
        connect_ms: record.connect.as_millis(),
        service_ms: record.service.as_millis(),
        status: record.status,
        bytes: record.bytes,
        protocol: record.scheme,
        version: super::version(record.version),
        referer: record.referer.as_ref().map(Text),
        user_agent: record.user_agent.as_ref().map(Text),
    };
    match serde_json::to_string(&object) {
        Ok(text) => line.push_str(&text),
        // Texts and numbers always can be written; this is for the type's sake.
        Err(error) => put(line, format_args!("{{\"at\":\"error\",\"desc\":\"{error}\"}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn an_object_has_what_is_known_and_any_bytes() {
        let mut line = String::new();
        let user_agent = Some(HeaderValue::from_bytes(b"a\"\xff").unwrap());
        write(&AccessRecord { user_agent, ..record() }, &mut line);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&object["status"], &object["service_ms"]), (&200.into(), &18.into()));
        assert_eq!((&object["version"], &object["fwd"]), (&"HTTP/1.1".into(), &"10.0.0.9".into()));
        assert_eq!(object["user_agent"], "a\"\u{fffd}");
        assert!(object.get("code").is_none() && object.get("trace_id").is_none());
    }
}
