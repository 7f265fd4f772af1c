//! Building from a Dockerfile: what can be set, what a step gets, and how failures look.

use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::{Output, count_processes_with};
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const SECRET: &str = "a \"secret\" of $HOME's";

/// A repository whose app is in `services/web`, and whose top is of no use.
fn monorepo(cache: &str) -> Repo {
    let repo = torture::repo();
    let program = std::fs::read(repo.path().join("torture")).unwrap();
    repo.git(&["rm", "-q", "torture", "Procfile", "Dockerfile"]).success();
    repo.write("Dockerfile", "FROM scratch\nRUN this is not the one\n");
    repo.write_executable("services/web/torture", program);
    repo.write("services/web/Procfile", "web: /torture web\nworker: /torture worker\n");
    repo.write("services/web/.dockerignore", "*.txt\n!kept.txt\nprivate\n");
    for file in ["ignored.txt", "kept.txt", "private/key", "deep/ignored.txt"] {
        repo.write(&format!("services/web/{file}"), "x\n");
    }
    repo.write(
        "services/web/docker/Dockerfile.prod",
        format!(
            "FROM debian:bookworm-slim AS wanted\n\
             ARG COLOUR=none\n\
             ARG PLACE\n\
             COPY . /src\n\
             RUN cd /src && find . -type f | sort | tr '\\n' ' '\n\
             RUN --mount=type=secret,id=TOKEN echo \"the secret has $(wc -c < /run/secrets/TOKEN) bytes\"\n\
             RUN --mount=type=cache,id={cache},target=/cache echo x >> /cache/n; echo \"build $(wc -l < /cache/n)\"\n\
             ENV COLOUR=$COLOUR PLACE=$PLACE\n\
             COPY torture /torture\n\
             CMD [\"/torture\"]\n\
             FROM wanted AS unwanted\n\
             RUN exit 1\n"
        ),
    );
    repo.commit("A monorepo");
    repo
}

#[test]
fn directory_file_target_arguments_secrets_and_caches_reach_the_build() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = monorepo(&names::never_used("cache"));
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).success();
    ssh("apps:create APP");
    ssh("builder:set APP build-dir services/web");
    ssh("builder-dockerfile:set APP dockerfile-path docker/Dockerfile.prod");
    ssh("builder-dockerfile:set APP target wanted");
    ssh("docker-options:add APP build '--build-arg COLOUR=\"deep blue\" --build-arg PLACE'");
    let token = shlex::try_quote(SECRET).unwrap().into_owned();
    ssh(&format!("config:set --no-restart APP PLACE=here TOKEN={token}"));

    let push = repo.push(&server, &alice, &app).success();
    let said = push.remote_lines().join("\n");
    assert!(said.contains("./kept.txt") && said.contains("./torture"), "{said}");
    // A pattern without a slash is for the top only, as Docker has it.
    assert!(!said.contains(" ./ignored.txt") && said.contains(" ./deep/ignored.txt"), "{said}");
    assert!(!said.contains("private"), "{said}");
    assert!(said.contains(&format!("the secret has {} bytes", SECRET.len())), "{said}");
    assert!(said.contains("build 1"), "{said}");
    let environment = server.get(&app, "/env").text();
    assert!(
        environment.contains("COLOUR=deep blue\0") && environment.contains("PLACE=here\0"),
        "{environment}"
    );
    let containers = engine::get("/containers/json");
    let name = format!("/{app}.web.1");
    let container = containers.as_array().unwrap().iter().find(|found| found["Names"][0] == name.as_str());
    let image = container.unwrap()["ImageID"].as_str().unwrap().to_owned();
    let history = engine::get(&format!("/images/{image}/history")).to_string();
    assert!(history.contains("COLOUR") && !history.contains("of $HOME"), "{history}");

    repo.write("services/web/kept.txt", "y\n");
    repo.commit("Another context");
    ssh("docker-options:remove APP build --build-arg COLOUR");
    let said = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(said.contains("build 2"), "the cache is gone:\n{said}");
    assert!(server.get(&app, "/env").text().contains("COLOUR=none\0"));

    for (line, reason) in [
        ("builder:set APP build-dir ../other", "not a path inside"),
        ("builder:set APP build-dir /etc", "not a path inside"),
        ("builder-dockerfile:set APP dockerfile-path a/../../b", "not a path inside"),
        ("builder-dockerfile:set APP target 'a b'", "not the name of a build stage"),
        ("docker-options:add APP run --privileged", "--privileged is not allowed"),
        ("docker-options:add APP build --network=host", "--network is not allowed"),
    ] {
        let refused = server.ssh(&alice, &line.replace("APP", &app)).exits_with(1);
        assert!(refused.stderr.contains(reason), "{line}:\n{refused}");
    }
}

