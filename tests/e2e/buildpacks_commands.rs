//! Choosing buildpacks, asking them, their cache, their stack; and testing one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::process::run;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

/// Says how often it has built with the same cache.
const COMPILE: &str =
    "#!/bin/bash\necho x >>\"$2/builds\"\necho \"build $(wc -l <\"$2/builds\") of this cache\"\n";

/// A source that has a Dockerfile, and a buildpack of its own.
fn source() -> Repo {
    let repo = torture::repo();
    repo.write("Procfile", "web: ./torture web\n");
    repo.write_executable("counting/bin/compile", COMPILE);
    repo.write_executable("counting/bin/detect", "#!/bin/bash\necho Counting\n");
    repo.commit("A buildpack");
    repo
}

#[test]
fn buildpacks_are_chosen_in_an_order_and_nothing_else_is_taken() {
    let (server, ann) = Server::with_person("ann");
    let app = names::unique("packs");
    let ssh = |line: &str| server.ssh(&ann, &line.replace("APP", &app));
    let list = || ssh("buildpacks:list APP --format json").success().json().to_string();
    ssh("apps:create APP").success();
    ssh("buildpacks:add APP heroku/nodejs").success();
    ssh("buildpacks:add --index 1 APP https://me:secret@x.example/one.git#v1").success();
    ssh("buildpacks:add APP ./own").success();
    assert_eq!(list(), r#"["https://***@x.example/one.git#v1","nodejs","./own"]"#);
    ssh("buildpacks:set APP python").success();
    ssh("buildpacks:set --index 4 APP procfile").success();
    let chosen = r#"["python","nodejs","./own","procfile"]"#;
    assert_eq!(list(), chosen);
    for (line, reason) in [
        ("buildpacks:add APP clojure", "nodejs"),
        ("buildpacks:add APP heroku/nodejs", "at position 2"),
        ("buildpacks:add --index 6 APP ruby", "from 1 to 5"),
        ("buildpacks:add --index 0 APP ruby", "from 1 to 5"),
        ("buildpacks:set APP ruby go", "--replace"),
        ("buildpacks:remove APP ruby", "buildpacks:list"),
        ("buildpacks:remove --index 5 APP", "from 1 to 4"),
        ("buildpacks:remove --index 1 APP python", "not both"),
        ("buildpacks:remove APP", "by index or URL"),
        ("builder:set APP selected nixpacks", "dockerfile or buildpacks"),
        ("buildpacks:set-property APP stack 'A b'", "is not the name of an image"),
        ("buildpacks:detect APP", "There is no main"),
    ] {
        let refused = ssh(line).exits_with(1).stderr;
        assert!(refused.contains(reason), "{line}: {refused}");
    }
    assert_eq!(list(), chosen);
    ssh("buildpacks:remove APP heroku/nodejs").success();
    ssh("buildpacks:remove --index 1 APP").success();
    assert_eq!(list(), r#"["./own","procfile"]"#);
    ssh("buildpacks:set --replace APP ruby go").success();
    ssh("buildpacks:set-property APP stack heroku/heroku:24").success();
    let report = ssh("buildpacks:report APP --format json").success().json();
    assert_eq!(report["list"], "ruby,go");
    assert_eq!(report["computed-stack"], "heroku/heroku:24");
    assert_eq!(ssh("stack:report --format json").success().json()["chosen"][&app], "heroku/heroku:24");
    ssh("buildpacks:set-property APP stack").success();
    assert_eq!(ssh("buildpacks:report APP --buildpacks-computed-stack").success().stdout, "slipway-12\n");
    let cleared = ssh("buildpacks:clear APP").success().stdout;
    assert!(cleared.contains("detects what fits"), "{cleared}");
    assert_eq!(list(), "[]");
}

#[test]
fn detection_is_explained_and_a_cache_goes_when_it_is_purged_and_with_its_app() {
    let (server, ann) = Server::with_person("ann");
    let app = names::unique("cached");
    let repo = source();
    let ssh = |line: &str| server.ssh(&ann, &line.replace("APP", &app)).success();
    let report = || ssh("builder:report APP --format json").json();
    repo.push(&server, &ann, &app).success();
    assert_eq!(report()["detected"], "dockerfile");

    let asked = ssh("buildpacks:detect APP --format json").json();
    assert_eq!(asked["builder"], "dockerfile");
    assert_eq!(asked["buildpacks"].to_string(), r#"["procfile"]"#);
    let said = |name: &str| {
        let all = asked["candidates"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{asked}"))["said"].clone()
    };
    assert_eq!((said("nodejs"), said("procfile")), ("no package.json".into(), "Procfile".into()));
    ssh("builder:set APP selected herokuish");
    ssh("buildpacks:add APP ./counting");
    let text = ssh("buildpacks:detect APP").stdout;
    assert!(text.contains("chosen by buildpacks:set") && text.contains("is built by: ./counting"), "{text}");

    let push = |words: &str| {
        repo.write("change", words);
        repo.commit(words);
        repo.push(&server, &ann, &app).success().stderr
    };
    assert!(push("one").contains("build 1 of this cache"));
    assert!(push("two").contains("build 2 of this cache"));
    assert_eq!(
        (&report()["detected"], &report()["detected-buildpacks"]),
        (&"buildpacks".into(), &"./counting".into())
    );
    ssh("repo:purge-cache APP");
    assert!(push("three").contains("build 1 of this cache"));

    let planned = ssh("cleanup --dry-run --format json").json().to_string();
    the_stack_is_nobodys_garbage(&ssh("stack:report --format json").json(), &app, &planned);
    assert!(ssh("disk:report --format json").json()["apps"][&app]["cache"].as_u64().unwrap() > 0);
    let caches = || {
        let found =
            engine::get(&format!("/volumes?{}", engine::label_filter("slipway.owner", &server.owner())));
        found["Volumes"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(caches(), 1);
    let destroyed = ssh("apps:destroy --force APP").stdout;
    assert!(destroyed.contains("The build cache") && caches() == 0, "{destroyed}");
}

/// The images that the app came from say so, are the current ones, and carry no owner.
fn the_stack_is_nobodys_garbage(report: &Value, app: &str, planned: &str) {
    let used: Vec<&Value> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|image| image["apps"].to_string().contains(app))
        .collect();
    assert_eq!(used.len(), 2, "{report}");
    let mut kinds: Vec<&str> = used.iter().map(|image| image["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["build", "run"], "{report}");
    for image in used {
        assert!(image["current"] == true && image["used"] == true, "{image}");
        let name = image["image"].as_str().unwrap();
        assert!(!planned.contains(name), "{planned}");
        let labels = engine::get(&format!("/images/{name}/json"))["Config"]["Labels"].clone();
        assert!(labels["slipway.owner"].is_null(), "{name} is one server's own: {labels}");
    }
}

#[test]
fn a_cache_of_an_app_that_is_gone_is_garbage() {
    let (server, ann) = Server::with_person("ann");
    let name = format!("slipway-{}.cache.4711", server.owner());
    let body = format!(r#"{{"Name":"{name}","Labels":{{"slipway.owner":"{}"}}}}"#, server.owner());
    let made = engine::request_with("POST", "/volumes/create", ("application/json", body.as_bytes()));
    assert_eq!(made.status, 201, "{}", made.text());
    // The server itself may have been faster.
    server.ssh(&ann, "cleanup").success();
    wait_until("the cache is gone", Duration::from_secs(10), || {
        engine::request("GET", &format!("/volumes/{name}")).status == 404
    });
}

/// A buildpack with a fixture that is as it says, and one that is not.
fn buildpack(directory: &Path) {
    let files = [
        ("bin/detect", "#!/bin/bash\n[ -f \"$1/kind\" ] && echo Kind || { echo 'no kind'; exit 1; }\n"),
        (
            "bin/compile",
            "#!/bin/bash\ncp \"$3/COLOUR\" \"$1/colour\"\nls \"$2\"\ntouch \"$2/seen\"\nexit \"$(cat \"$1/kind\")\"\n",
        ),
        ("bin/release", "#!/bin/bash\nprintf 'default_process_types:\\n  web: cat colour\\n'\n"),
        ("test/good/app/kind", "0"),
        ("test/good/env/COLOUR", "blue\n"),
        (
            "test/good/expect.toml",
            "output = ['Kind app detected']\nfiles = ['colour']\nno-files = ['seen']\nrelease = { web = 'cat colour' }\n\
             [[run]]\ncommand = 'cat colour; echo $COLOUR'\noutput = ['blueblue']\n[again]\noutput = ['seen']\n",
        ),
        ("test/failing/app/kind", "7"),
        ("test/failing/env/COLOUR", "red"),
        ("test/failing/expect.toml", "status = 7\n"),
        ("test/none/app/other", "x"),
        ("test/none/expect.toml", "detect = false\noutput = ['no kind']\n"),
        ("test/wrong/app/kind", "0"),
        ("test/wrong/env/COLOUR", "red"),
        (
            "test/wrong/expect.toml",
            "not-output = ['Kind']\nfiles = ['nowhere']\nrelease = { web = 'other' }\n[[run]]\ncommand = 'exit 3'\n",
        ),
    ];
    for (name, content) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_buildpack_is_tested_without_a_server_and_what_differs_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("kind");
    buildpack(&folder);
    let test = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command.arg("buildpacks:test").arg(&folder).args(words).env("SLIPWAY_DOCKER", engine::socket());
        run(&mut command)
    };
    let good = test(&["--only", "good", "--only", "failing", "--only", "none"]).success().stdout;
    assert!(good.ends_with("3 passed, 0 failed\n"), "{good}");
    let wrong = test(&["--only", "wrong", "--format", "json"]).exits_with(1).json();
    let differences: Vec<&str> =
        wrong[0]["differences"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(
        differences,
        [
            "the output has \"Kind\", which it should not",
            "bin/release (- expected, + found):",
            "    - web: other",
            "    + web: cat colour",
            "there is no /app/nowhere",
            "`exit 3`: expected status 0, found 3",
        ]
    );
    let unknown = test(&["--only", "other"]).exits_with(1).stderr;
    assert!(unknown.contains("failing, good, none, wrong"), "{unknown}");
    assert!(test(&["--only"]).exits_with(1).stderr.contains("--only"));
}
