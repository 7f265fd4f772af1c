//! Scheduled tasks: `cron:*` and what the server does by itself.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::{wait_for, wait_until};

/// Within what the server does what it is told.
const SOON: Duration = Duration::from_secs(20);
/// The longest time until a task that is due every minute has run, and a while to run it.
const A_MINUTE: Duration = Duration::from_secs(90);
/// Goes on until it is told to end, and ends with a status of its own.
const PATIENT: &str = "trap 'echo told; exit 4' TERM; echo begun; sleep 1000 & wait";

/// An app with scheduled tasks.
struct Blog {
    server: Server,
    alice: Person,
    app: String,
    repo: Repo,
}

impl Blog {
    fn deployed(entries: &Value) -> Self {
        let (server, alice) = Server::with_person("alice");
        let blog = Self { server, alice, app: names::unique("cron"), repo: torture::repo() };
        blog.repo.write("Procfile", "web: /torture web\nonce: /torture release\n");
        blog.push(entries).success();
        blog
    }

    fn push(&self, entries: &Value) -> Output {
        self.repo.write("app.json", serde_json::json!({ "cron": entries }).to_string());
        self.repo.commit("Other tasks");
        self.repo.push(&self.server, &self.alice, &self.app)
    }

    fn ssh(&self, line: &str) -> Output {
        self.server.ssh(&self.alice, &line.replace("APP", &self.app))
    }

    fn tasks(&self) -> Vec<Value> {
        self.ssh("cron:list APP --format json").success().json().as_array().unwrap().clone()
    }

    /// The id of the task whose command holds that word.
    fn id(&self, word: &str) -> String {
        let tasks = self.tasks();
        let task = tasks.iter().find(|task| task["command"].as_str().unwrap().contains(word)).unwrap();
        task["id"].as_str().unwrap().to_owned()
    }

    /// The runs of a task, newest first.
    fn runs(&self, id: &str) -> Vec<Value> {
        let runs = self.ssh(&format!("cron:history APP {id} --format json")).success().json();
        runs.as_array().unwrap().clone()
    }

    /// The newest run of a task with that status, once there is one.
    fn wait_for_run(&self, id: &str, status: &str, bound: Duration) -> Value {
        wait_for(&format!("a run of {id} is {status}"), bound, || {
            self.runs(id).into_iter().find(|run| run["status"] == status)
        })
    }

    fn containers(&self) -> Vec<String> {
        let names = engine::container_names("com.dokku.container-type", "cron");
        names.into_iter().filter(|name| name.starts_with(&format!("{}.cron.", self.app))).collect()
    }

    /// Starts a task that goes on, and gives its container's name once it has said so.
    fn start_patient(&self, id: &str) -> String {
        let name = self.ssh(&format!("cron:run APP {id} --detach")).success().stdout.trim().to_owned();
        wait_until("the task has begun", SOON, || {
            self.ssh(&format!("cron:logs APP {name}")).stdout == "begun\n"
        });
        name
    }

    /// As if due times up to so many seconds ago were the last that the stopped server has dealt with.
    fn set_back(&self, id: &str, seconds: i64) {
        let database = rusqlite::Connection::open(self.server.root().join("slipway.db")).unwrap();
        let sql = "UPDATE cron_tasks SET accounted = unixepoch() - ?2 WHERE task = ?1";
        assert_eq!(database.execute(sql, (id, seconds)).unwrap(), 1);
    }
}

