//! Plugins that are broken, hang, flood, die, stay, pry or lie.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::plugin::PluginFolder;
use crate::harness::process::count_processes_with;
use crate::harness::server::Server;
use crate::harness::wait::wait_until;

/// A plugin with one hook in sh.
fn hook(name: &str, hook: &str, more: &str, script: &str) -> PluginFolder {
    PluginFolder::new(name, &format!("[hooks.{hook}]\n{more}\n"))
        .with(&format!("hooks/{hook}"), &format!("#!/bin/sh\n{script}\n"))
}

fn with_app(prefix: &str) -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique(prefix);
    server.ssh(&alice, &format!("apps:create {app}")).success();
    (server, alice, app)
}

#[test]
fn what_is_no_plugin_is_refused_with_the_reason_and_changes_nothing() {
    let server = Server::start();
    let before = server.command(&["plugin:list"]).success().stdout;
    let refused = |folder: &PluginFolder, reason: &str| {
        let output = folder.install(&server).exits_with(1);
        assert!(output.stderr.contains(reason), "{reason}: {output}");
        assert_eq!(server.command(&["plugin:list"]).success().stdout, before);
        assert!(!server.root().join("plugins/incoming").exists());
    };
    refused(&PluginFolder::new("a", "colour = \"red\"\n"), "unknown field `colour`");
    refused(&PluginFolder::new("a", "[hooks.pre-lunch]\n"), "pre-lunch is not a hook");
    refused(&PluginFolder::new("a", "[hooks.daily]\n"), "hooks/daily is missing");
    refused(&PluginFolder::new("A b", ""), "a plugin's name has");
    refused(&PluginFolder::new("config", ""), "config is the name of commands of Slipway itself");
    refused(
        &PluginFolder::new("a", "[permissions]\ncommands = [\"config:shwo\"]\n"),
        "config:shwo is not a command",
    );
    refused(
        &PluginFolder::new("a", "[permissions]\ncommands = [\"git-receive-pack\"]\n"),
        "is not a command",
    );
    let folder = PluginFolder::new("a", "");
    folder.repo().write("plugin.toml", "[plugin]\nname = \"a\"\nversion = \"1\"\napi = 9\nfuture = true\n");
    refused(&folder, "it is written for API 9, this Slipway has 1");
    folder.repo().write("plugin.toml", "no toml at all");
    refused(&folder, "invalid plugin.toml");
    let folder = hook("a", "daily", "", "true");
    fs::set_permissions(folder.path().join("hooks/daily"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(&folder, "chmod +x hooks/daily");
    let folder = hook("a", "daily", "", "true");
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("users")).unwrap();
    refused(&folder, "users is a link that leads out of the folder");
    let failing = PluginFolder::new("a", "").with("install", "#!/bin/sh\necho no disk >&2; exit 3\n");
    refused(&failing, "install of a failed: no disk");
    assert!(!server.root().join("plugins/installed/a").exists());
}

#[test]
fn an_archive_with_links_or_paths_out_of_its_folder_is_refused() {
    let server = Server::start();
    let refused = |entry: tar::EntryType, path: &str, target: &str, reason: &str| {
        let mut archive = tar::Builder::new(Vec::new());
        let manifest = b"[plugin]\nname = \"a\"\nversion = \"1\"\napi = 1\n";
        let mut header = tar::Header::new_gnu();
        header.set_size(manifest.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "plugin.toml", manifest.as_slice()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(entry);
        header.set_size(0);
        header.set_mode(0o644);
        // By hand: the library refuses to write what is wrong.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        archive.append(&header, std::io::empty()).unwrap();
        let tar = archive.into_inner().unwrap();
        let output = server.command_with_input(&["plugin:install", "--force", "-"], &tar).exits_with(1);
        assert!(output.stderr.contains(reason), "{reason}: {output}");
    };
    refused(tar::EntryType::Symlink, "out", "/etc/passwd", "symlinks with absolute targets");
    refused(tar::EntryType::Symlink, "out", "../../x", "pointing outside");
    refused(tar::EntryType::Regular, "../x", "", "parent directory traversal");
    refused(tar::EntryType::Regular, "/etc/x", "", "absolute paths");
    refused(tar::EntryType::Char, "null", "", "devices or other special files");
}

#[test]
fn who_watches_and_hangs_floods_dies_or_stays_is_stopped_and_holds_nothing_up() {
    let (server, alice, app) = with_app("nuisance");
    let mark = format!("98765{}", std::process::id());
    hook("hangs", "post-config-update", "timeout-seconds = 1", &format!("sleep {mark}1"))
        .install(&server)
        .success();
    let flood = "yes | head -c 1000000000; echo done > ended";
    hook("floods", "post-config-update", "timeout-seconds = 120", flood).install(&server).success();
    hook("dies", "post-config-update", "", "kill -SEGV $$").install(&server).success();
    let stays = format!(
        "setsid nohup sh -c 'trap \"\" TERM HUP; sleep {mark}2' >/dev/null 2>&1 </dev/null & echo started"
    );
    hook("stays", "post-config-update", "", &stays).install(&server).success();

    let output = server.ssh(&alice, &format!("config:set --no-restart {app} A=b")).success();
    let said = |text: &str| assert!(output.stderr.contains(text), "{text}: {}", &output.stderr[..2000]);
    said("The plugin hangs's hook post-config-update did not end within 1 s and was killed");
    said("The plugin dies's hook post-config-update was ended by SIGSEGV");
    said("[floods] (more than 64 KiB: the rest is not shown)");
    said("[stays] started");
    assert!(output.stderr.len() < 80 << 10, "{} bytes were shown", output.stderr.len());
    assert!(
        server.root().join("plugins/data/floods/ended").exists(),
        "whoever writes much may end all the same"
    );
    wait_until("nothing of them is left", Duration::from_secs(10), || count_processes_with(&mark) == 0);
    assert_eq!(server.ssh(&alice, &format!("config:get {app} A")).success().stdout, "b\n");
}

#[test]
fn a_gate_that_does_not_answer_is_a_no_unless_it_says_otherwise() {
    let (server, alice, app) = with_app("gated");
    let asks = |reason: &str| {
        let output = server.ssh(&alice, &format!("apps:exists {app}")).exits_with(1);
        assert!(output.stderr.contains(&format!("says no at user-auth: {reason}")), "{output}");
        // The host is never asked: otherwise nobody could switch the gate off.
        server.command(&["plugin:uninstall", "--force", "gate"]).success();
        server.ssh(&alice, &format!("apps:exists {app}")).success();
    };
    hook("gate", "user-auth", "", "echo first; echo \"not on $3\" >&2; exit 1").install(&server).success();
    asks("not on apps:exists");
    hook("gate", "user-auth", "timeout-seconds = 1", "sleep 1000").install(&server).success();
    asks("its hook did not end within 1 s");
    hook("gate", "user-auth", "", "kill -9 $$").install(&server).success();
    asks("its hook was ended by SIGKILL");
    let folder =
        PluginFolder::new("gate", "[hooks.user-auth]\n").with("hooks/user-auth", "#!/no/such/program\n");
    folder.install(&server).success();
    asks("its hook could not be started: plugin/hooks/user-auth cannot be started: it, or the program");
    hook("gate", "user-auth", "timeout-seconds = 1\non-failure = \"allow\"", "sleep 1000")
        .install(&server)
        .success();
    let began = Instant::now();
    let output = server.ssh(&alice, &format!("apps:exists {app}")).success();
    assert!(output.stderr.contains("did not end within 1 s"), "{output} after {:?}", began.elapsed());
}

#[test]
fn a_plugin_reads_nothing_that_it_was_not_given() {
    let (server, alice, app) = with_app("own");
    let other = names::unique("foreign");
    server.ssh(&alice, &format!("apps:create {other}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {other} SECRET=s3cret")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} SECRET=mine")).success();
    let root = server.root();
    let script = format!(
        "slipway config:get {app} SECRET; slipway config:get {other} SECRET; slipway --app {other} config:get SECRET\n\
         slipway apps:list; slipway config:get --global SECRET\n\
         for file in slipway.db secret.key plugins; do ls -d {root}/$file; done\n\
         cat {root}/secret.key; ls {root}; id -u; grep CapBnd /proc/self/status | head -1; cat /proc/net/dev\n\
         for pid in /proc/[0-9]*; do cat $pid/environ | tr '\\0' '\\n' | grep -c SLIPWAY_ROOT; done\n\
         (echo > $SLIPWAY_PLUGIN_FOLDER/x) && echo wrote; echo $SLIPWAY_TOKEN > token",
        root = root.display(),
    );
    let manifest = "[hooks.post-config-update]\n[permissions]\ncommands = [\"config:get\"]\n";
    PluginFolder::new("spy", manifest)
        .with("hooks/post-config-update", &format!("#!/bin/sh\nexec 2>&1\n{script}\n"))
        .install(&server)
        .success();
    let output = server.ssh(&alice, &format!("config:set --no-restart {app} A=b")).success();
    let said = |text: &str| assert!(output.stderr.contains(text), "{text}: {output}");
    said("[spy] mine");
    said(&format!("[spy]  !     App {other} does not exist"));
    said("The plugin spy has no permission for apps:list");
    said("--global needs a key for all apps");
    assert!(!output.stderr.contains("s3cret") && !output.stderr.contains("[spy] wrote"), "{output}");
    if nix::unistd::geteuid().is_root() {
        said("[spy] 700");
        said(&format!("cannot access '{}/secret.key'", root.display()));
        assert!(!output.stderr.contains("eth0"), "{output}");
    }
    // The token is of no use once the run has ended.
    let token = fs::read_to_string(root.join("plugins/data/spy/token")).unwrap();
    let mut late = server.command_of(&["config:get", &app, "SECRET"]);
    late.env("SLIPWAY_SOCKET", root.join("plugins/slipway.sock")).env("SLIPWAY_TOKEN", token.trim());
    let output = crate::harness::process::run(&mut late).exits_with(1);
    assert!(output.stderr.contains("Access denied") && !output.stdout.contains("mine"), "{output}");
}

#[test]
fn a_plugin_that_breaks_later_is_left_out_and_the_server_starts() {
    let (mut server, alice, app) = with_app("later");
    hook("fine", "post-config-update", "", "echo fine").install(&server).success();
    hook("breaks", "post-config-update", "", "echo breaks").install(&server).success();
    fs::write(server.root().join("plugins/installed/breaks/plugin.toml"), "no toml").unwrap();
    server.restart();
    let list = server.ssh(&alice, "plugin:list --format json").success().json();
    let state = |name: &str| list.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(state("fine")["state"], "enabled");
    assert_eq!(state("breaks")["state"], "broken");
    assert!(state("breaks")["reason"].as_str().unwrap().contains("invalid plugin.toml"));
    let output = server.ssh(&alice, &format!("config:set --no-restart {app} A=b")).success();
    assert!(output.stderr.contains("[fine] fine") && !output.stderr.contains("[breaks]"), "{output}");
    assert!(server.ssh(&alice, "doctor").stdout.contains("PROBLEM plugins: breaks"));
}
