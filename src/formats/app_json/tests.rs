use std::time::Duration;

use super::*;
use crate::model::health_check::{CheckKind, CheckTest, HealthCheck, HttpTest};

fn app_json(text: &str) -> AppJson {
    let parsed = parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.warnings, Vec::<String>::new());
    parsed.app_json
}

fn error(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn everything_that_is_known_is_read() {
    let read = app_json(
        r#"{
        // Heroku's own keys mean nothing here.
        "name": "blog", "keywords": ["a"], "addons": [{"plan": "x"}],
        "formation": {"web": {"quantity": 2, "max_parallel": 1}, "worker": {"size": "basic"}},
        "scripts": {"postdeploy": {"command": "seed"}, "dokku": {"predeploy": "build", "postdeploy": "ping"}},
        /* Both forms of a wish for a config var. */
        "env": {
            "A": "1", "B": {"generator": "secret"}, "C": {"description": "what"},
            "D": {"value": "x", "sync": true}, "E": {"required": false}, "F": null,
        },
        "cron": [{"command": "clean", "schedule": "@daily"},
                 {"command": "a b", "schedule": "0 4 * * 1-5", "concurrency_policy": "forbid", "maintenance": true}],
        "buildpacks": [{"url": "https://example.com/x"}, "heroku/ruby"],
    }"#,
    );
    let entry = |name: &str| read.formation[&name.parse().unwrap()].clone();
    assert_eq!(entry("web"), FormationEntry { quantity: Some(2), max_parallel: Some(1) });
    assert_eq!(entry("worker"), FormationEntry::default());
    let scripts = [&read.scripts.predeploy, &read.scripts.postdeploy, &read.scripts.first_deploy];
    assert_eq!(scripts.map(Option::as_deref), [Some("build"), Some("ping"), Some("seed")]);
    let var = |name: &str| {
        let wanted = &read.env[&name.parse().unwrap()];
        (wanted.value.as_deref(), wanted.required, wanted.generated, wanted.sync)
    };
    assert_eq!(var("A"), (Some("1"), false, false, false));
    assert_eq!(var("B"), (None, true, true, false));
    assert_eq!(var("C"), (None, true, false, false));
    assert_eq!(var("D"), (Some("x"), true, false, true));
    assert_eq!(var("E"), (None, false, false, false));
    assert_eq!(read.env.len(), 5);
    assert_eq!(read.cron[0].concurrency_policy, ConcurrencyPolicy::Allow);
    assert_eq!(read.cron[1].concurrency_policy, ConcurrencyPolicy::Forbid);
    assert!(read.cron[1].maintenance);
    assert_eq!(read.buildpacks, ["https://example.com/x", "heroku/ruby"]);
    assert_eq!(app_json("\u{feff}{}"), AppJson::default());
}

#[test]
fn checks_have_the_defaults_of_dokku() {
    let read = app_json(
        r#"{"healthchecks": {"web": [
            {"path": "/up?x=1"},
            {"type": "readiness", "path": "/", "port": 80, "scheme": "HTTPS", "content": "ok",
             "httpHeaders": [{"name": "X-A", "value": "b"}], "attempts": 1, "timeout": 2, "wait": 3,
             "initialDelay": 4, "warn": true, "name": "ready"},
            {"type": "liveness", "command": ["test", "-f", ""]},
            {"uptime": 7}, {"listening": true, "path": null}]}}"#,
    );
    let checks = &read.healthchecks[&ProcessType::web()];
    let http = |path: &str| HttpTest {
        path: path.to_owned(),
        port: None,
        tls: false,
        headers: Vec::new(),
        content: None,
    };
    assert_eq!(checks[0], HealthCheck::new(CheckKind::Startup, CheckTest::Http(http("/up?x=1"))));
    let full = HealthCheck {
        name: Some("ready".to_owned()),
        kind: CheckKind::Readiness,
        test: CheckTest::Http(HttpTest {
            port: Some(80),
            tls: true,
            headers: vec![("X-A".to_owned(), "b".to_owned())],
            content: Some("ok".to_owned()),
            ..http("/")
        }),
        attempts: 1,
        timeout: Duration::from_secs(2),
        wait: Duration::from_secs(3),
        initial_delay: Duration::from_secs(4),
        warn: true,
    };
    assert_eq!(checks[1], full);
    let words = ["test", "-f", ""].map(str::to_owned).to_vec();
    assert_eq!(checks[2], HealthCheck::new(CheckKind::Liveness, CheckTest::Command(words)));
    assert_eq!(checks[3].test, CheckTest::Uptime(7));
    assert_eq!(checks[4].test, CheckTest::Listening);
}

