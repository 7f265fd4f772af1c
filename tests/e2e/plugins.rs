//! Plugins: installed, updated, undone, switched off, removed; their commands and settings.

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::plugin::PluginFolder;
use crate::harness::server::Server;
use crate::harness::web::Web;

const HELLO: &str = "[hooks.post-config-update]\n\n\
    [subcommands.default]\nsummary = \"Says what it was given\"\nscope = \"anyone\"\nrole = \"viewer\"\n\n\
    [subcommands.show]\nsummary = \"Shows an app\"\nusage = \"APP\"\nscope = \"app\"\nrole = \"viewer\"\n\n\
    [settings.GREETING]\ndescription = \"What it says\"\ndefault = \"Hello\"\nscope = \"app\"\n\n\
    [settings.TOKEN]\ndescription = \"A secret\"\nsecret = true\n";

fn hello() -> PluginFolder {
    PluginFolder::new("hello", HELLO)
        .with("hooks/post-config-update", "#!/bin/sh\necho \"$GREETING, $*\"; cat\n")
        .with("subcommands/default", "#!/bin/sh\necho \"$SLIPWAY_USER said $*\"; cat; exit 7\n")
        .with("subcommands/show", "#!/bin/sh\necho \"$GREETING $1, $SLIPWAY_APP\"\n")
}

#[test]
fn a_plugin_is_told_and_has_commands_and_settings() {
    let (server, alice) = Server::with_person("alice");
    let viewer = Person::new("vera");
    let (app, other) = (names::unique("told"), names::unique("other"));
    for app in [&app, &other] {
        server.ssh(&alice, &format!("apps:create {app}")).success();
    }
    server.add_key_with(&viewer, &["--role", "viewer", "--for", &app]);
    hello().install(&server).success();
    let set = |pair: &str| server.ssh(&alice, &format!("config:set --no-restart {app} {pair}")).success();

    // Names of config vars are told, and no values.
    let output = set("COLOUR=s3cret");
    assert!(output.stderr.contains(&format!("[hello] Hello, {app} set COLOUR\n")), "{output}");
    let told = format!(
        "[hello] {{\"hook\":\"post-config-update\",\"app\":\"{app}\",\"by\":\"alice\",\"set\":[\"COLOUR\"]"
    );
    assert!(output.stderr.contains(&told) && !output.stderr.contains("s3cret"), "{output}");

    // Settings: of the app, of all, by default.
    server.ssh(&alice, "plugin:set hello GREETING Salut").success();
    assert!(set("A=1").stderr.contains("[hello] Salut, "));
    server.ssh(&alice, &format!("plugin:set --for {app} hello GREETING Hej")).success();
    assert!(set("A=2").stderr.contains("[hello] Hej, "));
    server.ssh(&alice, "plugin:set hello TOKEN t0ken").success();
    let info = server.ssh(&alice, "plugin:info hello").success();
    assert!(info.stdout.contains("setting TOKEN: (set, secret)") && !info.stdout.contains("t0ken"), "{info}");
    let output = server.ssh(&alice, "plugin:set hello COLOUR red").exits_with(1);
    assert!(output.stderr.contains("It has: GREETING, TOKEN"), "{output}");

    // Commands: arguments, streams, exit code; whoever may not run them may not.
    let output = server.ssh_with_input(&alice, "hello a 'b c'", b"from standard input").exits_with(7);
    assert_eq!(output.stdout, "alice said a b c\nfrom standard input");
    let output = server.ssh(&viewer, &format!("hello:show {app}")).success();
    assert_eq!(output.stdout, format!("Hej {app}, {app}\n"));
    server.ssh(&viewer, &format!("hello:show {other}")).exits_with(20);
    let output = server.ssh(&viewer, "hello:show").exits_with(1);
    assert!(output.stderr.contains("Please specify an app"), "{output}");
    let help = server.ssh(&alice, "hello:help").success();
    assert!(help.stdout.contains("hello:show APP  Shows an app"), "{help}");
    assert!(server.ssh(&alice, "help").success().stdout.contains("hello:show APP"));

    // What was run is recorded; a plugin that is switched off is as if it were not there.
    let report = server.ssh(&alice, "plugin:report hello --format json").success().json();
    assert_eq!(report[0]["executable"], "subcommands/show");
    assert!(report.as_array().unwrap().iter().any(|run| run["executable"] == "hooks/post-config-update"));
    server.ssh(&alice, "plugin:disable hello").success();
    assert!(!set("A=3").stderr.contains("[hello]"));
    server.ssh(&alice, "hello").exits_with(1);
    server.ssh(&alice, "plugin:enable hello").success();
    assert!(set("A=4").stderr.contains("[hello] Hej, "));
    server.ssh(&alice, "plugin:uninstall hello --force").success();
    assert!(!server.root().join("plugins/data/hello").exists());
    assert_eq!(
        server
            .ssh(&alice, "plugin:list --format json")
            .success()
            .json()
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["name"] == "hello")
            .count(),
        0
    );
}

