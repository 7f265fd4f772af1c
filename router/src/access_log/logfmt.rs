//! The form of Heroku's router: `key=value`, with a code where something went wrong.

use crate::clock;

use super::{AccessRecord, put_address, put_number, put_quoted};

pub(super) fn write(record: &AccessRecord, line: &mut String) {
    match record.code {
        None => line.push_str("at=info"),
        Some(code) => {
            line.push_str("at=error code=");
            line.push_str(code);
            field(line, "desc", record.description.unwrap_or_default().as_bytes());
        }
    }
    line.push_str(" method=");
    line.push_str(record.method.as_str());
    field(line, "path", record.path.as_ref().map_or("", |path| path.as_str()).as_bytes());
    field(line, "host", record.host.as_ref().map_or(b"", |host| host.as_bytes()));
    line.push_str(" request_id=");
    line.push_str(record.request_id.to_str().unwrap_or("-"));
    // Piece by piece: a format string costs several times as much, and this is written for every request.
    line.push_str(" fwd=\"");
    put_address(line, record.client);
    line.push_str("\" dyno=");
    line.push_str(record.instance.as_deref().unwrap_or_default());
    line.push_str(" connect=");
    put_number(line, clock::milliseconds(record.connect));
    line.push_str("ms service=");
    put_number(line, clock::milliseconds(record.service));
    line.push_str("ms status=");
    put_number(line, record.status);
    line.push_str(" bytes=");
    put_number(line, record.bytes);
    line.push_str(" protocol=");
    line.push_str(record.scheme);
    if let Some(trace) = record.trace_id() {
        line.push_str(" trace_id=");
        line.push_str(trace);
    }
}

/// Writes ` name="value"`.
fn field(line: &mut String, name: &str, value: &[u8]) {
    line.push(' ');
    line.push_str(name);
    line.push('=');
    put_quoted(line, value);
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::super::tests::record;
    use super::*;

    fn line(record: &AccessRecord) -> String {
        let mut line = String::new();
        write(record, &mut line);
        line
    }

    #[test]
    fn a_line_is_what_heroku_writes() {
        insta::assert_snapshot!(line(&record()), @r#"at=info method=GET path="/posts?page=2" host="blog.example.com" request_id=9f9e7f1c-aaaa-4bbb-8ccc-121212121212 fwd="10.0.0.9" dyno=web.1 connect=1ms service=18ms status=200 bytes=13 protocol=http"#);
        let failed = AccessRecord {
            status: 502,
            code: Some("H21"),
            description: Some("The app does not accept connections"),
            trace: Some(HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
            ..record()
        };
        let line = line(&failed);
        assert!(line.starts_with(r#"at=error code=H21 desc="The app does not accept connections" method="#));
        assert!(line.ends_with(" protocol=http trace_id=0af7651916cd43dd8448eb211c80319c"));
    }

    #[test]
    fn a_client_cannot_write_fields_or_lines_of_its_own() {
        let host = HeaderValue::from_bytes(b"a\" status=200 \\ \xff").unwrap();
        let line = line(&AccessRecord { host: Some(host), ..record() });
        assert!(line.contains(r#" host="a\" status=200 \\ \xff" request_id="#), "{line}");
    }
}
