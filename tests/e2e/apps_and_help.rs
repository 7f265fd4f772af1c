//! Apps from their making to their end, and what is said to somebody who mistypes or asks for help.
#![expect(clippy::too_many_lines, reason = "what a person sees stands beside what they typed")]

use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::transcript::{show, transcript};
use crate::harness::wait::wait_until;

#[test]
fn apps_are_made_listed_and_locked() {
    let (server, ann) = Server::with_person("ann");
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:list",
        "apps:list --format json",
        "apps:create blog",
        "apps:create blog",
        "apps:create blog-staging",
        "apps:list",
        "--quiet apps:list",
        "apps:list --format json",
        "apps:exists blog",
        "apps:exists blo",
        "apps:exists BLOG",
        "--app blog apps:exists",
        "--app blo apps:exists",
        "apps:locked blog",
        "apps:lock blog",
        "apps:locked blog",
        "apps:locked blog-staging",
        "apps:unlock blog",
        "apps:locked blog",
    ]), @r#"
    $ apps:list
    2> !     You haven't deployed any applications yet
    $ apps:list --format json
    []
    $ apps:create blog
    -----> Creating blog...
    $ apps:create blog
    2> !     Name is already taken
    2> !     Choose another one
    [exit 1]
    $ apps:create blog-staging
    -----> Creating blog-staging...
    $ apps:list
    =====> My Apps
    blog
    blog-staging
    $ --quiet apps:list
    blog
    blog-staging
    $ apps:list --format json
    ["blog","blog-staging"]
    $ apps:exists blog
    $ apps:exists blo
    2> !     App blo does not exist
    [exit 20]
    $ apps:exists BLOG
    2> !     App BLOG does not exist
    [exit 20]
    $ --app blog apps:exists
    $ --app blo apps:exists
    2> !     App blo does not exist
    [exit 20]
    $ apps:locked blog
    2> !     Deploy lock does not exist
    [exit 1]
    $ apps:lock blog
    -----> Deploy lock created
    $ apps:locked blog
    Deploy lock exists
    $ apps:locked blog-staging
    2> !     Deploy lock does not exist
    [exit 1]
    $ apps:unlock blog
    -----> Deploy lock removed
    $ apps:locked blog
    2> !     Deploy lock does not exist
    [exit 1]
    "#);
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:create",
        "apps:create Blog",
        "apps:create my_blog",
        "apps:create ../blog",
        "apps:create ''",
        "apps:create 'two words'",
        "apps:create two words",
        "apps:create -- -blog",
        "apps:rename blog blog-staging",
        "apps:rename blog Bad",
        "apps:rename blog",
        "apps:rename nope nope-2",
    ]), @r"
    $ apps:create
    2> !     Please specify an app to run the command on
    2> !     Usage: apps:create <APP>
    2> !     See `apps:create --help`
    [exit 1]
    $ apps:create Blog
    2> !     App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens
    [exit 1]
    $ apps:create my_blog
    2> !     App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens
    [exit 1]
    $ apps:create ../blog
    2> !     App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens
    [exit 1]
    $ apps:create ''
    2> !     App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens
    [exit 1]
    $ apps:create 'two words'
    2> !     App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens
    [exit 1]
    $ apps:create two words
    2> !     unexpected argument 'words' found
    2> !     Usage: apps:create <APP>
    2> !     See `apps:create --help`
    [exit 1]
    $ apps:create -- -blog
    2> !     App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens
    [exit 1]
    $ apps:rename blog blog-staging
    2> !     Name is already taken
    2> !     Choose another one
    [exit 1]
    $ apps:rename blog Bad
    2> !     App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens
    [exit 1]
    $ apps:rename blog
    2> !     Please specify <NEW_APP>
    2> !     Usage: apps:rename <OLD_APP> <NEW_APP>
    2> !     See `apps:rename --help`
    [exit 1]
    $ apps:rename nope nope-2
    2> !     App nope does not exist
    [exit 20]
    ");
    let long = format!("apps:create {}", "a".repeat(64));
    assert!(server.ssh(&ann, &long).exits_with(1).stderr.contains("not be longer than 63"));
    assert_eq!(server.ssh(&ann, "--quiet apps:list").success().stdout, "blog\nblog-staging\n");
}