#[test]
fn what_a_plugin_asks_for_is_confirmed_before_anything_of_it_runs() {
    let (server, alice) = Server::with_person("alice");
    let web = Web::start();
    let folder = hello().with("install", "#!/bin/sh\necho installing; touch installed\n");
    folder.repo().commit("1.0");
    let url = web.publish("hello", folder.repo());
    let install = format!("plugin:install {url}");

    let output = server.ssh_with_input(&alice, &install, b"no\n").exits_with(1);
    assert!(
        output.stdout.contains("hello 1.0 asks for") && output.stdout.contains("hook post-config-update"),
        "{output}"
    );
    assert!(!output.stdout.contains("installing") && !server.root().join("plugins/installed/hello").exists());
    let output = server.ssh_with_input(&alice, &install, b"hello\n").success();
    assert!(output.stderr.contains("[hello] installing"), "{output}");
    assert!(server.root().join("plugins/data/hello/installed").exists());
    server.ssh(&alice, &format!("{install} --force")).exits_with(1);

    // An update that wants no more asks nothing.
    folder.manifest("1.1", HELLO);
    folder.repo().commit("1.1");
    web.publish("hello", folder.repo());
    let output = server.ssh(&alice, "plugin:update hello").success();
    assert!(output.stdout.contains("Plugin hello is at 1.1"), "{output}");
    // One that does, does.
    folder.manifest("1.2", &format!("{HELLO}[permissions]\ncommands = [\"config:show\"]\n"));
    folder.repo().commit("1.2");
    web.publish("hello", folder.repo());
    let output = server.ssh_with_input(&alice, "plugin:update hello", b"no\n").exits_with(1);
    assert!(output.stdout.contains("may run, on the app that it is run for: config:show"), "{output}");
    assert!(
        !output.stdout.contains("hook post-config-update"),
        "what was agreed to is not asked again: {output}"
    );
    let version = || {
        let list = server.ssh(&alice, "plugin:list --format json").success().json();
        let row = list.as_array().unwrap().iter().find(|row| row["name"] == "hello").cloned().unwrap();
        row["version"].as_str().unwrap().to_owned()
    };
    assert_eq!(version(), "1.1");
    server.ssh_with_input(&alice, "plugin:update hello", b"hello\n").success();
    assert_eq!(version(), "1.2");
    server.ssh(&alice, "plugin:update hello --undo").success();
    assert_eq!(version(), "1.1");

    // One whose own update fails leaves the one before in its place.
    let folder = folder.with("update", "#!/bin/sh\necho broken >&2; exit 1\n");
    folder.manifest("1.3", HELLO);
    folder.repo().commit("1.3");
    web.publish("hello", folder.repo());
    let output = server.ssh(&alice, "plugin:update hello").exits_with(1);
    assert!(output.stderr.contains("update of hello failed: broken"), "{output}");
    assert_eq!(version(), "1.1");
}

#[test]
fn a_new_plugin_works_as_it_is() {
    let (server, alice) = Server::with_person("alice");
    let tar = server.ssh(&alice, "plugin:new greeter").success().stdout_bytes;
    let output = server.ssh(&alice, "plugin:install --force --name greeter /tmp").exits_with(1);
    assert!(output.stderr.contains("only be installed on the host itself"), "{output}");
    server.ssh_with_input(&alice, "plugin:install --force -", &tar).success();
    let output = server.ssh(&alice, "plugin:test greeter").success();
    assert_eq!(output.stdout, "all is well\n");
    let app = names::unique("greeted");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    let output = server.ssh(&alice, &format!("greeter:hello {app}")).success();
    assert!(output.stdout.starts_with(&format!("Hello, {app}\n[")), "{output}");
    let output = server.ssh_with_input(&alice, "plugin:trigger greeter post-deploy blog v7", b"{}").success();
    assert_eq!(output.stdout, "Hello, blog v7\n");
}