#[test]
fn what_is_wrong_is_named_by_its_key_and_line_with_what_is_allowed() {
    for (text, expected) in [
        ("", "line 1: it is empty"),
        ("// nothing\n", "line 1: it is empty"),
        ("[]", "line 1: [] is not an object"),
        ("{\n\"a\": }", "line 2: "),
        ("{'name': 'x'}", "line 1: Single-quoted strings are not allowed"),
        ("{\"formation\": {}, \"formation\": {}}", "formation (line 1): this key stands there twice"),
        (
            "{\n \"formation\": {\n  \"web\": {\"quantity\": -1}}}",
            "formation.web.quantity (line 3): -1 is not a whole number from 0 to 100",
        ),
        (r#"{"formation": {"web": {"quantity": 1.5}}}"#, "1.5 is not a whole number"),
        (r#"{"formation": {"web": {"quantity": "2"}}}"#, "\"2\" is not a whole number"),
        (r#"{"formation": {"web": {"quantity": 100000}}}"#, "100000 is not a whole number from 0 to 100"),
        (r#"{"formation": {"web": {"max_parallel": 0}}}"#, "from 1 to 100"),
        (r#"{"formation": {"web": 2}}"#, "formation.web (line 1): 2 is not an object"),
        (r#"{"formation": {"Web": {}}}"#, "Web is not a valid process name"),
        (r#"{"formation": {"release": {}}}"#, "the release task is run once"),
        (r#"{"scripts": {"postdeploy": ["a"]}}"#, "scripts.postdeploy (line 1): [\"a\"] is not a text"),
        (r#"{"scripts": {"predeploy": " "}}"#, "there is nothing in it"),
        (r#"{"scripts": {"predeploy": "a", "dokku": {"predeploy": "b"}}}"#, "leave one out"),
        (r#"{"env": {"A-B": "x"}}"#, "Invalid key name: 'A-B'"),
        (r#"{"env": {"A": 1}}"#, "env.A (line 1): 1 is not a text in double quotes"),
        (r#"{"env": {"A": {"generator": "uuid"}}}"#, "env.A.generator (line 1): \"uuid\" is not"),
        (r#"{"env": {"A": {"generator": "secret", "value": "x"}}}"#, "leave one out"),
        (r#"{"env": {"A": {"sync": true}}}"#, "there is no value"),
        (r#"{"env": {"A": "a\u0000b"}}"#, "must not contain a NUL"),
        (r#"{"cron": {"command": "x"}}"#, "cron (line 1): {\"command\": \"x\"} is not an array"),
        (r#"{"cron": [{"schedule": "@daily"}]}"#, "cron[0] (line 1): it has no command"),
        (
            r#"{"cron": [{"command": "a", "schedule": "* * * * * *"}]}"#,
            "cron[0].schedule (line 1): \"* * * * * *\" is not a schedule: it has 6 fields: seconds cannot be given",
        ),
        (r#"{"cron": [{"command": "a", "schedule": "61 * * * *"}]}"#, "\"61 * * * *\" is not a schedule: "),
        (r#"{"cron": [{"command": "a", "schedule": "@fortnightly"}]}"#, "@fortnightly is not known"),
        (r#"{"cron": [{"command": "a", "schedule": "@daily", "concurrency_policy": "x"}]}"#, "one of allow"),
        (r#"{"healthchecks": {"web": [{"attempts": 3}]}}"#, "web[0] (line 1): a check has exactly one of"),
        (r#"{"healthchecks": {"web": [{"path": "/", "uptime": 3}]}}"#, "a check has exactly one of"),
        (r#"{"healthchecks": {"web": [{"path": "up"}]}}"#, "is not a path such as /health"),
        (r#"{"healthchecks": {"web": [{"path": "/", "attempts": 0}]}}"#, "attempts (line 1): 0 is not"),
        (r#"{"healthchecks": {"web": [{"path": "/", "timeout": 0}]}}"#, "from 1 to 86400"),
        (r#"{"healthchecks": {"web": [{"path": "/", "type": "x"}]}}"#, "one of startup, readiness"),
        (r#"{"healthchecks": {"web": [{"uptime": 1, "content": "x"}]}}"#, "belongs to a check with a path"),
        (r#"{"healthchecks": {"web": [{"command": []}]}}"#, "[] is not a program"),
        (r#"{"healthchecks": {"web": [{"path": "/", "type": "liveness", "wait": 0}]}}"#, "a wait of 1"),
        (
            r#"{"healthchecks": {"web": [{"path": "/", "httpHeaders": [{"name": "a b", "value": ""}]}]}}"#,
            "is not the name of a header field",
        ),
        (r#"{"buildpacks": [{}]}"#, "buildpacks[0] (line 1): it has no url"),
    ] {
        let message = error(text);
        assert!(message.starts_with("Invalid app.json: ") && message.contains(expected), "{text}: {message}");
    }
    let not_text = parse(b"{\n\"a\": \"\xff\"}").unwrap_err().to_string();
    assert_eq!(not_text, "Invalid app.json: line 2: it is not UTF-8 text");
}

#[test]
fn the_manuals_examples_are_read() {
    let manual = include_str!("../../../docs/processes.md");
    let blocks = |kind: &str| -> Vec<String> {
        let opening = format!("```{kind}\n");
        let blocks = manual.split(&opening).skip(1).filter_map(|rest| rest.split_once("```"));
        blocks.map(|(block, _)| block.to_owned()).collect()
    };
    let examples = blocks("jsonc");
    assert!(!examples.is_empty());
    for example in examples {
        assert_ne!(app_json(&example), AppJson::default(), "{example}");
    }
    let procfiles = blocks("procfile");
    assert!(!procfiles.is_empty());
    for procfile in procfiles {
        crate::formats::procfile::Procfile::parse(procfile.as_bytes()).unwrap();
    }
}

#[test]
fn unknown_keys_are_told_and_change_nothing() {
    let parsed = parse(br#"{"formations": {}, "formation": {"web": {"autoscaling": {}}}}"#).unwrap();
    assert_eq!(
        parsed.warnings,
        [
            "app.json: formation.web.autoscaling is not known here and has no effect",
            "app.json: formations is not known here and has no effect"
        ]
    );
}

#[test]
fn what_is_nested_without_end_is_refused_before_the_stack_ends() {
    let deep = "Invalid app.json: line 2: its objects and arrays are nested too deeply";
    assert_eq!(error(&format!("{{\"addons\":\n{}", "[".repeat(20_000))), deep);
    assert_eq!(error(&format!("{{\"addons\":\n{}", r#"{"a":"#.repeat(400))), deep);

    let brackets = "[".repeat(400);
    let harmless =
        format!("{{\"name\": \"{brackets}\", // {brackets}\n \"addons\": [{}]}}", "[[]],".repeat(400));
    assert_eq!(app_json(&harmless), AppJson::default());
}
