//! Certificates in the form that Java reads (JKS, version 2, as OpenJDK's `JavaKeyStore` writes it).
//!
//! Java knows no file of certificates in PEM form. Everything that installs a Java on Debian, Heroku's buildpack
//! included, has it look at one place for such a store, so that none has to be told.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The first bytes of every store.
const MAGIC: u32 = 0xFEED_FEED;
/// The version that has been written since Java 1.2.
const VERSION: u32 = 2;
/// The tag of a certificate without a key.
const TRUSTED: u32 = 2;
/// What everybody has as the password of such a store; there is nothing secret in it.
const PASSWORD: &str = "changeit";
/// What the format mixes into its checksum.
const SALT: &[u8] = b"Mighty Aphrodite";

/// The store of these certificates, which are in DER form.
pub fn write(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut store = Vec::new();
    for number in [MAGIC, VERSION, length(certificates)] {
        store.extend(number.to_be_bytes());
    }
    for (index, certificate) in certificates.iter().enumerate() {
        store.extend(TRUSTED.to_be_bytes());
        text(&mut store, &format!("slipway-{index}"));
        // When it was added, in milliseconds: the same certificates make the same file.
        store.extend(0_u64.to_be_bytes());
        text(&mut store, "X.509");
        store.extend(length(certificate).to_be_bytes());
        store.extend(certificate);
    }
    let mut checked: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    checked.extend(SALT);
    checked.extend(&store);
    store.extend(digest(&SHA1_FOR_LEGACY_USE_ONLY, &checked).as_ref());
    store
}

/// Nothing here comes near four gigabytes.
fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

fn text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_laid_out_as_java_reads_it() {
        let store = write(&[vec![1, 2, 3]]);
        assert_eq!(store.get(..12).unwrap(), [0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 1]);
        assert_eq!(store.get(12..16).unwrap(), [0, 0, 0, 2]);
        assert_eq!(store.get(16..27).unwrap(), b"\0\x09slipway-0");
        assert_eq!(store.get(35..46).unwrap(), b"\0\x05X.509\0\0\0\x03");
        assert_eq!(store.len(), 46 + 3 + 20);
    }
}
