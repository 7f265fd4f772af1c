//! A certificate and its key as people send them: PEM texts one behind another, or a tar archive with a `.crt` and a
//! `.key` file, as Dokku takes it.

use std::io::{Cursor, Read};

use flate2::read::GzDecoder;
use secrecy::SecretString;
use tar::Archive;

/// The most that is unpacked, in bytes. A chain has a few KiB.
const LIMIT: u64 = 4 << 20;

/// The two texts, as they came.
#[derive(Clone, Debug)]
pub struct PemPair {
    /// All certificates.
    pub certificates: String,
    /// The key.
    pub key: SecretString,
}

/// Why an input is no certificate with its key. Nothing of it is repeated.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PemPairError {
    /// There is nothing.
    #[error("Tar archive containing server.crt and server.key expected on stdin")]
    Empty,
    /// It is neither an archive nor text.
    #[error("That is neither a tar archive nor certificates in PEM form")]
    Unknown,
    /// The archive breaks off, or holds what no archive of two files does.
    #[error("The tar archive cannot be read")]
    Archive,
    /// A file is not in the archive.
    #[error("Tar archive is missing .{0} file")]
    Missing(&'static str),
    /// Several files could be meant.
    #[error("Tar archive contains more than one .{0} file")]
    Several(&'static str),
    /// No certificate.
    #[error("There is no certificate (BEGIN CERTIFICATE) in it")]
    NoCertificate,
    /// No key.
    #[error("There is no private key (BEGIN PRIVATE KEY) in it")]
    NoKey,
    /// Two keys.
    #[error("There is more than one private key in it")]
    SeveralKeys,
    /// A key that needs a password.
    #[error("The private key is encrypted, and nobody could type its password when the server starts")]
    EncryptedKey,
}

/// Reads either form.
pub fn read(input: &[u8]) -> Result<PemPair, PemPairError> {
    if input.iter().all(u8::is_ascii_whitespace) {
        return Err(PemPairError::Empty);
    }
    if input.starts_with(&[0x1f, 0x8b]) {
        return from_tar(GzDecoder::new(input).take(LIMIT));
    }
    if input.get(257..262) == Some(b"ustar") {
        return from_tar(Cursor::new(input));
    }
    // What openssl writes between the blocks may be in any encoding.
    from_text(&String::from_utf8_lossy(input))
}

/// The certificates of a text, without its keys and without the words that openssl writes between them.
pub fn certificates(text: &str) -> impl Iterator<Item = String> {
    blocks(text).filter(|block| block.label == "CERTIFICATE").map(|block| block.text)
}

fn from_tar(reader: impl Read) -> Result<PemPair, PemPairError> {
    let mut found: [Option<String>; 2] = [None, None];
    let kinds = ["crt", "key"];
    let mut archive = Archive::new(reader);
    for entry in archive.entries().map_err(|_| PemPairError::Archive)? {
        let mut entry = entry.map_err(|_| PemPairError::Archive)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(|_| PemPairError::Archive)?.into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = kinds.iter().zip(&mut found).find(|(kind, _)| name.ends_with(&format!(".{kind}")));
        // macOS puts a second file of the same ending beside each one.
        let Some((kind, place)) = kind.filter(|_| !name.starts_with("._")) else { continue };
        let mut bytes = Vec::new();
        (&mut entry).take(LIMIT).read_to_end(&mut bytes).map_err(|_| PemPairError::Archive)?;
        if place.replace(String::from_utf8_lossy(&bytes).into_owned()).is_some() {
            return Err(PemPairError::Several(kind));
        }
    }
    let [certificate, key] = found;
    let certificate = certificate.ok_or(PemPairError::Missing("crt"))?;
    let key = key.ok_or(PemPairError::Missing("key"))?;
    from_text(&format!("{certificate}\n{key}"))
}

fn from_text(text: &str) -> Result<PemPair, PemPairError> {
    let mut keys = blocks(text).filter(|block| block.label.ends_with("PRIVATE KEY"));
    let certificates: String = certificates(text).collect();
    if certificates.is_empty() {
        let is_pem = text.contains("-----BEGIN ");
        return Err(if is_pem { PemPairError::NoCertificate } else { PemPairError::Unknown });
    }
    let key = keys.next().ok_or(PemPairError::NoKey)?;
    if keys.next().is_some() {
        return Err(PemPairError::SeveralKeys);
    }
    // RFC 5958 and, in the older form, RFC 1421.
    if key.label.starts_with("ENCRYPTED") || key.text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PemPairError::EncryptedKey);
    }
    Ok(PemPair { certificates, key: key.text.into() })
}

