//! The certificates that the host trusts: found, read, and copied to where containers get them from.
//!
//! Containers are given a copy in the server's own root: a container whose file is gone from the host could never be
//! started again. The copy is replaced whenever the host's file has changed, and is never removed.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::model::surroundings::CaBundle;
use crate::run::surroundings::key_store;

/// The copy, below its directory.
pub const CERTIFICATES: &str = "ca-certificates.crt";
/// The same for Java.
pub const KEY_STORE: &str = "cacerts";

/// Where distributions keep what they trust, as Go's `crypto/x509` knows them: Debian and most others; Fedora; SUSE;
/// Alpine and the BSDs.
const BUNDLES: [&str; 4] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
];
/// Where Debian and its kind have the certificates that come from the distribution, a file each.
const SHIPPED: &str = "usr/share/ca-certificates";
/// Where other distributions want those that an administrator adds.
const ADDED: [&str; 3] =
    ["etc/pki/ca-trust/source/anchors", "etc/pki/trust/anchors", "etc/ca-certificates/trust-source/anchors"];

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} holds no certificate in PEM form", .0.display())]
    Empty(PathBuf),
    /// The copy cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file that a choice means, if there is one. `root` is the host's.
pub fn find(choice: &CaBundle, root: &Path) -> Option<PathBuf> {
    match choice {
        CaBundle::None => None,
        CaBundle::File(path) => Some(path.clone()),
        CaBundle::Host => BUNDLES.iter().map(|path| root.join(path)).find(|path| path.is_file()),
    }
}

/// Whether a host's own file is worth having: whether an administrator has added certificates to it. What the
/// distribution itself trusts is in the images as well.
pub fn holds_more(bundle: &Path, root: &Path) -> bool {
    let mut shipped = HashSet::new();
    collect(&root.join(SHIPPED), &mut shipped);
    if shipped.is_empty() {
        let mut is_filled = ADDED.iter().filter_map(|path| fs::read_dir(root.join(path)).ok());
        return is_filled.any(|mut entries| entries.next().is_some());
    }
    let text = fs::read(bundle).unwrap_or_default();
    certificates(&text).iter().any(|certificate| !shipped.contains(certificate))
}

fn collect(directory: &Path, into: &mut HashSet<Vec<u8>>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // What a package ships is no link, so that this comes to an end.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), into);
        } else {
            into.extend(certificates(&fs::read(entry.path()).unwrap_or_default()));
        }
    }
}

/// Copies a file of certificates, for most programs and for Java.
pub fn copy(from: &Path, directory: &Path) -> Result<(), BundleError> {
    let text = fs::read(from).map_err(|source| BundleError::Read { path: from.to_owned(), source })?;
    let certificates = certificates(&text);
    if certificates.is_empty() {
        return Err(BundleError::Empty(from.to_owned()));
    }
    let written = || {
        fs::create_dir_all(directory)?;
        write(&directory.join(CERTIFICATES), &text)?;
        write(&directory.join(KEY_STORE), &key_store::write(&certificates))
    };
    written().map_err(|source| BundleError::Write { path: directory.to_owned(), source })
}

/// Puts a file in its place as a whole, unless it is there already: what starts meanwhile sees the old one or the new
/// one.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(path))?;
    file.write_all(content)?;
    // Processes in containers run as anybody.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

/// Those that can be read, in DER form.
fn certificates(text: &[u8]) -> Vec<Vec<u8>> {
    CertificateDer::pem_slice_iter(text).flatten().map(|certificate| certificate.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(name: &str) -> String {
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem()
    }

    fn put(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn a_host_on_which_nobody_added_anything_has_what_the_images_have() {
        let host = tempfile::tempdir().unwrap();
        let root = host.path();
        let found = || find(&CaBundle::Host, root).filter(|path| holds_more(path, root));
        assert_eq!(found(), None);
        let (one, own) = (pem("one"), pem("own"));
        put(root, "usr/share/ca-certificates/mozilla/one.crt", &one);
        put(root, BUNDLES[0], &one);
        assert_eq!(found(), None);
        put(root, BUNDLES[0], &format!("{one}{own}"));
        assert_eq!(found(), Some(root.join(BUNDLES[0])));
        assert_eq!(find(&CaBundle::None, root), None);
    }

    #[test]
    fn where_the_distribution_is_another_its_directory_for_added_ones_tells() {
        let host = tempfile::tempdir().unwrap();
        put(host.path(), BUNDLES[1], &pem("one"));
        let found = || find(&CaBundle::Host, host.path()).filter(|path| holds_more(path, host.path()));
        assert_eq!(found(), None);
        put(host.path(), "etc/pki/ca-trust/source/anchors/own.pem", &pem("own"));
        assert_eq!(found(), Some(host.path().join(BUNDLES[1])));
    }

    #[test]
    fn the_copy_is_readable_by_anybody_and_outlives_what_it_was_made_of() {
        let (host, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directory = target.path().join("certificates");
        let copied = || fs::read_to_string(directory.join(CERTIFICATES)).unwrap();
        let (one, two) = (pem("one"), pem("two"));
        put(host.path(), "b.pem", &one);
        let from = host.path().join("b.pem");
        copy(&from, &directory).unwrap();
        assert_eq!(copied(), one);
        for name in [CERTIFICATES, KEY_STORE] {
            assert_eq!(fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777, 0o644);
        }
        fs::write(&from, "no certificate").unwrap();
        assert!(matches!(copy(&from, &directory), Err(BundleError::Empty(_))));
        assert_eq!(copied(), one);
        fs::write(&from, &two).unwrap();
        copy(&from, &directory).unwrap();
        assert_eq!(copied(), two);
        fs::remove_file(&from).unwrap();
        assert!(matches!(copy(&from, &directory), Err(BundleError::Read { .. })));
        assert_eq!(copied(), two);
    }
}
