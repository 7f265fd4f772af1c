//! Config vars: every way in and out, byte for byte, and that their values show nowhere else.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::transcript::{show, transcript};

/// Quotes for the command line that ssh sends, as a person does.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A value with everything that quoting gets wrong.
const AWKWARD: &str = " it's \"5\" $HOME `id` \\n a=b #no \u{fc}\u{1f6a2}\nsecond line!\t";

#[test]
fn vars_are_set_read_and_unset() {
    let (server, ann) = Server::with_person("ann");
    server.ssh(&ann, "apps:create blog").success();
    assert_snapshot!(transcript(&server, &ann, &[
        "config:show blog",
        "config:set blog A=1 LONG_NAME='two words' EMPTY= B=a=b=c",
        "config:show blog",
        "config blog",
        "--quiet config:show blog",
        "config:keys blog",
        "config:get blog LONG_NAME",
        "config:get --quoted blog LONG_NAME",
        "config:get blog EMPTY",
        "config:get blog NOPE",
        "config:unset blog A NOPE",
        "config:set --encoded blog A=aGVsbG8gd29ybGQ=",
        "--app blog config:get A",
        "config:set --global B=global G=global",
        "config:show --global",
        "config:show blog --merged",
        "config:keys --merged blog",
        "config:keys blog",
        "config:unset --global B",
        "config:clear blog",
        "config:clear blog",
        "config:show --merged blog",
        "config:clear --global",
    ]), @"");
}

#[test]
fn what_cannot_be_set_is_refused_and_nothing_changes() {
    let (server, ann) = Server::with_person("ann");
    server.ssh(&ann, "apps:create blog").success();
    server.ssh(&ann, "config:set blog KEPT=kept").success();
    assert_snapshot!(transcript(&server, &ann, &[
        "config:set",
        "config:set blog",
        "config:set blog A=1 bad-key=2",
        "config:set blog A=1 1B=2",
        "config:set blog A=1 =2",
        "config:set blog A=two words",
        "config:set --encoded blog A=MQ== B=%%%",
        "config:set --encoded blog A=MQ== B=AGE=",
        "config:set --encoded blog A=MQ== B=/w==",
        "config:set nope A=1",
        "config:get blog",
        "config:get blog KEPT A",
        "config:unset blog",
        "config:unset blog bad-key",
        "config:export blog --format yaml",
        "config:import blog .env",
        "config:show blog extra",
    ]), @"");
    let import = |input: &[u8]| {
        let line = "config:import blog";
        show(line, &server.ssh_with_input(&ann, line, input))
    };
    let megabyte = [b"A=1\nBIG=".as_slice(), &b"x".repeat(1 << 20)].concat();
    let refused = [
        import(b""),
        import(b"A=1\nno assignment\n"),
        import(b"A=1\nbad-key=2\n"),
        import(b"A='never closed\n"),
        import(b"A=1\nB=a\0b\n"),
        import(b"A=1\nB=\xff\xfe\n"),
        import(&megabyte),
        import(b"{\"A\": \"1\", \"B\": [1]}"),
        import(b"{\"A\": \"1\", \"bad-key\": \"2\"}"),
        import(b"{\"A\": "),
    ];
    assert_snapshot!(refused.concat(), @"");
    let long = format!("config:set blog A=1 BIG={}", "x".repeat(130_100));
    assert!(server.ssh(&ann, &long).exits_with(1).stderr.contains("must not be longer than"));
    let most = format!("--quiet config:set blog BIG={}", "x".repeat(130_000));
    server.ssh(&ann, &most).success();
    assert_eq!(server.ssh(&ann, "config:get blog BIG").success().stdout.len(), 130_001);

    server.ssh(&ann, "config:unset blog BIG").success();
    assert_eq!(server.ssh(&ann, "config:export blog").success().stdout, "export KEPT='kept'\n");
    assert!(!server.log().contains("two words"), "a value is in the log");
}

