//! The root: free space, permissions, the certificate, the database.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::unistd::geteuid;

use crate::app::App;
use crate::model::byte_size::ByteSize;
use crate::upkeep::disk::{self, FileSystem};
use crate::upkeep::doctor::Finding;
use slipway_router::certificate::Certificate;

/// How long before its end a certificate should be replaced.
const BEFORE_EXPIRY: Duration = Duration::from_secs(21 * 24 * 3600);

/// What only the server may read, and what it is.
const PRIVATE: [(&str, &str); 5] = [
    ("", "the root"),
    ("secret.key", "the key to all config vars"),
    ("slipway.db", "the database"),
    ("host_keys", "the SSH host keys"),
    ("certs", "the certificate's key"),
];

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    let root = app.settings.root.clone();
    let engine_directory = app.engine.data_directory().await.map(Path::to_owned).ok();
    let (needed, https) = (app.settings.deploy.min_free_bytes, app.https_address.is_some());
    let looking = tokio::task::spawn_blocking(move || {
        let mut findings = Vec::new();
        let places: Vec<&Path> = std::iter::once(root.as_path()).chain(engine_directory.as_deref()).collect();
        for found in disk::file_systems(&places) {
            findings.extend(space(&found, needed));
        }
        findings.push(permissions(&root, geteuid().as_raw()));
        findings.extend(https.then(|| certificate(&root, SystemTime::now())));
        findings
    });
    let mut findings = match looking.await {
        Ok(findings) => findings,
        Err(error) => vec![super::unknown("files", &app.settings.root.display().to_string(), &error)],
    };
    findings.push(database(app).await);
    findings
}

fn space(found: &FileSystem, needed: u64) -> Vec<Finding> {
    let (free, total) = (ByteSize(found.free), ByteSize(found.total));
    let fix = || "See what takes it: disk:report; and free some: cleanup".to_owned();
    let place = found.path.as_str();
    let mut findings = Vec::new();
    if found.free < needed {
        let what = format!("{free} of {total} are free; deploys are refused below {}", ByteSize(needed));
        findings.push(Finding::problem("disk", place, (what, fix())));
    } else if found.free < (found.total / 20).max(needed * 2).min(found.total / 2) {
        findings.push(Finding::warning("disk", place, (format!("only {free} of {total} are free"), fix())));
    } else {
        findings.push(Finding::good("disk", place, format!("{free} of {total} are free")));
    }
    if found.inodes > 0 && found.inodes_free < found.inodes / 20 {
        let what = format!("only {} of {} files can still be made", found.inodes_free, found.inodes);
        findings.push(Finding::problem("inodes", place, (what, fix())));
    }
    findings
}

/// Nobody but the server's user may read what is secret.
fn permissions(root: &Path, user: u32) -> Finding {
    let mut open = Vec::new();
    for (name, what) in PRIVATE {
        let path: PathBuf = if name.is_empty() { root.to_owned() } else { root.join(name) };
        let facts = match fs::metadata(&path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return super::unknown("permissions", &path.display().to_string(), &error),
        };
        if facts.uid() != user {
            let text = format!("{what} belongs to user {}, not to the server's ({user})", facts.uid());
            let fix = format!("chown -R {user} {}", root.display());
            return Finding::problem("permissions", path.display().to_string(), (text, fix));
        }
        // Below a closed root nobody gets at the rest, whatever its own mode.
        if facts.mode() & 0o077 != 0 && (name.is_empty() || name == "secret.key") {
            open.push((path, what, facts.mode() & 0o777, facts.is_dir()));
        }
    }
    let Some((path, what, mode, is_directory)) = open.into_iter().next() else {
        return Finding::good("permissions", root.display().to_string(), "only the server may read it");
    };
    let wanted = if is_directory { "700" } else { "600" };
    let fix = format!("chmod {wanted} {}", path.display());
    let text = format!("{what} is open to others (mode {mode:o})");
    Finding::problem("permissions", path.display().to_string(), (text, fix))
}

fn certificate(root: &Path, now: SystemTime) -> Finding {
    let (chain, key) = (root.join("certs/default.crt"), root.join("certs/default.key"));
    let place = chain.display().to_string();
    let replace = || format!("Replace it and {}, then: systemctl reload slipway", key.display());
    let read = || -> Result<Certificate, Box<dyn std::error::Error>> {
        Ok(Certificate::from_pem(&fs::read(&chain)?, &fs::read(&key)?)?)
    };
    let certificate = match read() {
        Ok(certificate) => certificate,
        Err(error) => {
            let what = format!("HTTPS cannot be served: {error}");
            return Finding::problem("certificate", place, (what, replace()));
        }
    };
    match certificate.not_after().duration_since(now) {
        Err(_) => Finding::problem("certificate", place, ("it has expired".to_owned(), replace())),
        Ok(left) if left < BEFORE_EXPIRY => {
            let what = format!("it expires in {} days", left.as_secs() / 86_400);
            Finding::warning("certificate", place, (what, replace()))
        }
        Ok(left) => {
            Finding::good("certificate", place, format!("valid for {} days", left.as_secs() / 86_400))
        }
    }
}

async fn database(app: &App) -> Finding {
    let place = app.settings.root.join("slipway.db").display().to_string();
    match app.store.check().await {
        Ok(faults) if faults.is_empty() => Finding::good("database", place, "it is whole"),
        Ok(faults) => {
            let fix = "Stop the server and restore the last backup of slipway.db".to_owned();
            Finding::problem("database", place, (faults.join("; "), fix))
        }
        Err(error) => super::unknown("database", &place, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::doctor::State;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn little_space_is_a_warning_and_less_than_a_deploy_needs_a_problem() {
        let found = |free, inodes_free| {
            let found =
                FileSystem { path: "/".to_owned(), total: 100 << 30, free, inodes: 1000, inodes_free };
            space(&found, 512 << 20).iter().map(|finding| finding.state).collect::<Vec<_>>()
        };
        assert_eq!(found(50 << 30, 500), [State::Good]);
        assert_eq!(found(2 << 30, 500), [State::Warning]);
        assert_eq!(found(100 << 20, 500), [State::Problem]);
        assert_eq!(found(50 << 30, 1), [State::Good, State::Problem]);
    }

    #[test]
    fn a_root_or_a_key_that_others_can_read_is_a_problem_with_its_chmod() {
        let root = tempfile::tempdir().unwrap();
        let key = root.path().join("secret.key");
        fs::write(&key, "k").unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let user = geteuid().as_raw();
        set(root.path(), 0o700);
        set(&key, 0o600);
        assert_eq!(permissions(root.path(), user).state, State::Good);
        set(&key, 0o640);
        let found = permissions(root.path(), user);
        assert_eq!(found.fix, Some(format!("chmod 600 {}", key.display())));
        set(root.path(), 0o755);
        let found = permissions(root.path(), user);
        assert_eq!(found.fix, Some(format!("chmod 700 {}", root.path().display())));
        assert!(permissions(root.path(), user + 1).what.contains("belongs to user"));
    }
}
