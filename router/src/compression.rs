//! Which answers are compressed, and how their heads then read (RFC 9110, sections 8.4 and 12.5.3). Pure.

pub(crate) mod encoder;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};

/// What is smaller gains nothing: it fits into a packet anyway.
const SMALLEST: u64 = 1024;

/// A content coding, the best first where a client takes several as gladly: zstd costs least for what it saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn is_called(self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.name()) || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }

    /// The coding that a client likes best, unless it likes none as much as the plain text.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut weights = [None; 3];
        let (mut any, mut plain) = (None, None);
        let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for (name, weight) in values.flat_map(|value| value.split(',')).filter_map(weighted) {
            if name == "*" {
                any = Some(weight);
            } else if name.eq_ignore_ascii_case("identity") {
                plain = Some(weight);
            }
            for (coding, place) in Self::ALL.iter().zip(&mut weights) {
                if coding.is_called(name) {
                    *place = Some(weight);
                }
            }
        }
        let mut best = None;
        for (coding, weight) in Self::ALL.into_iter().zip(weights) {
            let weight = weight.or(any).unwrap_or(0);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((coding, weight));
            }
        }
        best.filter(|(_, weight)| *weight >= plain.unwrap_or(0)).map(|(coding, _)| coding)
    }
}

/// A name of a list and its weight in thousandths, none if it is no number.
fn weighted(item: &str) -> Option<(&str, u16)> {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    let name = name.trim();
    let weight = parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let weight = weight.map_or(Some(1000), thousandths)?;
    (!name.is_empty()).then_some((name, weight))
}

fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// Makes an answer's head that of a compressed one, and says how to compress, if it is to be.
///
/// What may be compressed says so to caches even where this client does not want it.
pub(crate) fn prepare(
    accepted: Option<Coding>,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Option<Coding> {
    if !is_compressible(status, headers) {
        return None;
    }
    add_vary(headers);
    let coding = accepted?;
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::ACCEPT_RANGES);
    weaken_tag(headers);
    Some(coding)
}

fn is_compressible(status: StatusCode, headers: &HeaderMap) -> bool {
    let has_body = !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    has_body
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && length.is_none_or(|length| length >= SMALLEST)
        && text(header::CONTENT_TYPE).is_some_and(is_compressible_type)
        && !has_option(headers, "no-transform")
}

fn is_compressible_type(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, subtype) = name.split_once('/').unwrap_or((&name, ""));
    match kind {
        "text" => subtype != "event-stream",
        "application" if subtype.starts_with("grpc") => false,
        "font" => matches!(subtype, "ttf" | "otf"),
        "image" => matches!(subtype, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        "application" => {
            subtype.ends_with("+json")
                || subtype.ends_with("+xml")
                || matches!(
                    subtype,
                    "json"
                        | "javascript"
                        | "x-javascript"
                        | "ecmascript"
                        | "xml"
                        | "wasm"
                        | "x-ndjson"
                        | "jsonl"
                        | "graphql"
                        | "x-yaml"
                        | "yaml"
                        | "toml"
                        | "sql"
                        | "vnd.ms-fontobject"
                )
        }
        _ => false,
    }
}

fn has_option(headers: &HeaderMap, wanted: &str) -> bool {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case(wanted))
}

fn add_vary(headers: &mut HeaderMap) {
    let values = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let mut names = values.flat_map(|value| value.split(',')).map(str::trim);
    if !names.any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding")) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Other bytes are another representation, which may only be called alike weakly (RFC 9110, section 8.8.1).
fn weaken_tag(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return };
    let weak = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat());
    match weak {
        Ok(weak) => headers.insert(header::ETAG, weak),
        Err(_) => headers.remove(header::ETAG),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &'static str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        Coding::accepted(&headers)
    }

    #[test]
    fn a_client_gets_the_coding_that_it_likes_best() {
        assert_eq!(Coding::accepted(&HeaderMap::new()), None);
        for (value, coding) in [
            ("", None),
            ("gzip", Some(Coding::Gzip)),
            ("X-GZIP", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate, br", Some(Coding::Brotli)),
            ("gzip;q=1.0, br;q=0.9, zstd;q=0", Some(Coding::Gzip)),
            ("br ; Q=0.001", Some(Coding::Brotli)),
            ("deflate", None),
            ("gzip;q=0", None),
            ("*", Some(Coding::Zstd)),
            ("*;q=0", None),
            ("zstd;q=0, *", Some(Coding::Brotli)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("gzip;q=2", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=x, br", Some(Coding::Brotli)),
            ("gzip;level=1;q=0.5", Some(Coding::Gzip)),
            (",,;q=1,", None),
        ] {
            assert_eq!(accepted(value), coding, "{value}");
        }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_what_gains_by_it_and_may_be_changed_is_compressed() {
        let ok = |status: u16, lines: &[(&'static str, &'static str)]| {
            let status = StatusCode::from_u16(status).unwrap();
            prepare(Some(Coding::Gzip), status, &mut headers(lines)).is_some()
        };
        let html = ("content-type", "text/html; charset=utf-8");
        assert!(ok(200, &[html]));
        assert!(ok(404, &[html, ("content-length", "1024")]));
        for content_type in ["Application/JSON", "image/svg+xml", "application/vnd.api+json", "text/css"] {
            assert!(ok(200, &[("content-type", content_type)]), "{content_type}");
        }
        for content_type in
            ["text/event-stream", "image/png", "application/grpc+json", "application/octet-stream", "", "x"]
        {
            assert!(!ok(200, &[("content-type", content_type)]), "{content_type}");
        }
        for status in [101, 204, 205, 206, 304] {
            assert!(!ok(status, &[html]), "{status}");
        }
        assert!(!ok(200, &[]));
        assert!(!ok(200, &[html, ("content-length", "1023")]));
        assert!(!ok(200, &[html, ("content-encoding", "br")]));
        assert!(!ok(200, &[html, ("content-range", "bytes 0-9/10")]));
        assert!(!ok(200, &[html, ("cache-control", "public, No-Transform")]));
    }

    #[test]
    fn the_head_says_what_the_body_is() {
        let lines = [
            ("content-type", "text/plain"),
            ("content-length", "5000"),
            ("etag", "\"abc\""),
            ("accept-ranges", "bytes"),
            ("vary", "Cookie"),
        ];
        let mut changed = headers(&lines);
        assert_eq!(prepare(Some(Coding::Brotli), StatusCode::OK, &mut changed), Some(Coding::Brotli));
        assert_eq!(changed.get("content-encoding").unwrap(), "br");
        assert_eq!(changed.get("etag").unwrap(), "W/\"abc\"");
        assert_eq!(changed.get_all("vary").iter().collect::<Vec<_>>(), ["Cookie", "accept-encoding"]);
        assert!(!changed.contains_key("content-length") && !changed.contains_key("accept-ranges"));
        // A cache in between has to know, even if this client takes no coding.
        let mut plain = headers(&lines);
        assert_eq!(prepare(None, StatusCode::OK, &mut plain), None);
        assert_eq!(plain.get_all("vary").iter().count(), 2);
        assert_eq!(plain.get("content-length").unwrap(), "5000");
        assert_eq!(plain.get("etag").unwrap(), "\"abc\"");
        let mut star = headers(&[("content-type", "text/plain"), ("vary", "*"), ("etag", "W/\"x\"")]);
        prepare(Some(Coding::Gzip), StatusCode::OK, &mut star);
        assert_eq!(star.get_all("vary").iter().count(), 1);
        assert_eq!(star.get("etag").unwrap(), "W/\"x\"");
    }
}