#[test]
fn what_is_exported_can_be_imported_byte_for_byte() {
    let (server, ann) = Server::with_person("ann");
    for app in ["blog", "copy"] {
        server.ssh(&ann, &format!("apps:create {app}")).success();
    }
    let set = format!("--quiet config:set blog A=1 AWKWARD={}", quote(AWKWARD));
    server.ssh(&ann, &set).success();
    let get = |app: &str| server.ssh(&ann, &format!("config:get {app} AWKWARD")).success().stdout;
    assert_eq!(get("blog"), format!("{AWKWARD}\n"));
    for format in ["exports", "envfile", "shell", "json", "json-list"] {
        let exported =
            server.ssh(&ann, &format!("config:export --format {format} blog")).success().stdout_bytes;
        server.ssh(&ann, "config:clear copy").success();
        server.ssh_with_input(&ann, "config:import copy -", &exported).success();
        assert_eq!(get("copy"), format!("{AWKWARD}\n"), "by way of {format}");
    }
    // A real shell reads what is meant for one.
    let exports = server.ssh(&ann, "config:export blog").success().stdout;
    let script = format!("{exports}\nprintf %s \"$AWKWARD\"");
    let mut shell = std::process::Command::new("sh");
    assert_eq!(crate::harness::process::run(shell.arg("-c").arg(script)).success().stdout, AWKWARD);

    server.ssh(&ann, "--quiet config:set --global G=g").success();
    let json = server.ssh(&ann, "config:export --merged --format json copy").success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({"A": "1", "AWKWARD": AWKWARD, "G": "g"}));
    let import = |line: &str, input: &str| show(line, &server.ssh_with_input(&ann, line, input.as_bytes()));
    let seen = [
        import("config:import copy", "# a comment\nexport NEW=new\nA='2'\n"),
        transcript(&server, &ann, &["config:keys copy", "config:get copy A"]),
        import("config:import --replace copy", "{\"ONLY\": \"only\", \"NUMBER\": 5}"),
        transcript(&server, &ann, &["config:show copy"]),
        import("config:import --global", "G=2\nH=3\n"),
        transcript(&server, &ann, &["config:export --global --format docker-args"]),
        transcript(&server, &ann, &["config:export --global --format pretty"]),
        transcript(&server, &ann, &["config:export --global --format pack-keys"]),
    ];
    assert_snapshot!(seen.concat(), @"");
}

/// A deployed app with its server and somebody who may do everything.
fn deployed() -> (Server, Person, String) {
    let (server, ann) = Server::with_person("ann");
    let app = names::unique("blog");
    torture::repo().push(&server, &ann, &app).success();
    (server, ann, app)
}

fn in_the_container(server: &Server, app: &str, name: &str) -> Option<Vec<u8>> {
    let response = server.get(app, &format!("/env?name={name}"));
    (response.status == 200).then_some(response.body)
}

