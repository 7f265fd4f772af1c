-- Where a table has `app`, NULL stands for all apps (a global value).
CREATE TABLE apps (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    locked INTEGER NOT NULL DEFAULT 0,
    stopped INTEGER NOT NULL DEFAULT 0,
    vhosts_enabled INTEGER NOT NULL DEFAULT 1,
    default_domain INTEGER NOT NULL DEFAULT 1,
    current_release INTEGER REFERENCES releases (id)
) STRICT;

CREATE TABLE releases (
    id INTEGER PRIMARY KEY,
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded')),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    description TEXT NOT NULL,
    image TEXT NOT NULL,
    source TEXT NOT NULL,
    config BLOB NOT NULL,
    processes TEXT NOT NULL,
    exposed_ports TEXT NOT NULL,
    UNIQUE (app, version)
) STRICT;

CREATE TABLE formation (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (app, process_type)
) STRICT;

CREATE TABLE instances (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    process_type TEXT NOT NULL,
    number INTEGER NOT NULL,
    container TEXT NOT NULL UNIQUE,
    release INTEGER NOT NULL REFERENCES releases (id),
    PRIMARY KEY (app, process_type, number)
) STRICT;

CREATE TABLE config (
    app INTEGER REFERENCES apps (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX config_key ON config (COALESCE(app, 0), key);

CREATE TABLE properties (
    app INTEGER REFERENCES apps (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX properties_name ON properties (COALESCE(app, 0), name);

CREATE TABLE domains (
    id INTEGER PRIMARY KEY,
    app INTEGER REFERENCES apps (id) ON DELETE CASCADE,
    hostname TEXT NOT NULL
) STRICT;
-- A host name belongs to one app; a global domain may have the same text as an app's.
CREATE UNIQUE INDEX domains_of_apps ON domains (hostname) WHERE app IS NOT NULL;
CREATE UNIQUE INDEX domains_global ON domains (hostname) WHERE app IS NULL;

CREATE TABLE ports (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    scheme TEXT NOT NULL,
    host_port INTEGER NOT NULL,
    container_port INTEGER NOT NULL,
    PRIMARY KEY (app, scheme, host_port)
) STRICT;

CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    role TEXT NOT NULL,
    access TEXT NOT NULL
) STRICT;

CREATE TABLE builds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    started_by TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX builds_of_app ON builds (app, id);
