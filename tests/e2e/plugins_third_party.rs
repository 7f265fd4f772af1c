//! A plugin as a third party writes it from docs/plugins.md alone, in Python: it says no, adds a config var, and calls
//! back.

use crate::harness::names;
use crate::harness::plugin::PluginFolder;
use crate::harness::server::Server;
use crate::harness::torture;

const MANIFEST: &str = r#"
[hooks.pre-deploy]
timeout-seconds = 30

[hooks.pre-release]

[hooks.pre-build]

[hooks.post-deploy]

[hooks.deploy-failed]

[hooks.health-report]

[subcommands.status]
summary = "Says whether deploys of an app are frozen"
usage = "APP"
scope = "app"
role = "viewer"

[settings.KEY]
description = "The config var that freezes an app"
default = "FREEZE"

[permissions]
commands = ["config:get", "config:set", "ps:scale", "ps:restart"]
"#;

/// Says no while the app has a certain config var.
const PRE_DEPLOY: &str = r#"#!/usr/bin/python3
import json, os, subprocess, sys
event = json.load(sys.stdin)
assert event["app"] == sys.argv[1] and event["release"] == sys.argv[2], event
answer = subprocess.run(["slipway", "config:get", event["app"], os.environ["KEY"]], stdout=subprocess.PIPE, text=True)
if answer.stdout.strip():
    print("looked into the calendar")
    print(f"{event['app']} is frozen: {answer.stdout.strip()}", file=sys.stderr)
    sys.exit(1)
"#;

/// Adds a config var to each release.
const PRE_RELEASE: &str = r#"#!/usr/bin/python3
import json, sys
event = json.load(sys.stdin)
json.dump({"config": {"RELEASED_BY": event["by"], "KNOWN_KEYS": str(len(event["config_keys"]))}}, sys.stdout)
"#;

/// Calls back in the middle of the deploy: changes a config var, and tries what cannot be.
const POST_DEPLOY: &str = r#"#!/usr/bin/python3
import json, subprocess, sys
app = sys.argv[1]
scale = json.loads(subprocess.check_output(["slipway", "ps:scale", app, "--format", "json"]))
print("scale", scale)
print(subprocess.check_output(["slipway", "config:set", app, "SEEN=yes"], text=True))
restart = subprocess.run(["slipway", "ps:restart", app], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print("restart", restart.returncode, restart.stdout)
"#;

const FAILED: &str = "#!/usr/bin/python3\nimport json, sys\nprint('told:', json.load(sys.stdin)['reason'])\n";
const BUILD: &str =
    "#!/usr/bin/python3\nimport json\nprint(json.dumps({'build_arguments': {'STAMP': 'python'}}))\n";
const HEALTH: &str = r#"#!/usr/bin/python3
import json
print(json.dumps({"findings": [{"state": "warning", "place": "calendar", "what": "is empty", "fix": "Fill it"}]}))
"#;
const STATUS: &str = r#"#!/usr/bin/python3
import os, subprocess, sys
answer = subprocess.run(["slipway", "config:get", sys.argv[1], os.environ["KEY"]], stdout=subprocess.PIPE, text=True)
print("frozen" if answer.stdout.strip() else "free")
"#;

#[test]
fn a_gate_in_python_says_no_and_another_hook_adds_a_config_var() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("frozen");
    let plugin = PluginFolder::new("freeze", MANIFEST)
        .with("hooks/pre-deploy", PRE_DEPLOY)
        .with("hooks/pre-release", PRE_RELEASE)
        .with("hooks/pre-build", BUILD)
        .with("hooks/post-deploy", POST_DEPLOY)
        .with("hooks/deploy-failed", FAILED)
        .with("hooks/health-report", HEALTH)
        .with("subcommands/status", STATUS);
    plugin.install(&server).success();
    let repo = torture::repo();

    let output = repo.push(&server, &alice, &app).success();
    assert!(output.stderr.contains("[freeze] adds build arguments: STAMP"), "{output}");
    assert!(output.stderr.contains("[freeze] adds config vars: KNOWN_KEYS, RELEASED_BY"), "{output}");
    assert!(output.stderr.contains("[freeze] scale [{"), "{output}");
    assert!(output.stderr.contains("is not restarted: its deploy waits for this very plugin"), "{output}");
    assert!(
        output.stderr.contains("[freeze] restart 1") && output.stderr.contains("would wait for the deploy"),
        "{output}"
    );
    let env = |key: &str| server.ssh(&alice, &format!("run {app} printenv {key}")).success().stdout;
    assert_eq!(env("RELEASED_BY").trim(), "alice");
    assert_eq!(server.ssh(&alice, &format!("config:get {app} SEEN")).success().stdout, "yes\n");
    server.ssh(&alice, &format!("config:get {app} RELEASED_BY")).exits_with(1);

    // A restart gives the hook its say, and needs no new release where it says the same.
    for _ in 0..2 {
        let output = server.ssh(&alice, &format!("ps:restart {app}")).success();
        assert!(output.stdout.contains(&format!("Deploying {app} v2")), "{output}");
    }

    server.ssh(&alice, &format!("config:set --no-restart {app} FREEZE='until Monday'")).success();
    torture::commit_version(&repo, "two");
    let output = repo.push(&server, &alice, &app);
    assert_ne!(output.code, 0, "{output}");
    assert!(
        output.stderr.contains(&format!("freeze says no at pre-deploy: {app} is frozen: until Monday")),
        "{output}"
    );
    assert!(output.stderr.contains("[freeze] looked into the calendar"), "{output}");
    assert!(output.stderr.contains("[freeze] told: freeze says no"), "{output}");
    assert_eq!(server.get(&app, "/").status, 200);
    assert_eq!(server.ssh(&alice, &format!("freeze:status {app}")).success().stdout, "frozen\n");
    let runs = server.ssh(&alice, "plugin:report freeze --format json").success().json();
    let gate = runs.as_array().unwrap().iter().find(|run| run["executable"] == "hooks/pre-deploy").unwrap();
    assert_eq!((&gate["result"], &gate["app"]), (&"failed".into(), &app.as_str().into()));

    server.ssh(&alice, &format!("config:unset --no-restart {app} FREEZE")).success();
    repo.push(&server, &alice, &app).success();
    let doctor = server.ssh(&alice, "doctor --format json");
    assert!(doctor.stdout.contains("freeze: calendar"), "{doctor}");
}
