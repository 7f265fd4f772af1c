//! Pushes, fetches and archives by the real client, against the services behind a socket.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use slipway::git::context::ContextRequest;
use slipway::git::push::{Decision, RefUpdate, decide, parse_updates};
use slipway::git::tree::{Snapshot, TreeError};
use slipway::model::app_name::AppName;

use super::server::Server;
use super::support::{Root, Work, noise, run, text};

/// A server with an app, whose hook asks the test through two pipes and obeys.
struct Bench {
    root: Root,
    app: AppName,
    server: Server,
}

/// What the hook tells: its variables, and the lines that git gave to it.
struct Asked {
    variables: Vec<(String, String)>,
    updates: Vec<RefUpdate>,
}

impl Asked {
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn quarantine(&self) -> PathBuf {
        PathBuf::from(self.variable("GIT_QUARANTINE_PATH").unwrap())
    }
}

impl Bench {
    async fn new() -> Self {
        Self::with_limit(0).await
    }

    async fn with_limit(max_input_bytes: u64) -> Self {
        let root = Root::new().await;
        for name in ["asked", "verdict"] {
            mkfifo(&root.directory.path().join(name), Mode::S_IRWXU).unwrap();
        }
        let script = "{ env; echo; cat; } > \"$SLIPWAY_ROOT/asked\"\n\
            read code < \"$SLIPWAY_ROOT/verdict\"; echo \"the hook says $code\" >&2; exit $code";
        root.hook(script).await;
        let app = root.app("blog").await;
        let server = Server::git(root.repositories.clone(), max_input_bytes).await;
        Self { root, app, server }
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server.url, self.app)
    }

    /// Pushes, and answers the hook with what the closure makes of its question.
    async fn push(&self, work: &Work, arguments: &[&str], judge: impl AsyncFnOnce(Asked) -> u8) -> Output {
        let url = self.url();
        let arguments: Vec<String> =
            ["push", url.as_str()].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let directory = work.path().to_owned();
        let push = tokio::task::spawn_blocking(move || super::support::output(&directory, &arguments));
        let asked = tokio::fs::read_to_string(self.root.directory.path().join("asked")).await.unwrap();
        let (variables, updates) = asked.split_once("\n\n").unwrap();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let asked = Asked {
            variables: variables.lines().filter_map(pair).collect(),
            updates: parse_updates(updates.as_bytes()).unwrap(),
        };
        let verdict = judge(asked).await;
        tokio::fs::write(self.root.directory.path().join("verdict"), format!("{verdict}\n")).await.unwrap();
        push.await.unwrap()
    }

    async fn branch(&self, name: &str) -> Option<String> {
        let commit = self.root.repositories.resolve(&self.app, name).await.unwrap();
        commit.map(|commit| commit.to_string())
    }

    async fn snapshot_of(&self, asked: &Asked) -> Snapshot {
        let Ok(Decision::Deploy(target)) = decide(None, &asked.updates) else { panic!("nothing to deploy") };
        let quarantine = asked.quarantine();
        Snapshot::open(&self.root.repositories, &self.app, &target.object, Some(&quarantine)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_read_in_quarantine_before_it_is_accepted() {
    let bench = Bench::new().await;
    let work = Work::new();
    work.write("Procfile", "web: ./run\n");
    let commit = work.commit("first");
    let output = bench
        .push(&work, &["main", "-o", "a=b"], async |asked| {
            assert_eq!(asked.updates.len(), 1);
            assert_eq!(asked.updates[0].new.as_ref().unwrap().as_str(), commit);
            assert_eq!(asked.updates[0].old, None);
            assert_eq!(asked.variable("SLIPWAY_PUSH_TOKEN"), Some("a-token"));
            assert_eq!(asked.variable("SLIPWAY_SOCKET"), Some("/the/socket"));
            assert_eq!(asked.variable("GIT_PUSH_OPTION_0"), Some("a=b"));
            let snapshot = bench.snapshot_of(&asked).await;
            assert_eq!(snapshot.commit().as_str(), commit);
            assert_eq!(snapshot.read_file("Procfile", 100).await.unwrap().unwrap(), b"web: ./run\n");
            // Only with the quarantine can it be read: it is not in the repository yet.
            let object = commit.parse().unwrap();
            let without = Snapshot::open(&bench.root.repositories, &bench.app, &object, None).await;
            assert!(matches!(without, Err(TreeError::Git(_))));
            assert_eq!(bench.branch("main").await, None);
            0
        })
        .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("remote: the hook says 0"));
    assert_eq!(bench.branch("main").await, Some(commit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_push_leaves_nothing_and_can_be_repeated() {
    let bench = Bench::new().await;
    let work = Work::new();
    work.write("a", "1");
    let commit = work.commit("first");
    for verdict in [1, 0] {
        let output = bench.push(&work, &["main"], async |_| verdict).await;
        assert_eq!(output.status.success(), verdict == 0);
        let refused =
            text(&output.stderr).contains("[remote rejected] main -> main (pre-receive hook declined)");
        assert_eq!(refused, verdict == 1, "{}", text(&output.stderr));
        if verdict == 1 {
            assert_eq!(bench.branch("main").await, None);
            assert_eq!(bench.root.bare(&bench.app, &["count-objects"]), "0 objects, 0 kilobytes\n");
        }
    }
    assert_eq!(bench.branch("main").await, Some(commit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_clone_can_be_pushed_and_its_tree_is_whole() {
    let bench = Bench::new().await;
    let origin = Work::new();
    for number in 0..3 {
        origin.write(format!("directory/file{number}"), format!("{number}"));
        origin.commit("more");
    }
    let shallow = Work::new();
    let from = format!("file://{}", origin.path().display());
    shallow.git(&["fetch", "--quiet", "--depth=1", &from, "main"]);
    shallow.git(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    assert_eq!(shallow.git(&["rev-list", "--count", "HEAD"]), "1\n");
    let output = bench
        .push(&shallow, &["main"], async |asked| {
            let snapshot = bench.snapshot_of(&asked).await;
            for number in 0..3 {
                let content = snapshot.read_file(&format!("directory/file{number}"), 10).await.unwrap();
                assert_eq!(content.unwrap(), number.to_string().as_bytes());
            }
            0
        })
        .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The next one, on top of it, and a clone of the result.
    shallow.write("next", "4");
    let commit = shallow.commit("next");
    let output = bench.push(&shallow, &["main"], async |_| 0).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(bench.branch("main").await, Some(commit));
    let clones = tempfile::tempdir().unwrap();
    run(clones.path(), &["clone", "--quiet", &bench.url(), "clone"]);
    let clone = clones.path().join("clone");
    assert!(clone.join("directory/file0").exists() && clone.join("next").exists());
    // Somebody with the whole history goes on from there.
    origin.write("other", "5");
    let commit = origin.commit("other");
    let output = bench.push(&origin, &["--force", "main"], async |_| 0).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(bench.branch("main").await, Some(commit));
    bench.root.bare(&bench.app, &["fsck", "--strict"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_streamed_out_of_a_packed_quarantine() {
    let bench = Bench::new().await;
    let work = Work::new();
    // From a hundred objects on, git keeps the pack as it came.
    for number in 0..120 {
        work.write(format!("file{number}"), number.to_string());
    }
    let large = noise(6 << 20);
    work.write("large", &large);
    work.commit("first");
    let output = bench
        .push(&work, &["main"], async |asked| {
            let packs = super::support::files_below(&asked.quarantine());
            assert!(
                packs.iter().any(|path| path.extension().is_some_and(|kind| kind == "pack")),
                "{packs:?}"
            );
            let mut context = bench.snapshot_of(&asked).await.context(ContextRequest::default());
            let mut bytes = Vec::new();
            while let Some(chunk) = context.stream.next().await {
                bytes.extend_from_slice(&chunk.unwrap());
            }
            assert_eq!(context.summary.await.unwrap().files, 121);
            let mut archive = tar::Archive::new(bytes.as_slice());
            let mut found = archive.entries().unwrap().map(Result::unwrap);
            let mut entry = found.find(|entry| entry.path().unwrap() == Path::new("large")).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert!(content == large);
            0
        })
        .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_tag_leads_to_its_commit() {
    let bench = Bench::new().await;
    let work = Work::new();
    let commit = work.commit("first");
    work.git(&["tag", "-a", "v1", "-m", "annotated"]);
    let output = bench
        .push(&work, &["v1"], async |asked| {
            let Ok(Decision::Deploy(target)) = decide(Some("v1"), &asked.updates) else { panic!() };
            assert_ne!(target.object.as_str(), commit);
            let (repositories, quarantine) = (&bench.root.repositories, asked.quarantine());
            let snapshot = Snapshot::open(repositories, &bench.app, &target.object, Some(&quarantine)).await;
            assert_eq!(snapshot.unwrap().commit().as_str(), commit);
            0
        })
        .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn force_pushes_and_deletions_reach_the_hook() {
    let bench = Bench::new().await;
    let work = Work::new();
    work.commit("first");
    bench.push(&work, &["main", "main:feature"], async |_| 0).await;
    work.git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "other"]);
    let amended = work.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let output = bench.push(&work, &["--force", "main"], async |_| 0).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(bench.branch("main").await, Some(amended));
    let output = bench
        .push(&work, &["--delete", "feature", "main"], async |asked| {
            assert!(asked.updates.iter().all(|update| update.new.is_none()));
            0
        })
        .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(bench.branch("feature").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_over_the_limit_is_refused_before_the_hook() {
    let bench = Bench::with_limit(100_000).await;
    let work = Work::new();
    // Random bytes do not compress.
    work.write("noise", noise(300_000));
    work.commit("large");
    let output = work.try_git(&["push", &bench.url(), "main"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("exceeds maximum allowed size"), "{}", text(&output.stderr));
    assert_eq!(bench.branch("main").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_objects_are_refused_before_the_hook() {
    let bench = Bench::new().await;
    let work = Work::new();
    let blob = work.git(&["hash-object", "-w", "--stdin"]);
    let id = (0..40).step_by(2).map(|at| u8::from_str_radix(&blob[at..at + 2], 16).unwrap());
    let tree = [b"100644 .git\0".to_vec(), id.collect()].concat();
    work.write("tree", tree);
    let tree = work.git(&["hash-object", "-w", "-t", "tree", "--literally", "tree"]);
    let commit = work.git(&["commit-tree", tree.trim(), "-m", "evil"]);
    let output = work.try_git(&["push", &bench.url(), &format!("{}:refs/heads/main", commit.trim())]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("hasDotgit"), "{}", text(&output.stderr));
    assert_eq!(bench.branch("main").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_nonsense_is_refused() {
    let bench = Bench::new().await;
    let mut stream =
        tokio::net::TcpStream::connect(bench.server.url.strip_prefix("git://").unwrap()).await.unwrap();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let request = "git-receive-pack /blog\0host=x\0";
    stream.write_all(format!("{:04x}{request}", request.len() + 4).as_bytes()).await.unwrap();
    let update = format!("{} {} refs/heads/main\0report-status", "0".repeat(40), "1".repeat(40));
    let body = format!("{:04x}{update}0000PACK\0\0\0\x02\0\0\0\x01nonsense", update.len() + 4);
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(text(&answer).contains("unpack"), "{}", text(&answer));
    assert_eq!(bench.branch("main").await, None);
    assert_eq!(bench.root.bare(&bench.app, &["count-objects"]), "0 objects, 0 kilobytes\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetches_speak_version_two_and_hide_what_is_ours() {
    let bench = Bench::new().await;
    let work = Work::new();
    work.write("a", "1");
    let first = work.commit("first");
    work.write("a", "2");
    work.commit("second");
    work.put(&bench.root, &bench.app, "main");
    bench.root.bare(&bench.app, &["update-ref", "refs/slipway/x", &first]);

    let listed = work.git(&["ls-remote", &bench.url()]);
    assert!(listed.contains("refs/heads/main") && !listed.contains("slipway"), "{listed}");
    let traced = super::support::traced(work.path(), &["ls-remote", &bench.url()]);
    assert!(traced.contains("< version 2") && traced.contains("command=ls-refs"), "{traced}");
    let clones = tempfile::tempdir().unwrap();
    run(clones.path(), &["clone", "--quiet", &bench.url(), "whole"]);
    assert_eq!(std::fs::read(clones.path().join("whole/a")).unwrap(), b"2");
    run(clones.path(), &["clone", "--quiet", "--bare", "--filter=blob:none", &bench.url(), "partial"]);
    // An earlier commit by its name, as long as a branch still leads to it.
    run(&clones.path().join("whole"), &["fetch", "--quiet", "--depth=1", &bench.url(), &first]);
    // git asks the hook all the same; that it agrees is of no use.
    let refused = bench.push(&work, &["main:refs/slipway/x"], async |_| 0).await;
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("hidden ref"), "{}", text(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_served() {
    let bench = Bench::new().await;
    let work = Work::new();
    work.write("directory/a", "1");
    work.commit("first");
    work.put(&bench.root, &bench.app, "main");
    let listing = work.git(&["archive", "--format=tar", &format!("--remote={}", bench.url()), "main"]);
    assert!(listing.contains("directory/a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_takes_the_hook_with_it() {
    let root = Root::new().await;
    let marker = root.directory.path().join("hook-process");
    root.hook("echo $$ > \"$SLIPWAY_ROOT/hook-process\"; sleep 1000").await;
    let app = root.app("blog").await;
    let server = Server::git(root.repositories.clone(), 0).await;
    let work = Work::new();
    work.commit("first");
    let url = format!("{}/blog", server.url);
    let mut push = tokio::process::Command::new("git")
        .current_dir(work.path())
        .args(["push", &url, "main"])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = wait_for(|| std::fs::read_to_string(&marker).ok().filter(|pid| pid.ends_with('\n'))).await;
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    push.kill().await.unwrap();
    drop(server);
    // The test's server copies in a task of its own, which notices the closed socket.
    wait_for(|| (!process.exists()).then_some(())).await;
    assert_eq!(root.repositories.resolve(&app, "main").await.unwrap(), None);
}

async fn wait_for<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "it did not happen in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