/// What the server said in a push that it has to refuse.
#[track_caller]
fn refusal(push: Output) -> String {
    assert_ne!(push.code, 0, "the push was taken:\n{push}");
    assert!(push.stderr.contains("[remote rejected]"), "git was not told so:\n{push}");
    push.remote_lines().join("\n")
}

#[test]
fn what_cannot_be_built_says_where_and_why() {
    let server = Server::start_with("[deploy]\nbuild-seconds = 4\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    let (dockerfile, procfile) = ("Dockerfile", "Procfile");
    let base = "FROM debian:bookworm-slim\n";
    for (file, content, reasons) in [
        (
            dockerfile,
            format!("{base}RUN echo to stdout && echo to stderr >&2 && exit 7\n"),
            ["to stderr", "failed with exit code 7"],
        ),
        (dockerfile, format!("{base}COPY nothing-here /\n"), ["COPY nothing-here", "not found"]),
        (dockerfile, format!("{base}RUNN echo\n"), ["RUNN", "line 2"]),
        (
            dockerfile,
            format!("{base}RUN --mount=type=secret,id=MISSING,required cat /run/secrets/MISSING\n"),
            ["MISSING", "not found"],
        ),
        (dockerfile, String::new(), ["Dockerfile", "empty"]),
        (procfile, "web: /torture web\n\nthis is no process\n".to_owned(), ["Procfile", "line 3"]),
        (procfile, "web: /torture 'web\n".to_owned(), ["Procfile", "line 1"]),
    ] {
        let good = std::fs::read(repo.path().join(file)).unwrap();
        repo.write(file, &content);
        repo.commit("It cannot be built");
        let said = refusal(repo.push(&server, &alice, &app));
        for reason in reasons {
            assert!(said.contains(reason), "`{reason}` is not said of {content:?}:\n{said}");
        }
        assert_eq!(server.get(&app, "/instance").text(), before);
        repo.write(file, good);
    }
    let good = std::fs::read(repo.path().join(dockerfile)).unwrap();
    repo.git(&["rm", "-q", "--cached", dockerfile]).success();
    std::fs::remove_file(repo.path().join(dockerfile)).unwrap();
    repo.commit("No Dockerfile");
    // Else buildpacks would take it.
    server.ssh(&alice, &format!("builder:set {app} selected dockerfile")).success();
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("no Dockerfile in the repository"), "{said}");

    let marker = names::unique("marker");
    repo.write(dockerfile, [good.clone(), format!("RUN sleep 300; : {marker}\n").into_bytes()].concat());
    repo.commit("A step that hangs");
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("longer than 4 s") && said.contains("build-seconds"), "{said}");
    wait_until("the step is gone", Duration::from_secs(10), || count_processes_with(&marker) == 0);
    assert_eq!(server.get(&app, "/instance").text(), before);

    repo.write(dockerfile, good);
    torture::commit_version(&repo, "2");
    server.ssh(&alice, &format!("builder-dockerfile:set {app} target nowhere")).success();
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("nowhere"), "{said}");
    server.ssh(&alice, &format!("builder-dockerfile:set {app} target")).success();
    repo.push(&server, &alice, &app).success();
}