#[test]
fn any_text_arrives_in_the_container_byte_for_byte() {
    let (server, ann, app) = deployed();
    let value = prop_oneof![
        "[^\\x00]{0,40}",
        "[ '\"$`\\\\\n\r\t=!#&|;*?~(){}<>%]{1,20}",
        Just(AWKWARD.to_owned()),
        Just("x".repeat(100_000)),
    ];
    let batch = prop::collection::vec(value, 8);
    let config = Config { cases: 4, max_shrink_iters: 8, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&batch, |values| {
        // Half of them on the command line, half of them in base64, so that both ways in are taken each time.
        let (quoted, encoded) = values.split_at(values.len() / 2);
        let pairs = |values: &[String], prefix: &str, write: fn(&str) -> String| -> String {
            let pairs = values.iter().enumerate();
            pairs.map(|(index, value)| format!(" {prefix}{index}={}", write(value))).collect()
        };
        let set = |flags: &str, pairs: String| {
            let line = format!("--quiet config:set {flags} {app}{pairs}");
            // The operating system takes no longer argument; longer values go one by one.
            (line.len() < 131_000).then(|| server.ssh(&ann, &line).success())
        };
        let short: Vec<String> = quoted.iter().map(|value| value.chars().take(2_000).collect()).collect();
        prop_assert!(set("--no-restart", pairs(&short, "Q", quote)).is_some());
        let encoded: Vec<String> = encoded.iter().map(|value| value.chars().take(4_000).collect()).collect();
        prop_assert!(set("--encoded", pairs(&encoded, "E", |value| STANDARD.encode(value))).is_some());
        for (prefix, values) in [("Q", &short), ("E", &encoded)] {
            for (index, value) in values.iter().enumerate() {
                let name = format!("{prefix}{index}");
                let found =
                    in_the_container(&server, &app, &name).map(|bytes| String::from_utf8(bytes).unwrap());
                prop_assert_eq!(found.as_ref(), Some(value), "{} in the container", name);
            }
        }
        let shown = server.ssh(&ann, &format!("config:get {app} Q0")).success().stdout;
        prop_assert_eq!(shown, format!("{}\n", &short[0]), "config:get");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_change_restarts_what_it_concerns_and_values_show_nowhere() {
    let (server, ann, app) = deployed();
    let other = format!("{app}-staging");
    torture::repo().push(&server, &ann, &other).success();
    let instance = |app: &str| server.get(app, "/instance").text();
    let (before, other_before) = (instance(&app), instance(&other));
    let read =
        |name: &str| in_the_container(&server, &app, name).map(|bytes| String::from_utf8(bytes).unwrap());
    let run = |line: &str| server.ssh(&ann, line).success().stdout.replace(&app, "blog");

    // Refused, or told not to: the app goes on as it is.
    server.ssh(&ann, &format!("config:set {app} A=hunter2-0 bad-key=hunter2-1")).exits_with(1);
    run(&format!("config:set --no-restart {app} A=hunter2-2"));
    run(&format!("config:unset {app} NEVER_SET"));
    assert_eq!((instance(&app), read("A")), (before.clone(), None));

    let said = run(&format!("config:set {app} B=hunter2-3"));
    assert!(said.contains("-----> Restarting app blog\n"), "{said}");
    assert_ne!(instance(&app), before);
    assert_eq!((read("A").unwrap(), read("B").unwrap()), ("hunter2-2".to_owned(), "hunter2-3".to_owned()));
    assert_eq!(instance(&other), other_before, "another app was restarted");

    // The app's own wins over the global one, which comes back when its own goes.
    run("config:set --global B=hunter2-4 G=hunter2-5");
    assert_eq!((read("B").unwrap(), read("G").unwrap()), ("hunter2-3".to_owned(), "hunter2-5".to_owned()));
    assert_eq!(in_the_container(&server, &other, "B").unwrap(), b"hunter2-4");
    let imported =
        server.ssh_with_input(&ann, &format!("config:import --replace {app} -"), b"C='hunter2-6'\n");
    assert!(!imported.success().stdout.contains("hunter2"), "an import shows values");
    assert_eq!(
        (read("A"), read("B").unwrap(), read("C").unwrap()),
        (None, "hunter2-4".into(), "hunter2-6".into())
    );
    run(&format!("config:clear {app}"));
    assert_eq!(read("C"), None);

    for line in [
        "releases",
        "releases:info",
        "releases:info --format json",
        "builds:list",
        "builds:output",
        "apps:report",
        "ps:report",
        "logs",
    ] {
        let (name, flags) = line.split_once(' ').unwrap_or((line, ""));
        let shown = server.ssh(&ann, &format!("{name} {app} {flags}")).success();
        assert!(!format!("{shown}").contains("hunter2"), "{line} shows a value:\n{shown}");
    }
    let described = run(&format!("releases {app}"));
    assert!(described.contains("Set B") && described.contains("Set B, G"), "{described}");
    assert!(!server.log().contains("hunter2"), "a value is in the server's log");
    assert_eq!(files_with(&server.root(), b"hunter2"), [] as [String; 0]);
}

/// The files below a directory that contain these bytes.
fn files_with(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files_with(&path, needle));
        } else if kind.is_file()
            && fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|part| part == needle))
        {
            found.push(path.display().to_string());
        }
    }
    found
}
