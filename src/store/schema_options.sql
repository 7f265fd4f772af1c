-- What containers may use, mount, join, and how the engine is told to make them. '_default_' stands for all process
-- types that have nothing of their own.
CREATE TABLE resources (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    bound TEXT NOT NULL CHECK (bound IN ('limit', 'reserve')),
    resource TEXT NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (app, process_type, bound, resource)
) STRICT;

CREATE TABLE docker_options (
    id INTEGER PRIMARY KEY,
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    phase TEXT NOT NULL CHECK (phase IN ('build', 'deploy', 'run')),
    process_type TEXT NOT NULL,
    flag TEXT NOT NULL,
    value TEXT
) STRICT;
CREATE UNIQUE INDEX docker_options_once ON docker_options (app, phase, process_type, flag, COALESCE(value, ''));

-- Build arguments were the first of them, as one JSON object; an empty value stands for the config var's.
INSERT INTO docker_options (app, phase, process_type, flag, value)
SELECT properties.app, 'build', '_default_', 'build-arg',
       argument.key || CASE argument.value WHEN '' THEN '' ELSE '=' || argument.value END
FROM properties, json_each(properties.value) AS argument
WHERE properties.name = 'build-args' AND properties.app IS NOT NULL
ORDER BY argument.key;
DELETE FROM properties WHERE name = 'build-args';

-- Named storage: a volume of the engine's (place is its name there), or a directory of the host (place is its path,
-- root the directory below which it was allowed).
CREATE TABLE storage (
    name TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    root TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- A mount has a name, or a place of its own.
CREATE TABLE mounts (
    id INTEGER PRIMARY KEY,
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    storage TEXT REFERENCES storage (name),
    place TEXT,
    root TEXT,
    target TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    exclusive INTEGER NOT NULL,
    process_type TEXT NOT NULL,
    in_deploy INTEGER NOT NULL,
    in_run INTEGER NOT NULL,
    CHECK ((storage IS NULL) <> (place IS NULL))
) STRICT;
