//! The bundled engines that keep something, as a table; and data in their services, for tests of what becomes of it:
//! made, counted and checksummed by the engine's own client.

use std::path::Path;

use crate::harness::engine;
use crate::harness::person::Person;
use crate::harness::server::Server;

/// What tests have to know of an engine, and how they make data in its services and know it again.
#[derive(Debug)]
pub struct Kind {
    /// The engine.
    pub engine: &'static str,
    /// The config var that leads a linked app to it.
    pub variable: &'static str,
    /// Two major versions, the newer one second.
    pub versions: [&'static str; 2],
    /// Prints the version that runs, for the engine's client.
    version: &'static str,
    /// Makes data, for the engine's client.
    fill: &'static str,
    /// Prints a number of rows and a checksum over all of them, or the data itself.
    sum: &'static str,
    /// Takes some of it away.
    harm: &'static str,
}

pub const POSTGRES: Kind = Kind {
    engine: "postgres",
    variable: "DATABASE_URL",
    versions: ["15", "17"],
    version: "SHOW server_version;",
    fill: "CREATE TABLE posts (id int PRIMARY KEY, body text, \"at\" timestamptz DEFAULT now());
           INSERT INTO posts SELECT i, md5(i::text) || E' \\'quoted\\' \\\\ \\n \u{fc}' FROM generate_series(1, 5000) i;
           CREATE TABLE empty (id int);",
    sum: "SELECT count(*), md5(string_agg(id || body || \"at\", ',' ORDER BY id)) FROM posts;",
    harm: "DELETE FROM posts WHERE id % 2 = 0; UPDATE posts SET body = 'changed';",
};

pub const MARIADB: Kind = Kind { engine: "mariadb", ..MYSQL };

pub const MYSQL: Kind = Kind {
    engine: "mysql",
    variable: "DATABASE_URL",
    versions: ["10.11", "11.8"],
    version: "SELECT version();",
    fill: "CREATE TABLE posts (id int PRIMARY KEY, body text, at timestamp DEFAULT now());
           INSERT INTO posts (id, body) SELECT seq, CONCAT(MD5(seq), ' ''quoted'' \\\\ \\n \u{fc}') FROM seq_1_to_5000;
           CREATE TABLE empty (id int);",
    sum: "SELECT count(*), sum(crc32(concat(id, body, at))) FROM posts;",
    harm: "DELETE FROM posts WHERE id % 2 = 0; UPDATE posts SET body = 'changed';",
};

pub const REDIS: Kind = Kind {
    engine: "redis",
    variable: "REDIS_URL",
    versions: ["7.0", "8.0"],
    version: "INFO server\n",
    fill: "EVAL \"for i = 1, 5000 do redis.call('set', 'post:' .. i, redis.sha1hex(i)) end return 1\" 0\n",
    sum: "EVAL \"local s = '' for i = 1, 5000 do s = redis.sha1hex(s .. (redis.call('get', 'post:' .. i) or '')) end return redis.call('dbsize') .. ' ' .. s\" 0\n",
    harm: "EVAL \"for i = 1, 5000, 2 do redis.call('del', 'post:' .. i) end redis.call('set', 'post:2', 'changed') return 1\" 0\n",
};

/// Its client is a shell, and its data what people have defined: queues, exchanges, bindings, policies.
pub const RABBITMQ: Kind = Kind {
    engine: "rabbitmq",
    variable: "RABBITMQ_URL",
    versions: ["3.10", "4.0"],
    version: "rabbitmqctl --quiet version\n",
    fill: "rabbitmqctl --quiet eval '
             Queue = rabbit_misc:r(<<\"/\">>, queue, <<\"orders\">>),
             rabbit_amqqueue:declare(Queue, true, false, [], none, <<\"x\">>),
             Exchange = rabbit_misc:r(<<\"/\">>, exchange, <<\"shop\">>),
             rabbit_exchange:declare(Exchange, topic, true, false, false, [], <<\"x\">>),
             rabbit_binding:add({binding, Exchange, <<\"#\">>, Queue, []}, <<\"x\">>).' < /dev/null
           rabbitmqctl --quiet set_policy limited '^orders$' '{\"max-length\": 5000}' < /dev/null\n",
    sum: "rabbitmqctl --quiet eval '
            Definitions = rabbit_definitions:all_definitions(),
            [io:format(\"~s ~p~n\", [Kind, lists:sort([[maps:get(atom_to_binary(Fact), Thing) || Fact <- Facts]
                || Thing <- maps:get(Kind, Definitions, [])])])
              || {Kind, Facts} <- [{queues, [name, durable]}, {exchanges, [name, type]},
                {bindings, [source, destination, routing_key]}, {policies, [name, pattern, definition]}]], ok.' < /dev/null\n",
    harm: "rabbitmqctl --quiet delete_queue orders < /dev/null
           rabbitmqctl --quiet set_policy limited '^orders$' '{\"max-length\": 2500}' < /dev/null\n",
};

/// OpenStack Swift. Its client is a shell too, in which the store's own library is at hand.
pub const S3: Kind = Kind {
    engine: "s3",
    variable: "S3_URL",
    versions: ["2.35", "2.35"],
    version: "dpkg-query --show --showformat '${Version}' swift-object\n",
    fill: "python3 -c '
import hashlib, io
from swift.common.internal_client import InternalClient
store = InternalClient(\"/etc/swift/internal-client.conf\", \"test\", 3)
store.create_container(\"AUTH_slipway\", \"posts\")
for number in range(50):
    body = (hashlib.md5(str(number).encode()).hexdigest() * 4)[:100].encode()
    headers = {\"Content-Length\": \"100\", \"X-Object-Meta-Number\": str(number)}
    store.upload_object(io.BytesIO(body), \"AUTH_slipway\", \"posts\", f\"dir/\u{fc} & {number}\", headers)'\n",
    sum: "python3 -c '
import hashlib
from swift.common.internal_client import InternalClient
store = InternalClient(\"/etc/swift/internal-client.conf\", \"test\", 3)
size, digest = 0, hashlib.md5()
for found in store.iter_objects(\"AUTH_slipway\", \"posts\"):
    _, headers, parts = store.get_object(\"AUTH_slipway\", \"posts\", found[\"name\"], {})
    body = b\"\".join(parts)
    size += len(body)
    digest.update(repr((found[\"name\"], headers[\"X-Object-Meta-Number\"], body)).encode())
print(size, digest.hexdigest())'\n",
    harm: "python3 -c '
import io
from swift.common.internal_client import InternalClient
store = InternalClient(\"/etc/swift/internal-client.conf\", \"test\", 3)
names = [found[\"name\"] for found in store.iter_objects(\"AUTH_slipway\", \"posts\")]
for name in names[::2]:
    store.delete_object(\"AUTH_slipway\", \"posts\", name)
headers = {\"Content-Length\": \"100\", \"X-Object-Meta-Number\": \"0\"}
store.upload_object(io.BytesIO(b\"x\" * 100), \"AUTH_slipway\", \"posts\", names[1], headers)'\n",
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

    /// Whether a service runs this version.
    pub fn runs(&self, server: &Server, person: &Person, service: &str, version: &str) -> bool {
        self.client(server, person, service, self.version).contains(&format!("{version}."))
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
