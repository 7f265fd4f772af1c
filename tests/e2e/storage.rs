//! What outlives an app's containers: volumes, directories of the host, and who may see them.
#![expect(clippy::too_many_lines, reason = "what a person sees stands beside what they typed")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;

/// A server on which the torture app runs.
fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("storage");
    torture::repo().push(&server, &alice, &app).success();
    (server, alice, app)
}

#[test]
fn a_volume_outlives_deploys_and_the_app_itself() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    let owner = server.owner();
    let shown = |line: &str| ssh(line).shown(&server, &app).replace(&owner, "OWNER");

    assert_snapshot!(shown("storage:create uploads"), @r"
    -----> Creating storage uploads
           Mount it: storage:mount APP uploads:/DIRECTORY
    [exit code 0]
    ");
    assert_snapshot!(shown("storage:create uploads"), @r"
     !     Storage uploads already exists
     !     Choose another name, or see what it is: storage:info uploads
    [exit code 1]
    ");
    assert_snapshot!(shown("storage:mount APP uploads:/data/uploads"), @r"
    -----> Mounting uploads on /data/uploads of blog
           Takes effect with the next deploy, or now: ps:restart blog
    [exit code 0]
    ");
    ssh("storage:create config").success();
    ssh("storage:mount APP config --container-dir /etc/app --volume-options ro --phase run").success();
    ssh("ps:restart APP").success();
    ssh("enter APP web sh -c 'echo kept > /data/uploads/file'").success();
    assert_eq!(ssh("run APP cat /data/uploads/file").success().stdout, "kept\n");
    ssh("enter APP web test ! -e /etc/app").success();
    let shut = ssh("run APP touch /etc/app/x").exits_with(1);
    assert!(shut.stderr.contains("Read-only file system"), "{shut}");
    ssh("ps:rebuild APP").success();
    assert_eq!(ssh("enter APP web cat /data/uploads/file").success().stdout, "kept\n");

    assert_snapshot!(shown("storage:list APP"), @r"
    -----> blog volume bind-mounts:
           uploads:/data/uploads
           config:/etc/app:ro (one-off processes only)
    [exit code 0]
    ");
    assert_eq!(
        ssh("storage:list APP --format json").success().json()[0],
        serde_json::json!({
            "host_path": "uploads", "container_path": "/data/uploads", "volume_options": "",
            "process_type": "_default_", "phases": ["deploy", "run"], "exclusive": false,
        })
    );
    assert_snapshot!(shown("storage:report APP"), @r"
    =====> blog storage information
           Storage build mounts:
           Storage deploy mounts:         uploads:/data/uploads
           Storage run mounts:            uploads:/data/uploads config:/etc/app:ro
    [exit code 0]
    ");
    let entries = ssh("storage:list-entries").success().stdout;
    let words = |line: usize| entries.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(words(0), ["NAME", "KIND", "PLACE", "APPS"]);
    assert_eq!(words(2), ["uploads", "volume", &format!("slipway-{owner}-uploads"), &app]);
    assert_eq!(ssh("storage:info uploads --format json").success().json()["apps"], serde_json::json!([app]));
    assert_snapshot!(shown("storage:destroy --force uploads"), @r"
     !     Storage uploads is mounted by blog
     !     Unmount it first: storage:unmount blog uploads:/DIRECTORY
    [exit code 1]
    ");

    // Shown before it is asked, and nothing is lost by a no.
    assert_snapshot!(server.ssh_with_input(&alice, &format!("apps:destroy {app}"), b"no\n").shown(&server, &app), @r#"
    =====> Storage of blog, which stays
           uploads on /data/uploads (afterwards, to lose its data: storage:destroy uploads)
           config on /etc/app (afterwards, to lose its data: storage:destroy config)
    > 
     !     WARNING: Potentially Destructive Action
     !     This command will destroy app blog.
     !     To proceed, type "blog"
     !     Confirmation did not match test. Aborted.
     !     Type the app's name, or use apps:destroy --force blog
    [exit code 1]
    "#);
    ssh("apps:destroy --force APP").success();
    let volume = format!("/volumes/slipway-{owner}-uploads");
    assert_eq!(engine::request("GET", &volume).status, 200, "the volume went with the app");

    torture::repo().push(&server, &alice, &app).success();
    ssh("storage:mount --process-type web APP uploads:/other").success();
    ssh("ps:restart APP").success();
    assert_eq!(ssh("enter APP web cat /other/file").success().stdout, "kept\n");
    ssh("storage:unmount APP uploads:/other").success();
    ssh("storage:unmount APP uploads:/other").exits_with(1);
    // The container that has it is still there.
    let held = ssh("storage:destroy --force uploads").exits_with(1);
    assert!(held.stderr.contains("in use"), "{held}");
    ssh("ps:stop APP").success();
    crate::harness::wait::wait_until("no container is left", std::time::Duration::from_secs(30), || {
        engine::container_names("com.dokku.app-name", &app).is_empty()
    });
    ssh("storage:destroy uploads").exits_with(1);
    assert_eq!(engine::request("GET", &volume).status, 200);
    server.ssh_with_input(&alice, "storage:destroy uploads", b"uploads\n").success();
    assert_eq!(engine::request("GET", &volume).status, 404);
    ssh("storage:info uploads").exits_with(1);
}

#[test]
fn directories_of_the_host_are_mounted_from_below_the_root_and_through_no_link() {
    let (server, alice, app) = deployed();
    let root = server.root().join("storage");
    let ssh =
        |line: &str| server.ssh(&alice, &line.replace("APP", &app).replace("ROOT", root.to_str().unwrap()));
    let shown = |line: &str| ssh(line).shown(&server, &app).replace(root.to_str().unwrap(), "ROOT");
    assert_snapshot!(shown("storage:ensure-directory --chown 1234:1235 files"), @r"
    -----> Ensuring ROOT/files exists
           Setting directory ownership to 1234:1235
           Directory ready for mounting
           Mount it: storage:mount APP ROOT/files:/DIRECTORY
    [exit code 0]
    ");
    let facts = fs::metadata(root.join("files")).unwrap();
    assert_eq!((facts.uid(), facts.gid()), (1234, 1235));
    assert_snapshot!(shown("storage:mount APP ROOT/files:/files"), @r"
    -----> Mounting ROOT/files on /files of blog
           Takes effect with the next deploy, or now: ps:restart blog
    [exit code 0]
    ");
    ssh("ps:restart APP").success();
    fs::write(root.join("files/here"), "from the host\n").unwrap();
    assert_eq!(ssh("enter APP web cat /files/here").success().stdout, "from the host\n");

    symlink("/etc", root.join("link")).unwrap();
    symlink("/", root.join("files/deep")).unwrap();
    fs::create_dir(root.join("files/inner")).unwrap();
    let before = ssh("storage:list APP").stdout;
    assert_snapshot!(shown("storage:mount APP /etc:/x"), @r"
     !     /etc is not below ROOT, where directories of the host can be mounted from
     !     Move it there, or let storage: storage:create NAME; the host's admin may set storage-root in slipway.toml
    [exit code 1]
    ");
    assert_snapshot!(shown("storage:mount APP ROOT/link:/x"), @r"
     !     ROOT/link is a symbolic link, and leads who knows where
     !     Put a directory in its place, or mount another: storage:mount
    [exit code 1]
    ");
    assert_snapshot!(shown("storage:mount APP ROOT/none:/x"), @r"
     !     ROOT/none does not exist
     !     Make it: storage:ensure-directory NAME
    [exit code 1]
    ");
    assert_snapshot!(shown("storage:mount APP nothing:/x"), @r"
     !     There is no storage nothing
     !     Make it: storage:create nothing, or see what there is: storage:list-entries
    [exit code 1]
    ");
    assert_snapshot!(shown("storage:mount APP ROOT/files:/proc"), @r"
     !     nothing can be mounted on /proc, every container has its own there
     !     Choose another directory, for example /data
    [exit code 1]
    ");
    assert_snapshot!(shown("storage:mount APP ROOT/files:/files"), @r"
     !     Mount path already exists.
     !     To change it, remove it first: storage:unmount APP ROOT/files:/files
    [exit code 1]
    ");
    for mount in [
        "ROOT/../slipway.db:/x",
        "ROOT/files/../../certs:/x",
        "ROOT/files/deep/etc:/x",
        "ROOT:/x",
        "/:/x",
        "../storage/files:/x",
        "ROOT/files:x",
        "ROOT/files:/",
        "ROOT/files:/y/../etc",
        "ROOT/files:/y:exec",
        "ROOT/files",
        ":/x",
        "-v:/x",
        "a b:/x",
    ] {
        ssh(&format!("storage:mount APP -- '{mount}'")).exits_with(1);
        ssh(&format!("docker-options:add APP deploy \"-v '{mount}'\"")).exits_with(1);
    }
    for directory in ["..", "../x", "a/b", "/etc", "link", ""] {
        ssh(&format!("storage:ensure-directory '{directory}'")).exits_with(1);
    }
    ssh("storage:ensure-directory --chown nobody files").exits_with(1);
    ssh("storage:create etc /etc").exits_with(1);
    ssh("storage:create up ROOT/../up").exits_with(1);
    assert_eq!(ssh("storage:list APP").stdout, before);
    assert_eq!(fs::metadata("/etc").unwrap().uid(), 0);

    // What was a directory when it was mounted is looked at again.
    let instance = server.get(&app, "/instance").text();
    fs::rename(root.join("files"), root.join("moved")).unwrap();
    symlink("/etc", root.join("files")).unwrap();
    let restart = ssh("ps:restart APP").exits_with(1);
    assert!(restart.stderr.contains("is a symbolic link"), "{restart}");
    assert!(ssh("run APP ls /files").exits_with(1).stderr.contains("is a symbolic link"));
    assert_eq!(server.get(&app, "/instance").text(), instance, "what ran was touched");

    // By Docker's own option, which is kept as a mount like any other.
    ssh("storage:unmount APP ROOT/files:/files").success();
    ssh("docker-options:add APP deploy,run '-v ROOT/moved:/files:ro'").success();
    assert!(ssh("storage:list APP").stdout.contains("/moved:/files:ro\n"));
    ssh("docker-options:remove APP deploy,run '-v ROOT/moved:/files:ro'").success();
    assert!(!ssh("storage:list APP").stdout.contains("moved"));
}

#[test]
fn storage_is_shared_only_where_that_is_meant() {
    let (server, alice, app) = deployed();
    let other = names::unique("other");
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app).replace("OTHER", &other));
    let shown = |line: &str| ssh(line).shown(&server, &app).replace(&other, "other");
    ssh("apps:create OTHER").success();
    ssh("storage:create shared").success();
    ssh("storage:create single").success();
    ssh("storage:mount OTHER shared:/data").success();
    assert_snapshot!(shown("storage:mount APP shared:/data"), @r"
           shared is mounted by other, too
    -----> Mounting shared on /data of blog
           Takes effect with the next deploy, or now: ps:restart blog
    [exit code 0]
    ");
    assert_snapshot!(shown("storage:mount --exclusive APP shared:/exclusive"), @r"
     !     shared is mounted by other already
     !     Storage that one instance may hold cannot be shared: use other storage, or mount it in both without --exclusive
    [exit code 1]
    ");

    ssh("ps:scale APP web=1 worker=1").success();
    assert_snapshot!(shown("storage:mount --exclusive APP single:/single"), @r"
     !     single is mounted for one instance at a time, and 2 would hold it: web=1 worker=1
     !     Let one instance have it: ps:scale APP web=1, or storage:mount --process-type web, or mount it without --exclusive
    [exit code 1]
    ");
    ssh("storage:mount --exclusive --process-type web APP single:/single").success();
    assert_snapshot!(shown("ps:scale APP web=2"), @r"
     !     single is mounted for one instance at a time, and 2 would hold it: web=2
     !     Let one instance have it: ps:scale APP web=1, or storage:mount --process-type web, or mount it without --exclusive
    [exit code 1]
    ");
    ssh("ps:scale --skip-deploy APP web=2").exits_with(1);
    ssh("storage:mount OTHER single:/single").exits_with(1);
    assert_eq!(ssh("ps:scale APP --format json").json()[0]["quantity"], 1);

    let limited = Person::new("lena");
    server.add_key_with(&limited, &["--role", "deployer", "--for", &other]);
    for line in [
        "storage:mount OTHER shared:/mine",
        "docker-options:add OTHER run '-v shared:/mine'",
        "storage:create mine",
    ] {
        let refused = server.ssh(&limited, &line.replace("OTHER", &other)).exits_with(1);
        assert!(refused.stderr.contains("a key for all apps"), "{line}: {refused}");
    }

    // Directories below those that another app can write to could be turned into links.
    ssh("storage:ensure-directory top").success();
    let top = server.root().join("storage/top");
    fs::create_dir(top.join("below")).unwrap();
    ssh(&format!("storage:mount OTHER {}:/top", top.display())).success();
    let nested = ssh(&format!("storage:mount APP {}:/below", top.join("below").display())).exits_with(1);
    assert!(nested.stderr.contains("lie within one another"), "{nested}");

    // A volume that somebody removed from the engine is not replaced by an empty one in silence.
    ssh("storage:create lost").success();
    ssh("storage:mount APP lost:/lost").success();
    let volume = format!("/volumes/slipway-{}-lost", server.owner());
    assert_eq!(engine::request("DELETE", &volume).status, 204);
    let restart = ssh("ps:restart APP").exits_with(1);
    assert!(restart.stderr.contains("somebody removed it from the engine"), "{restart}");

    let renamed = names::unique("renamed");
    ssh("storage:unmount APP lost:/lost").success();
    ssh(&format!("apps:rename APP {renamed}")).success();
    let list = server.ssh(&alice, &format!("storage:list {renamed}")).success().stdout;
    assert!(
        list.contains("shared:/data") && list.contains("single:/single (web only, one instance at a time)"),
        "{list}"
    );
}
