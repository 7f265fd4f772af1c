//! Values of single headers, and certificates, as clients send them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::client_certificate::{ClientCertificate, is_claim};
use crate::compression::Coding;
use crate::gate::{auth, remove_cookie};
use crate::host::RequestHost;
use crate::instance::Instance;
use crate::request_id::{is_request_id, is_traceparent};
use crate::settings::SigningKey;
use crate::sticky::Cookies;

/// A header with each line of the input as a value.
fn lines(name: &HeaderName, input: &[u8]) -> HeaderMap {
    let values = input.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.map(|value| (name.clone(), value)).collect()
}

/// A host that is read is read the same again, and holds nothing that could be taken for another part of a URL.
pub(super) fn host(input: &[u8]) {
    let Some(host) = RequestHost::parse(input) else { return };
    assert!(host.name.bytes().all(|byte| !byte.is_ascii_uppercase() && !b"/@?#\\ ,".contains(&byte)));
    let again = RequestHost::parse(host.name.as_bytes());
    assert_eq!(
        again.map(|again| (again.name.into_owned(), again.port)),
        Some((host.name.into_owned(), None))
    );
}

/// Ids and traces that are taken hold nothing but what they may.
pub(super) fn traceparent(input: &[u8]) {
    if is_traceparent(input) {
        let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
        assert!(input.iter().take(55).all(hex) && input.len() >= 55);
    }
    if is_request_id(input) {
        assert!(input.iter().all(|byte| byte.is_ascii_graphic() && !b"<>&\"'\\".contains(byte)));
    }
}

/// What is chosen was asked for, by its name or with everything else.
pub(super) fn accept_encoding(input: &[u8]) {
    let headers = lines(&header::ACCEPT_ENCODING, input);
    let Some(chosen) = Coding::accepted(&headers) else { return };
    let all = input.to_ascii_lowercase();
    let names: &[&[u8]] = match chosen {
        Coding::Zstd => &[b"zstd", b"*"],
        Coding::Brotli => &[b"br", b"*"],
        Coding::Gzip => &[b"gzip", b"*"],
    };
    assert!(names.iter().any(|name| memchr::memmem::find(&all, name).is_some()));
}

/// A name and a password are what was encoded, and there is no colon in a name.
pub(super) fn credentials(input: &[u8]) {
    let headers = lines(&header::AUTHORIZATION, input);
    let Some((name, password)) = auth::credentials(&headers) else { return };
    assert!(!name.contains(':') && headers.len() == 1);
    let again = STANDARD.encode([name.as_bytes(), b":", &password].concat());
    assert!(memchr::memmem::find(input, again.as_bytes()).is_some());
}

/// Cookies of the router's own are taken out, all of them, and no others.
pub(super) fn cookies(input: &[u8]) {
    const OURS: [&[u8]; 2] = [b"slipway-instance=", b"maintenance-bypass="];
    let cookies = Cookies::new(&SigningKey::new(&[7; 32]), "blog", &Vec::<Arc<Instance>>::new());
    let mut headers = lines(&header::COOKIE, input);
    let others = |headers: &HeaderMap| {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let kept = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
        kept.filter(|pair| !pair.starts_with(OURS[0])).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let before = others(&headers);
    assert_eq!(cookies.take(&mut headers), None, "nobody can make one");
    assert_eq!(others(&headers), before);
    remove_cookie(&mut headers, Some("maintenance-bypass"));
    for line in headers.get_all(header::COOKIE) {
        let Ok(text) = line.to_str() else { continue };
        assert!(
            text.split(';').all(|pair| OURS.iter().all(|ours| !pair.trim().as_bytes().starts_with(ours)))
        );
    }
}

/// An app is told of a certificate in headers that are valid and recognized as nobody else's.
pub(super) fn client_certificate(input: &[u8]) {
    let Some(certificate) = ClientCertificate::of(&[CertificateDer::from(input)]) else { return };
    let mut headers = HeaderMap::new();
    certificate.tell(&mut headers);
    assert!(headers.keys().all(|name| is_claim(name.as_str())));
    assert!(headers.values().all(|value| value.to_str().is_ok()));
}