/// What stands between a BEGIN and its END, with both.
struct Block {
    label: String,
    text: String,
}

/// The blocks of a text (RFC 7468); what stands between them is not for machines.
///
/// A block may begin anywhere in a line: files that end without a newline are put behind one another with `cat`, and
/// some editors put a byte order mark at the beginning.
fn blocks(text: &str) -> impl Iterator<Item = Block> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.split_once("-----BEGIN ")?.1;
            let labelled = rest.split_once("-----");
            let Some((label, behind)) = labelled.filter(|(label, _)| !label.contains('\n')) else { continue };
            let (body, behind) = behind.split_once(&format!("-----END {label}-----"))?;
            rest = behind;
            let lines: Vec<&str> = body.trim().lines().map(str::trim).collect();
            let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
            return Some(Block { label: label.to_owned(), text });
        }
    })
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const CRT: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n";

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[track_caller]
    fn assert_both(input: &[u8], certificates: &str) {
        let pair = read(input).unwrap();
        assert_eq!(pair.certificates, certificates);
        assert_eq!(pair.key.expose_secret(), KEY);
    }

    #[test]
    fn texts_one_behind_another_are_told_apart_in_any_order() {
        assert_both(format!("{CRT}{KEY}").as_bytes(), CRT);
        assert_both(format!("{KEY}{CRT}{CRT}").as_bytes(), &format!("{CRT}{CRT}"));
        let chatty = format!("Bag Attributes\n  name: x\r\n{}\n{KEY}", CRT.replace('\n', "\r\n"));
        assert_both(chatty.as_bytes(), CRT);
        // openssl ecparam -genkey writes the curve in front of the key.
        let curve = "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n";
        assert_both(format!("{CRT}{curve}{KEY}").as_bytes(), CRT);
    }

    #[test]
    fn files_without_a_newline_at_their_end_and_other_editors_habits_are_read() {
        assert_both(format!("{}{KEY}", CRT.trim_end()).as_bytes(), CRT);
        assert_both(format!("{}{}{KEY}", CRT.trim_end(), CRT.trim_end()).as_bytes(), &format!("{CRT}{CRT}"));
        assert_both(format!("\u{feff}{CRT}{}", KEY.trim_end()).as_bytes(), CRT);
        assert_both(&[b"friendlyName: M\xfcller\n", CRT.as_bytes(), KEY.as_bytes()].concat(), CRT);
        let archive = tar(&[("server.crt", &format!("\u{feff}{CRT}")), ("server.key", KEY)]);
        assert_both(&archive, CRT);
    }

    #[test]
    fn an_archive_has_one_of_each() {
        assert_both(&tar(&[("server.crt", CRT), ("server.key", KEY)]), CRT);
        let nested = tar(&[("x/._server.crt", "junk"), ("x/server.crt", CRT), ("x/server.key", KEY)]);
        assert_both(&nested, CRT);
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut packed, &nested).unwrap();
        assert_both(&packed.finish().unwrap(), CRT);
        for (files, error) in [
            (&[("server.key", KEY)][..], PemPairError::Missing("crt")),
            (&[("server.crt", CRT)], PemPairError::Missing("key")),
            (&[("a.crt", CRT), ("b.crt", CRT), ("a.key", KEY)], PemPairError::Several("crt")),
            (&[("a.crt", CRT), ("a.key", KEY), ("b.key", KEY)], PemPairError::Several("key")),
        ] {
            assert_eq!(read(&tar(files)).unwrap_err(), error);
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let error = |input: &str| read(input.as_bytes()).unwrap_err();
        assert_eq!(error(" \n"), PemPairError::Empty);
        assert_eq!(error("hello"), PemPairError::Unknown);
        assert_eq!(error(KEY), PemPairError::NoCertificate);
        assert_eq!(error(CRT), PemPairError::NoKey);
        assert_eq!(error(&format!("{CRT}{KEY}{KEY}")), PemPairError::SeveralKeys);
        let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert_eq!(error(&format!("{CRT}{encrypted}")), PemPairError::EncryptedKey);
        let older = KEY.replace("BBBB", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nBBBB");
        assert_eq!(error(&format!("{CRT}{older}")), PemPairError::EncryptedKey);
        assert_eq!(read(&tar(&[("server.crt", CRT)])[..600]).unwrap_err(), PemPairError::Archive);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000), gz in any::<bool>()) {
            let bytes = if gz { [&[0x1f, 0x8b][..], &bytes].concat() } else { bytes };
            prop_assert!(read(&bytes).is_err());
        }
    }
}
