//! Whatever goes wrong with a dump or a backup, a service is as it was, the reason is told, and nothing is left lying.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::engine;
use crate::harness::person::Person;
use crate::harness::process::run;
use crate::harness::server::Server;
use crate::harness::service_data::{MARIADB, POSTGRES, REDIS, nothing_is_left};
use crate::harness::wait::wait_until;
use crate::s3_server::{BUCKET, KEY, S3Server, SECRET};

#[track_caller]
fn refused(server: &Server, person: &Person, line: &str, input: &[u8], reasons: &[&str]) {
    let output = server.ssh_with_input(person, line, input);
    assert_ne!(output.code, 0, "`{line}`:\n{output}");
    for reason in reasons {
        assert!(output.stderr.contains(reason), "`{line}` does not say {reason}:\n{output}");
    }
}

#[test]
fn a_damaged_dump_changes_nothing() {
    let (server, alice) = Server::with_person("alice");
    for kind in [POSTGRES, MARIADB, REDIS] {
        let engine = kind.engine;
        kind.run(&server, &alice, "create blogdb");
        kind.fill(&server, &alice, "blogdb");
        let whole = kind.sum(&server, &alice, "blogdb");
        let dump = server.ssh(&alice, &format!("{engine}:export blogdb")).success().stdout_bytes;
        let import = format!("{engine}:import blogdb");
        refused(&server, &alice, &import, &dump[..dump.len() * 2 / 3], &[]);
        refused(&server, &alice, &import, &[b"no dump at all\n".repeat(100)].concat(), &[]);
        refused(&server, &alice, &import, b"", &["No data provided on stdin"]);
        assert_eq!(kind.sum(&server, &alice, "blogdb"), whole);
        nothing_is_left(&server);
    }
    let terminal = run(alice.ssh(&server).args(["-tt", "--", "postgres:export blogdb"]));
    assert!(terminal.code != 0 && terminal.stdout.contains("not for a terminal"), "{terminal}");
}

#[test]
fn a_dump_that_lacks_a_table_replaces_nothing_unless_told_to() {
    let (server, alice) = Server::with_person("alice");
    POSTGRES.run(&server, &alice, "create blogdb");
    POSTGRES.fill(&server, &alice, "blogdb");
    let dump = server.ssh(&alice, "postgres:export blogdb").success().stdout_bytes;
    let client = |input: &str| POSTGRES.client(&server, &alice, "blogdb", input);
    client("CREATE TABLE later (id int); INSERT INTO later VALUES (1), (2);");
    refused(&server, &alice, "postgres:import blogdb", &dump, &["public.later", "--force", "--merge"]);
    let later = "SELECT 'later: ' || count(*) FROM later;";
    assert!(client(later).contains("later: 2"));
    client("DELETE FROM posts;");
    server.ssh_with_input(&alice, "postgres:import --merge blogdb", &dump).success();
    assert!(client(later).contains("later: 2"));
    assert!(client("SELECT 'posts: ' || count(*) FROM posts;").contains("posts: 5000"));
    server.ssh_with_input(&alice, "postgres:import --force blogdb", &dump).success();
    assert!(
        client("SELECT 'tables: ' || count(*) FROM pg_tables WHERE tablename = 'later';")
            .contains("tables: 0")
    );
}

#[test]
fn a_client_that_goes_away_in_the_middle_changes_nothing() {
    let (server, alice) = Server::with_person("alice");
    POSTGRES.run(&server, &alice, "create blogdb");
    POSTGRES.fill(&server, &alice, "blogdb");
    let whole = POSTGRES.sum(&server, &alice, "blogdb");
    // Plain SQL that is whole at every line, so that only the way in which it ends tells.
    let mut import = server.start_ssh(&alice, "postgres:import --force blogdb");
    import.write(b"CREATE TABLE half (id int);\n");
    wait_until("the dump is being read", Duration::from_secs(60), || import.has_said("Restoring into"));
    import.write(b"INSERT INTO half VALUES (1);\n");
    import.kill();
    wait_until("the work is cleared away", Duration::from_secs(60), || {
        let label = engine::label_filter("slipway.owner", &server.owner());
        engine::get(&format!("/containers/json?all=1&{label}")).as_array().unwrap().len() == 1
    });
    assert_eq!(POSTGRES.sum(&server, &alice, "blogdb"), whole);
    wait_until("the data is cleared away", Duration::from_secs(60), || {
        crate::harness::service_data::data_directories(&server.root().join("services"))
            .iter()
            .all(|(_, names)| names.len() == 1)
    });
    // The service is not held by who is gone.
    POSTGRES.run(&server, &alice, "restart blogdb");
}