#[test]
fn an_app_is_destroyed_only_when_its_own_name_is_typed() {
    let (server, ann) = Server::with_person("ann");
    for app in ["blog", "blog-staging"] {
        server.ssh(&ann, &format!("apps:create {app}")).success();
    }
    let answer = |line: &str, input: &str| show(line, &server.ssh_with_input(&ann, line, input.as_bytes()));
    assert_snapshot!(answer("apps:destroy blog", "blog-staging\n"), @r#"
    $ apps:destroy blog
    > 
    2> !     WARNING: Potentially Destructive Action
    2> !     This command will destroy app blog.
    2> !     To proceed, type "blog"
    2> !     Confirmation did not match test. Aborted.
    2> !     Type the app's name, or use apps:destroy --force blog
    [exit 1]
    "#);
    for no in ["", "\n", "y\n", "blo", "BLOG\n", "no\nblog\n"] {
        let refused = server.ssh_with_input(&ann, "apps:destroy blog", no.as_bytes()).exits_with(1);
        assert!(refused.stderr.contains("Aborted"), "{no:?}:\n{refused}");
    }
    assert_eq!(server.ssh(&ann, "--quiet apps:list").stdout, "blog\nblog-staging\n");

    assert_snapshot!(answer("apps:destroy blog", "blog\n"), @r#"
    $ apps:destroy blog
    > 
    -----> Destroying blog (including all add-ons)
           Removing containers
    2> !     WARNING: Potentially Destructive Action
    2> !     This command will destroy app blog.
    2> !     To proceed, type "blog"
    "#);
    assert_eq!(server.ssh(&ann, "--quiet apps:list").stdout, "blog-staging\n");
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:destroy blog --force",
        "apps:destroy blog-staging --force",
        "apps:create blog",
        "--force apps:destroy blog",
        "--force apps:list",
    ]), @r"
    $ apps:destroy blog --force
    2> !     App blog does not exist
    [exit 20]
    $ apps:destroy blog-staging --force
    -----> Destroying blog-staging (including all add-ons)
           Removing containers
    $ apps:create blog
    -----> Creating blog...
    $ --force apps:destroy blog
    -----> Destroying blog (including all add-ons)
           Removing containers
    $ --force apps:list
    2> !     You haven't deployed any applications yet
    ");
}

#[test]
fn a_renamed_app_moves_with_all_it_has_and_its_neighbour_stays() {
    let (server, ann) = Server::with_person("ann");
    let old = names::unique("blog");
    let (new, neighbour) = (format!("{old}-new"), format!("{old}-staging"));
    let limited = Person::new("limited");
    server.add_key_with(&limited, &["--role", "deployer", "--for", &old]);
    let repo = torture::repo();
    repo.push(&server, &ann, &old).success();
    repo.push(&server, &ann, &neighbour).success();
    let untouched = server.get(&neighbour, "/instance").text();
    let containers = |app: &str| engine::container_names("com.dokku.app-name", app);

    let renamed = server.ssh(&ann, &format!("apps:rename {old} {new}")).success();

    assert!(renamed.stdout.starts_with(&format!("-----> Renaming {old} to {new}\n")), "{renamed}");
    assert_eq!(server.get(&new, "/").text(), "torture\n");
    assert_eq!(server.get(&old, "/").status, 404);
    assert_eq!(server.ssh(&ann, &format!("url {new}")).success().stdout.trim(), server.url(&new));
    assert_eq!(containers(&new), [format!("{new}.web.1")]);
    wait_until("the old containers are gone", Duration::from_secs(30), || containers(&old).is_empty());
    server.ssh(&ann, &format!("apps:exists {old}")).exits_with(20);
    assert!(repo.git_as(&ann, &["ls-remote", &server.git_url(&old)]).code != 0);
    torture::commit_version(&repo, "2");
    repo.push(&server, &limited, &new).success();
    assert!(server.get(&new, "/instance").text().contains("\nversion 2\n"));

    // The next app of the old name is somebody else's.
    server.ssh(&ann, &format!("apps:create {old}")).success();
    server.ssh(&limited, &format!("apps:exists {old}")).exits_with(20);
    server.ssh(&ann, &format!("apps:lock {new}")).success();
    torture::commit_version(&repo, "3");
    let refused = repo.push(&server, &ann, &new);
    assert!(refused.code != 0 && refused.stderr.contains("apps:unlock"), "{refused}");
    server.ssh(&ann, &format!("apps:unlock {new}")).success();
    repo.push(&server, &ann, &new).success();

    for app in [&old, &new] {
        server.ssh(&ann, &format!("apps:destroy {app} --force")).success();
    }
    assert_eq!(containers(&new), [] as [String; 0]);
    assert_eq!(containers(&neighbour), [format!("{neighbour}.web.1")]);
    assert_eq!(server.get(&neighbour, "/instance").text(), untouched);
}

