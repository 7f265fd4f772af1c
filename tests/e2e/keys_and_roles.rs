//! Keys: adding them, what each opens, and that a removed one opens nothing.

use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::{Output, run};
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::transcript::{show, transcript};

#[test]
fn a_key_is_added_once_under_one_name_and_listed() {
    let (server, ann) = Server::with_person("ann");
    let (bob, eve) = (Person::new("bob"), Person::new("eve"));
    let add = |line: &str, input: &str| show(line, &server.ssh_with_input(&ann, line, input.as_bytes()));
    let both = bob.public_key() + &eve.public_key();
    let private = std::fs::read_to_string(bob.private_key()).unwrap();
    let refused = [
        add("ssh-keys:add bob", ""),
        add("ssh-keys:add bob", "\n# a comment\n"),
        add("ssh-keys:add bob", &both),
        add("ssh-keys:add bob", "ssh-ed25519 AAAA bob\n"),
        add("ssh-keys:add bob", "hello\n"),
        add("ssh-keys:add bob", &private),
        add("ssh-keys:add 'bob b'", &bob.public_key()),
        add("ssh-keys:add bob --role owner", &bob.public_key()),
        add("ssh-keys:add bob --for Blog", &bob.public_key()),
        add("ssh-keys:add ann2", &ann.public_key()),
        add("ssh-keys:add ann", &bob.public_key()),
    ];
    assert_snapshot!(refused.concat(), @"");
    let keys: Value =
        serde_json::from_str(&server.ssh(&ann, "ssh-keys:list --format json").success().stdout).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 1, "{keys}");

    let line = "ssh-keys:add bob --role deployer --for blog --for shop";
    let fingerprint = server.ssh_with_input(&ann, line, bob.public_key().as_bytes()).success().stdout;
    let mut keygen = Command::new("ssh-keygen");
    let printed = run(keygen.arg("-lf").arg(bob.private_key().with_extension("pub"))).success().stdout;
    assert!(printed.contains(&format!(" {} ", fingerprint.trim())), "{printed} is not {fingerprint}");
    server.ssh_with_input(&ann, "ssh-keys:add eve --role viewer", eve.public_key().as_bytes()).success();

    let lines = server.ssh(&ann, "ssh-keys:list").success().stdout;
    let without_fingerprints: String = lines.lines().map(|line| format!("{}\n", &line[50..])).collect();
    assert_snapshot!(without_fingerprints, @"");
    let keys: Value =
        serde_json::from_str(&server.ssh(&ann, "ssh-keys:list bob --format json").stdout).unwrap();
    let public_key = bob.public_key().split(' ').take(2).collect::<Vec<_>>().join(" ");
    let wanted = serde_json::json!([{
        "name": "bob",
        "fingerprint": fingerprint.trim(),
        "public-key": public_key.trim(),
        "role": "deployer",
        "access": {"only": ["blog", "shop"]},
    }]);
    assert_eq!(keys, wanted);
    assert_snapshot!(transcript(&server, &ann, &[
        "ssh-keys:list nobody",
        "ssh-keys:remove nobody",
        "ssh-keys:remove",
        "ssh-keys:remove eve",
    ]), @"");
    let by_fingerprint = format!("ssh-keys:remove --fingerprint {fingerprint}");
    server.ssh(&ann, &by_fingerprint).success();
    assert_eq!(server.ssh(&ann, "ssh-keys:list").success().stdout.lines().count(), 1);
}

#[test]
fn each_role_opens_its_own_commands_and_those_of_the_roles_below() {
    let (server, ann) = Server::with_person("ann");
    let (viewer, deployer) = (Person::new("vic"), Person::new("dan"));
    server.add_key_with(&viewer, &["--role", "viewer"]);
    server.add_key_with(&deployer, &["--role", "deployer"]);
    server.ssh(&ann, "apps:create blog").success();

    assert_snapshot!(transcript(&server, &viewer, &[
        "--quiet apps:list",
        "config:keys blog",
        "config:show blog",
        "config:get blog A",
        "config:export blog",
        "config:set blog A=1",
        "apps:create shop",
        "apps:destroy blog --force",
        "ps:scale blog web=2",
        "run blog env",
        "domains:add blog example.com",
        "ssh-keys:list",
    ]), @"");
    let push = torture::repo().push(&server, &viewer, "blog");
    assert!(push.code != 0 && push.stderr.contains("git-receive-pack needs the role deployer"), "{push}");

    assert_snapshot!(transcript(&server, &deployer, &[
        "--quiet config:set --no-restart blog A=1",
        "config:get blog A",
        "apps:create shop",
        "apps:lock shop",
        "apps:rename shop store",
        "apps:destroy shop --force",
        "domains:set-global example.com",
        "ssh-keys:list",
        "ssh-keys:remove ann",
    ]), @"");
    let own_key =
        server.ssh_with_input(&deployer, "ssh-keys:add more", Person::new("more").public_key().as_bytes());
    assert!(own_key.code == 1 && own_key.stderr.contains("needs the role admin"), "{own_key}");
    assert_eq!(server.ssh(&ann, "--quiet apps:list").stdout, "blog\nshop\n");
    assert_eq!(server.ssh(&ann, "ssh-keys:list").stdout.lines().count(), 3);
}