#[test]
fn an_engine_that_dies_in_the_middle_of_a_dump_is_an_error() {
    let (server, alice) = Server::with_person("alice");
    let directory = tempfile::tempdir().unwrap();
    POSTGRES.run(&server, &alice, "create blogdb");
    // More than fits into all buffers on the way.
    let many = "CREATE TABLE many AS SELECT i, repeat(md5(i::text) || md5((-i)::text) || md5((i * 7)::text), 30) AS text FROM generate_series(1, 40000) i;";
    POSTGRES.client(&server, &alice, "blogdb", many);
    let id = POSTGRES.run(&server, &alice, "info blogdb --id");

    let mut export = alice.ssh(&server);
    export.args(["--", "postgres:export blogdb"]).stdin(Stdio::null());
    let mut export = export.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 5];
    export.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"PGDMP");
    engine::act_on(id.trim(), "kill");
    let output = export.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("broke off"), "{said}");

    wait_until("the service serves again", Duration::from_secs(60), || {
        POSTGRES.run(&server, &alice, "info blogdb --status").trim() == "running"
    });
    // The same of a backup, held up by a pipe in the place of its file's directory.
    let place = directory.path().join("full");
    fs::create_dir(&place).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&place)).success();
    let backup = server.ssh(&alice, &format!("postgres:backup blogdb {}", place.display()));
    let left = count_files(&place);
    run(Command::new("umount").arg(&place)).success();
    assert!(backup.code != 0 && backup.stderr.contains("full"), "{backup}");
    assert_eq!(left, 0, "something is left of a backup that found no room");
    let events = POSTGRES.run(&server, &alice, "events blogdb");
    assert!(events.contains("failed"), "{events}");
    let doctor = server.ssh(&alice, "doctor").stdout;
    assert!(doctor.contains("postgres blogdb") && doctor.contains("failed"), "{doctor}");
    nothing_is_left(&server);
}

fn count_files(folder: &std::path::Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}

#[test]
fn backups_tell_what_is_wrong_with_them() {
    let (server, alice) = Server::with_person("alice");
    let (mut storage, directory) = (S3Server::start("127.0.0.1"), tempfile::tempdir().unwrap());
    REDIS.run(&server, &alice, "create cache");
    REDIS.fill(&server, &alice, "cache");
    let whole = REDIS.sum(&server, &alice, "cache");
    let place = directory.path().display().to_string();
    REDIS.run(&server, &alice, &format!("backup-schedule cache '0 3 * * *' {place}"));
    REDIS.run(&server, &alice, "backup-set-encryption cache 'correct horse'");
    REDIS.run(&server, &alice, "backup cache");
    let verified = REDIS.run(&server, &alice, "verify cache");
    assert!(verified.contains("is good"), "{verified}");
    nothing_is_left(&server);

    let folder = directory.path().join("redis/cache");
    let file = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "age")).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    refused(&server, &alice, "redis:verify cache", b"", &["damaged"]);
    refused(&server, &alice, "redis:restore --force cache", b"", &["damaged"]);
    let listed = server.ssh(&alice, "redis:backups cache --check").exits_with(1);
    assert!(listed.stdout.contains("damaged"), "{listed}");
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    REDIS.run(&server, &alice, "backup-unset-encryption cache");
    refused(&server, &alice, "redis:restore --force cache", b"", &["encrypted", "--key-stdin"]);
    refused(&server, &alice, "redis:restore --force --key-stdin cache", b"wrong\n", &["does not open"]);
    assert_eq!(REDIS.sum(&server, &alice, "cache"), whole);
    REDIS.harm(&server, &alice, "cache");
    server.ssh_with_input(&alice, "redis:restore --force --key-stdin cache", b"correct horse\n").success();
    assert_eq!(REDIS.sum(&server, &alice, "cache"), whole);

    let bucket = format!("redis:backup cache s3://{BUCKET}");
    let auth = |secret: &str| format!("backup-auth cache {KEY} - '' '' {}|{secret}", storage.url);
    let authorise = |secret: &str| {
        let (line, secret) = (auth(secret), secret.to_owned());
        let line = format!("redis:{}", line.split_once('|').unwrap().0);
        server.ssh_with_input(&alice, &line, secret.as_bytes()).success();
    };
    authorise("wrong");
    refused(&server, &alice, &bucket, b"", &["credentials", "backup-auth"]);
    authorise(SECRET);
    server.ssh(&alice, &bucket).success();
    refused(&server, &alice, "redis:backups cache s3://elsewhere", b"", &["no such place"]);
    storage.stop();
    refused(&server, &alice, &bucket, b"", &["cannot be reached"]);
    assert!(!server.log().contains(SECRET) && !server.log().contains("correct horse"));
    let deployer = Person::new("bob");
    server.add_key_with(&deployer, &["--role", "deployer"]);
    refused(&server, &deployer, "redis:backup cache /tmp/mine", b"", &["admin"]);
}

#[test]
fn a_full_data_directory_keeps_the_data_as_it_was() {
    let (server, alice) = Server::with_person("alice");
    let services = server.root().join("services/postgres");
    fs::create_dir_all(&services).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=140m", "tmpfs"]).arg(&services)).success();
    let unmount = Unmount(services);
    POSTGRES.run(&server, &alice, "create blogdb");
    POSTGRES.fill(&server, &alice, "blogdb");
    let whole = POSTGRES.sum(&server, &alice, "blogdb");
    let mut dump = b"CREATE TABLE big (line text);\nCOPY big FROM stdin;\n".to_vec();
    for number in 0..1_500_000 {
        dump.extend(format!("{number} a line that takes some room in the table, as lines do\n").into_bytes());
    }
    dump.extend(b"\\.\n");
    refused(&server, &alice, "postgres:import --force blogdb", &dump, &[]);
    assert_eq!(POSTGRES.sum(&server, &alice, "blogdb"), whole);
    nothing_is_left(&server);
    POSTGRES.run(&server, &alice, "destroy --force --no-backup blogdb");
    drop(unmount);
}

/// Takes the small disk away whatever happens.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(&self.0)).success();
    }
}
