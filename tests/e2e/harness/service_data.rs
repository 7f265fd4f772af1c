//! Data in services, for tests of what becomes of it: made, counted and checksummed by the engine's own client.

use std::path::Path;

use crate::harness::engine;
use crate::harness::person::Person;
use crate::harness::server::Server;

/// How a test makes data in services of an engine, and knows it again.
#[derive(Debug)]
pub struct Kind {
    /// The engine.
    pub engine: &'static str,
    /// Makes it, for the engine's client.
    fill: &'static str,
    /// Prints a number of rows and a checksum over all of them.
    sum: &'static str,
    /// Takes some of it away.
    harm: &'static str,
}

/// The engines that keep something.
pub const KINDS: [Kind; 4] = [POSTGRES, MARIADB, MYSQL, REDIS];

pub const POSTGRES: Kind = Kind {
    engine: "postgres",
    fill: "CREATE TABLE posts (id int PRIMARY KEY, body text, \"at\" timestamptz DEFAULT now());
           INSERT INTO posts SELECT i, md5(i::text) || E' \\'quoted\\' \\\\ \\n \u{fc}' FROM generate_series(1, 5000) i;
           CREATE TABLE empty (id int);",
    sum: "SELECT count(*), md5(string_agg(id || body || \"at\", ',' ORDER BY id)) FROM posts;",
    harm: "DELETE FROM posts WHERE id % 2 = 0; UPDATE posts SET body = 'changed';",
};

pub const MARIADB: Kind = Kind { engine: "mariadb", ..MYSQL };

pub const MYSQL: Kind = Kind {
    engine: "mysql",
    fill: "CREATE TABLE posts (id int PRIMARY KEY, body text, at timestamp DEFAULT now());
           INSERT INTO posts (id, body) SELECT seq, CONCAT(MD5(seq), ' ''quoted'' \\\\ \\n \u{fc}') FROM seq_1_to_5000;
           CREATE TABLE empty (id int);",
    sum: "SELECT count(*), sum(crc32(concat(id, body, at))) FROM posts;",
    harm: "DELETE FROM posts WHERE id % 2 = 0; UPDATE posts SET body = 'changed';",
};

pub const REDIS: Kind = Kind {
    engine: "redis",
    fill: "EVAL \"for i = 1, 5000 do redis.call('set', 'post:' .. i, redis.sha1hex(i)) end return 1\" 0\n",
    sum: "EVAL \"local s = '' for i = 1, 5000 do s = redis.sha1hex(s .. (redis.call('get', 'post:' .. i) or '')) end return redis.call('dbsize') .. ' ' .. s\" 0\n",
    harm: "EVAL \"for i = 1, 5000, 2 do redis.call('del', 'post:' .. i) end redis.call('set', 'post:2', 'changed') return 1\" 0\n",
};

impl Kind {
    /// Makes data in a service.
    pub fn fill(&self, server: &Server, person: &Person, service: &str) {
        self.client(server, person, service, self.fill);
    }

    /// What a service holds, in a line that is another one if anything of it is.
    pub fn sum(&self, server: &Server, person: &Person, service: &str) -> String {
        let said = self.client(server, person, service, self.sum);
        assert!(said.contains("5000") || said.contains("2500"), "no rows: {said}");
        said
    }

    /// Takes some of it away.
    pub fn harm(&self, server: &Server, person: &Person, service: &str) {
        self.client(server, person, service, self.harm);
    }

    /// What the engine's client says to some input.
    pub fn client(&self, server: &Server, person: &Person, service: &str, input: &str) -> String {
        let line = format!("{}:connect {service}", self.engine);
        server.ssh_with_input(person, &line, input.as_bytes()).success().stdout
    }

    /// Runs one of the engine's commands.
    pub fn run(&self, server: &Server, person: &Person, line: &str) -> String {
        server.ssh(person, &format!("{}:{line}", self.engine)).success().stdout
    }
}

/// Fails if containers or directories are left of work on a service's data.
pub fn nothing_is_left(server: &Server) {
    let label = engine::label_filter("slipway.owner", &server.owner());
    let containers = engine::get(&format!("/containers/json?all=1&{label}"));
    for container in containers.as_array().unwrap() {
        assert_ne!(container["Labels"]["slipway.kind"], "service-helper", "{container}");
    }
    for (service, names) in data_directories(&server.root().join("services")) {
        assert_eq!(names.len(), 1, "{service}: {names:?}");
    }
}

/// The names of all data directories, by service.
pub fn data_directories(services: &Path) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for engine in names(services).into_iter().filter(|name| !name.starts_with('.')) {
        for service in names(&services.join(&engine)) {
            let data = names(&services.join(&engine).join(&service));
            found.push((service, data.into_iter().filter(|name| name.starts_with("data")).collect()));
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