/// Commands that name one app, with the app's name where `APP` stands.
const ABOUT_ONE_APP: &[&str] = &[
    "apps:exists APP",
    "apps:lock APP",
    "apps:report APP",
    "apps:rename APP mine",
    "apps:destroy --force APP",
    "builds:list APP",
    "config:get APP A",
    "config:set APP A=1",
    "config:import APP",
    "domains:add APP example.com",
    "git:from-image APP debian:bookworm-slim",
    "logs APP",
    "ps:report APP",
    "ps:scale APP web=0",
    "releases APP",
    "run APP env",
    "enter APP",
    "url APP",
    "git-upload-pack APP",
    "git-receive-pack APP",
];

#[test]
fn an_app_that_a_key_does_not_open_looks_like_one_that_does_not_exist() {
    let (server, ann) = Server::with_person("ann");
    let limited = Person::new("limited");
    server.add_key_with(&limited, &["--role", "admin", "--for", "blog"]);
    for app in ["blog", "blog-staging", "secret"] {
        server.ssh(&ann, &format!("apps:create {app}")).success();
    }

    for command in ABOUT_ONE_APP {
        let said = |app: &str| {
            let output = server.ssh(&limited, &command.replace("APP", app));
            show("", &output).replace(app, "APP")
        };
        let forbidden = said("secret");
        assert_eq!(forbidden, said("absent"), "{command} tells the two apart");
        assert!(
            forbidden.contains("App APP does not exist") || command.starts_with("git-receive"),
            "{command}:\n{forbidden}"
        );
        assert!(
            forbidden.ends_with("[exit 20]\n") || command.starts_with("git-receive"),
            "{command}:\n{forbidden}"
        );
    }
    // A key's app is no prefix of others.
    server.ssh(&limited, "apps:exists blog-staging").exits_with(20);
    assert_snapshot!(transcript(&server, &limited, &[
        "--quiet apps:list",
        "apps:list --format json",
        "apps:create mine",
        "config:set --global A=1",
        "config:show --global",
        "--quiet config:set --no-restart blog A=1",
        "ssh-keys:list",
        "domains:add-global example.com",
    ]), @"");
    let repo = Repo::new();
    repo.commit("Nothing");
    for app in ["secret", "absent"] {
        let refused =
            |output: Output| assert!(output.code != 0 && !output.stderr.contains("Hello"), "{output}");
        refused(repo.push(&server, &limited, app));
        refused(repo.git_as(&limited, &["ls-remote", &server.git_url(app)]));
    }
    assert_eq!(server.ssh(&ann, "--quiet apps:list").stdout, "blog\nblog-staging\nsecret\n");
    assert_eq!(server.ssh(&ann, "config:keys secret").success().stdout, "");
}

#[test]
fn a_removed_key_opens_nothing_also_on_a_connection_that_is_still_open() {
    let (server, ann) = Server::with_person("ann");
    let bob = Person::new(&names::unique("bob"));
    server.add_key(&bob);
    let directory = tempfile::tempdir().unwrap();
    let control = format!("ControlPath={}/control", directory.path().display());
    let shared = |words: &[&str]| {
        let mut ssh = bob.ssh(&server);
        // Options may stand behind the host's name as long as no command has begun.
        ssh.args(["-o", &control]).args(words);
        run(&mut ssh)
    };
    shared(&["-o", "ControlMaster=yes", "-o", "ControlPersist=60", "-f", "-N"]).success();
    assert!(shared(&["apps:list", "--format", "json"]).success().stdout.starts_with("[]"));

    server.ssh(&ann, &format!("ssh-keys:remove {}", bob.name())).success();

    assert_snapshot!(show("apps:list", &shared(&["apps:list"])), @"");
    let clone = shared(&["git-upload-pack", "blog"]);
    assert!(clone.code == 1 && clone.stderr.contains("removed"), "{clone}");
    shared(&["-O", "check"]).success();
    shared(&["-O", "exit"]).success();
    assert!(server.ssh(&bob, "apps:list").exits_with(255).stderr.contains("Permission denied (publickey)"));
    server.ssh(&ann, "apps:list").success();
}