#[test]
fn whoever_mistypes_is_told_what_was_probably_meant() {
    let (server, ann) = Server::with_person("ann");
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:creat blog",
        "app:list",
        "APPS:LIST",
        "apps:",
        "apps:frobnicate",
        "frobnicate",
        "log blog",
        "git-recieve-pack blog",
        "apps:list --fromat json",
        "apps:list --format yaml",
        "apps:list blog",
        "config:set --restart blog A=1",
        "config:show",
        "ssh-keys:add",
        "--app",
        "nope:help",
        "help nope",
        "'unclosed",
    ]), @r"
    $ apps:creat blog
    2> !     `apps:creat` is not a slipway command.
    2> !     Did you mean `apps:create`?
    2> !     See `apps:help` for its commands.
    [exit 1]
    $ app:list
    2> !     `app:list` is not a slipway command.
    2> !     Did you mean `apps:list`?
    2> !     See `help` for a list of available commands.
    [exit 1]
    $ APPS:LIST
    2> !     `APPS:LIST` is not a slipway command.
    2> !     Did you mean `apps:list`?
    2> !     See `help` for a list of available commands.
    [exit 1]
    $ apps:
    2> !     `apps:` is not a slipway command.
    2> !     See `apps:help` for its commands.
    [exit 1]
    $ apps:frobnicate
    2> !     `apps:frobnicate` is not a slipway command.
    2> !     See `apps:help` for its commands.
    [exit 1]
    $ frobnicate
    2> !     `frobnicate` is not a slipway command.
    2> !     See `help` for a list of available commands.
    [exit 1]
    $ log blog
    2> !     `log` is not a slipway command.
    2> !     Did you mean `logs`?
    2> !     See `help` for a list of available commands.
    [exit 1]
    $ git-recieve-pack blog
    2> !     `git-recieve-pack` is not a slipway command.
    2> !     See `help` for a list of available commands.
    [exit 1]
    $ apps:list --fromat json
    2> !     unexpected argument '--fromat' found
    2> !     tip: a similar argument exists: '--format'
    2> !     Usage: apps:list --format <FORMAT>
    2> !     See `apps:list --help`
    [exit 1]
    $ apps:list --format yaml
    2> !     invalid value 'yaml' for '--format <FORMAT>'
    2> !     [possible values: stdout, json]
    2> !     See `apps:list --help`
    [exit 1]
    $ apps:list blog
    2> !     unexpected argument 'blog' found
    2> !     Usage: apps:list [OPTIONS]
    2> !     See `apps:list --help`
    [exit 1]
    $ config:set --restart blog A=1
    2> !     unexpected argument '--restart' found
    2> !     tip: a similar argument exists: '--no-restart'
    2> !     Usage: config:set --no-restart [APP] [KEY=VALUE]...
    2> !     See `config:set --help`
    [exit 1]
    $ config:show
    2> !     Please specify an app to run the command on
    [exit 1]
    $ ssh-keys:add
    2> !     Please specify <NAME>
    2> !     Usage: ssh-keys:add <NAME>
    2> !     See `ssh-keys:add --help`
    [exit 1]
    $ --app
    2> !     --app needs the name of an app and a command
    2> !     For example: --app blog config:show
    [exit 1]
    $ nope:help
    2> !     `nope` is not a slipway command.
    2> !     See `help` for a list of available commands.
    [exit 1]
    $ help nope
    2> !     `nope` is not a slipway command.
    2> !     See `help` for a list of available commands.
    [exit 1]
    $ 'unclosed
    2> !     The quotes in this command do not match: 'unclosed
    [exit 1]
    ");
}