fn time_zones_and_what_is_left_out(blog: &Blog, once: &str, tick: &str) {
    assert_snapshot!(blog.ssh("cron:set APP timezone Berlin").shown(&blog.server, &blog.app), @r"
     !     Berlin is not a time zone
     !     Write a name of the IANA database, for example Europe/Berlin or UTC
    [exit code 1]
    ");
    blog.ssh("cron:set APP timezone Asia/Tokyo").success();
    let next = |id: &str| {
        let task = blog.tasks().into_iter().find(|task| task["id"] == id).unwrap();
        task["next_at"].as_str().map(str::to_owned)
    };
    assert!(next(once).unwrap().ends_with("T00:00:00+09:00"));
    blog.ssh(&format!("cron:suspend APP {once}")).success();
    assert_eq!(next(once), None);
    blog.ssh(&format!("cron:resume APP {once}")).success();
    assert!(next(once).is_some());
    blog.ssh("cron:set --global maintenance true").success();
    assert_eq!((next(once), next(tick)), (None, None));
    blog.ssh("cron:set --global maintenance").success();
    assert_eq!(blog.ssh("cron:report APP --cron-task-count").success().stdout, "3\n");
    blog.ssh("ps:stop APP").success();
    assert_eq!((next(once), next(tick)), (None, None));
    blog.ssh("ps:start APP").success();
}

#[test]
fn tasks_are_listed_run_suspended_and_set() {
    let blog = Blog::deployed(&serde_json::json!([
        { "command": "echo tick $DYNO; echo aside >&2", "schedule": "* * * * *" },
        { "command": "once", "schedule": "@daily", "concurrency_policy": "forbid" },
        { "command": "exit 7", "schedule": "30 2 * * 1", "maintenance": true },
    ]));
    let (tick, once, fails) = (blog.id("tick"), blog.id("once"), blog.id("exit 7"));

    let run = blog.ssh(&format!("cron:run APP {tick}")).success();
    assert!(run.stdout.starts_with("tick cron.") && run.stderr == "aside\n", "{run}");
    let run = blog.ssh(&format!("cron:run APP {once}")).success();
    assert!(run.stdout.contains("torture: release task is done"), "{run}");
    blog.ssh(&format!("cron:run APP {fails}")).exits_with(7);
    assert_snapshot!(blog.ssh("cron:run APP nosuch").shown(&blog.server, &blog.app), @r"
     !     No matching Cron ID found.
     !     Please specify a Cron ID from the output of 'cron:list blog'
    [exit code 1]
    ");
    assert_eq!(blog.containers(), [] as [String; 0]);

    let history = blog.runs(&fails);
    assert_eq!((history.len(), &history[0]["trigger"]), (1, &Value::from("manual")));
    assert_eq!((&history[0]["status"], &history[0]["exit_code"]), (&Value::from("failed"), &Value::from(7)));
    let logs = blog.ssh(&format!("cron:logs APP {}", blog.runs(&once)[0]["run"])).success();
    assert!(logs.stdout.contains("torture: release task runs"), "{logs}");
    let list = blog.ssh("cron:list APP").success().stdout;
    assert!(list.contains(&fails) && list.contains("true (task)") && list.contains("failed (7)"), "{list}");

    time_zones_and_what_is_left_out(&blog, &once, &tick);

    // By itself, at the next full minute.
    let run = wait_for("the task has run by itself", A_MINUTE, || {
        let runs = blog.runs(&tick);
        runs.into_iter().find(|run| run["trigger"] == "schedule" && run["status"] == "succeeded")
    });
    assert!(run["started_at"].as_str().unwrap().contains("T"), "{run}");
    wait_until("the app's log has its output", SOON, || {
        blog.ssh("logs APP").success().stdout.contains(&format!("tick cron.{}", run["run"]))
    });

    // A deploy changes them at once; what is wrong is refused, and nothing changes.
    let refused =
        blog.push(&serde_json::json!([{ "command": "true", "schedule": "61 * * * *" }])).exits_with(1);
    assert!(
        refused.stderr.contains("cron[0].schedule (line 1): \"61 * * * *\" is not a schedule: "),
        "{refused}"
    );
    assert_eq!(blog.tasks().len(), 3);
    blog.push(&serde_json::json!([])).success();
    assert_eq!(blog.tasks(), [] as [Value; 0]);
}

#[test]
fn runs_that_meet_take_too_long_or_are_stopped() {
    let task = |word: &str, policy: &str| {
        let command = format!("{PATIENT} # {word}");
        serde_json::json!({ "command": command, "schedule": "@yearly", "concurrency_policy": policy })
    };
    let blog = Blog::deployed(&Value::from(vec![
        task("allowed", "allow"),
        task("forbidden", "forbid"),
        task("replacing", "replace"),
    ]));
    let (allow, forbid, replace) = (blog.id("allowed"), blog.id("forbidden"), blog.id("replacing"));

    let first = blog.start_patient(&forbid);
    let number = first.rsplit('.').next().unwrap();
    let refused = blog.ssh(&format!("cron:run APP {forbid}")).exits_with(1);
    let expected = format!("Task {forbid} is running already, as run {number}");
    assert!(refused.stderr.contains(&expected) && refused.stderr.contains("cron:stop"), "{refused}");
    blog.ssh(&format!("cron:stop APP {number}")).success();
    let stopped = blog.wait_for_run(&forbid, "stopped", SOON);
    assert_eq!(stopped["exit_code"], 4);
    assert_eq!(blog.ssh(&format!("cron:logs APP {number}")).success().stdout, "begun\ntold\n");

    blog.start_patient(&replace);
    let second = blog.start_patient(&replace);
    assert_eq!(blog.wait_for_run(&replace, "replaced", SOON)["exit_code"], 4);
    blog.start_patient(&allow);
    let third = blog.start_patient(&allow);
    assert_eq!(blog.containers().len(), 3);

    let timed = blog.ssh(&format!("cron:run APP {allow} --ttl-seconds 1")).exits_with(124);
    assert_eq!(timed.stdout, "begun\ntold\n", "{timed}");
    assert_eq!(blog.wait_for_run(&allow, "timed-out", SOON)["exit_code"], 4);
    // A client that goes away ends the run that it watches.
    let mut watched = blog.server.start_ssh(&blog.alice, &format!("cron:run {} {allow}", blog.app));
    watched.wait_for_line("begun");
    watched.kill();
    assert_eq!(blog.wait_for_run(&allow, "stopped", SOON)["exit_code"], 4);

    // Renamed or destroyed, an app keeps or loses its runs with itself.
    let other = names::unique("cron-other");
    blog.ssh(&format!("apps:rename APP {other}")).success();
    engine::act_on(&third, "kill?signal=TERM");
    wait_until("the renamed app's run has ended", SOON, || {
        let runs =
            blog.server.ssh(&blog.alice, &format!("cron:history {other} --format json")).success().json();
        runs.as_array().unwrap().iter().any(|run| run["status"] == "failed" && run["exit_code"] == 4)
    });
    blog.ssh(&format!("--force apps:destroy {other}")).success();
    assert!(!blog.containers().contains(&second), "a destroyed app's task goes on");
    assert_eq!(blog.containers(), [] as [String; 0]);
}

#[test]
fn what_a_killed_server_left_is_looked_after_and_what_was_missed_is_reported() {
    let mut blog = Blog::deployed(&serde_json::json!([
        { "command": format!("{PATIENT} # patient"), "schedule": "* * * * *", "concurrency_policy": "forbid" },
        { "command": "echo again", "schedule": "* * * * *", "maintenance": true },
    ]));
    let (patient, again) = (blog.id("patient"), blog.id("again"));
    // Whatever begins first: by hand, or at the full minute.
    blog.ssh(&format!("cron:suspend APP {patient}")).success();
    let name = wait_for("a run goes on", SOON, || match blog.containers().pop() {
        Some(name) => Some(name),
        None => Some(blog.start_patient(&patient)),
    });
    let number: i64 = name.rsplit('.').next().unwrap().parse().unwrap();
    wait_until("it has begun", SOON, || blog.ssh(&format!("cron:logs APP {number}")).stdout == "begun\n");
    blog.ssh(&format!("cron:resume APP {patient}")).success();

    blog.server.kill();
    blog.set_back(&patient, 3600);
    blog.server.start_again();
    let missed = blog.wait_for_run(&patient, "missed", SOON);
    assert!((58..=60).contains(&missed["times"].as_i64().unwrap()), "{missed}");
    let skipped = blog.wait_for_run(&patient, "skipped", SOON);
    assert_eq!(skipped["note"], format!("run {number} was still going on"));
    assert_eq!(blog.containers(), std::slice::from_ref(&name));
    wait_until("the app's log says what was missed", SOON, || {
        let logs = blog.ssh("logs APP -n 1000").success().stdout;
        logs.contains(&format!("task {patient} was missed"))
            && logs.contains(&format!("task {patient} is left out"))
    });
    blog.ssh(&format!("cron:suspend APP {patient}")).success();
    engine::act_on(&name, "kill?signal=TERM");
    let ended = blog.wait_for_run(&patient, "failed", SOON);
    assert_eq!((&ended["run"], &ended["exit_code"]), (&Value::from(number), &Value::from(4)));
    assert_eq!(blog.ssh(&format!("cron:logs APP {number}")).success().stdout, "begun\ntold\n");
    wait_until("its container is gone", SOON, || blog.containers().is_empty());
    // What is left out was not missed.
    assert_eq!(blog.runs(&again), [] as [Value; 0]);

    // A run that ends while nobody looks is recorded with its status and output all the same.
    let name = blog.start_patient(&patient);
    blog.server.kill();
    engine::act_on(&name, "kill?signal=KILL");
    blog.server.start_again();
    let number = name.rsplit('.').next().unwrap();
    wait_until("its end is recorded", SOON, || {
        let run = &blog.runs(&patient)[0];
        (run["run"].to_string(), &run["exit_code"]) == (number.to_owned(), &Value::from(137))
    });
    assert_eq!(blog.ssh(&format!("cron:logs APP {number}")).success().stdout, "begun\n");
    wait_until("its container is gone, too", SOON, || blog.containers().is_empty());
}