#[test]
fn help_is_where_one_looks_for_it_and_shows_only_what_one_may_do() {
    let (server, ann) = Server::with_person("ann");
    assert_snapshot!(transcript(&server, &ann, &["apps:help", "apps:create --help"]), @r"
    $ apps:help
        apps:clone [OPTIONS] <OLD_APP> <NEW_APP>   Makes a second app of an app's code and settings, with host names of its own, and deploys it
        apps:create <APP>                          Creates an app: its name, its repository and its host name
        apps:destroy [OPTIONS] <APP>               Destroys an app with its containers, releases, repository and build cache
        apps:exists <APP>                          Says by its exit status whether an app exists: 0 or 20
        apps:list [OPTIONS]                        Lists your apps
        apps:lock <APP>                            Refuses deploys of an app until apps:unlock
        apps:locked <APP>                          Says by its exit status whether deploys of an app are refused
        apps:unlock <APP>                          Allows deploys of an app again
        apps:rename <OLD_APP> <NEW_APP>            Gives an app another name; its containers are replaced under the new one
        apps:report [APP|FLAG]...                  Reports on one app, or on all
        apps:set [OPTIONS] [APP] [KEY [VALUE]]...  Sets a property of apps as a whole: --global disable-autocreation true
    $ apps:create --help
    Usage: apps:create <APP>

    Creates an app: its name, its repository and its host name

    Arguments:
      <APP>  The name: lowercase letters, digits, dots and hyphens

    Options:
      -h, --help  Print help
    ");
    let shown = |person: &Person, line: &str| server.ssh(person, line).success().stdout;
    assert_eq!(shown(&ann, "help apps"), shown(&ann, "apps:help"));
    assert_eq!(shown(&ann, "help apps:create"), shown(&ann, "apps:create -h"));
    // A command that is a namespace as well.
    let logs = shown(&ann, "help logs");
    assert!(logs.starts_with(&shown(&ann, "logs --help")), "{logs}");
    assert!(logs.contains("    logs:failed "), "{logs}");
    let all = shown(&ann, "help");
    assert_eq!(all, shown(&ann, "--help"));
    for command in ["apps:create", "config:set", "logs", "run", "ssh-keys:add", "releases:rollback"] {
        assert!(all.lines().any(|line| line.trim_start().starts_with(command)), "no {command} in:\n{all}");
    }
    assert!(!all.contains("git-receive-pack"), "an entry point for git is listed:\n{all}");

    let bare = crate::harness::process::run(&mut ann.ssh(&server)).success().stdout;
    assert_eq!(
        bare,
        format!(
            "Hello ann. Your role is admin, for all apps.\nSlipway gives no shell: write a command behind the host's name.\n\n{all}"
        )
    );

    let bob = Person::new("bob");
    server.add_key_with(&bob, &["--role", "viewer", "--for", "blog"]);
    assert_snapshot!(transcript(&server, &bob, &["config:help", "apps:help", "ssh-keys:help"]), @r"
    $ config:help
        config:keys [OPTIONS] [APP]...  Lists the names of config vars
    $ apps:help
        apps:exists <APP>          Says by its exit status whether an app exists: 0 or 20
        apps:list [OPTIONS]        Lists your apps
        apps:locked <APP>          Says by its exit status whether deploys of an app are refused
        apps:report [APP|FLAG]...  Reports on one app, or on all
    $ ssh-keys:help
    2> !     Your key opens no command of `ssh-keys`
    2> !     See `help` for those that it opens.
    [exit 1]
    ");
    let bare = crate::harness::process::run(&mut bob.ssh(&server)).success().stdout;
    assert!(bare.starts_with("Hello bob. Your role is viewer, for blog.\n"), "{bare}");
}
