-- Services: databases and the like. Numbers are never used twice: networks are called after them.
CREATE TABLE services (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    engine TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Under which linked apps find it.
    host TEXT NOT NULL UNIQUE,
    -- The engine's network that it shares with those that are linked to it.
    network TEXT NOT NULL,
    -- As a person knows it; what containers are made of, which was built here if the plugin's Dockerfile stands in.
    image TEXT NOT NULL,
    version TEXT NOT NULL,
    reference TEXT NOT NULL,
    built INTEGER NOT NULL,
    wanted TEXT NOT NULL CHECK (wanted IN ('running', 'stopped', 'paused')),
    container TEXT,
    -- The directory with its data, below its own.
    data TEXT NOT NULL,
    properties TEXT NOT NULL,
    password BLOB NOT NULL,
    environment BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (engine, name)
) STRICT;

-- Which app reaches which service, as whom, and in which of its config vars it finds it.
CREATE TABLE service_links (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service INTEGER NOT NULL REFERENCES services (id),
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    user TEXT NOT NULL,
    password BLOB NOT NULL,
    query TEXT NOT NULL,
    keys TEXT NOT NULL,
    UNIQUE (service, app)
) STRICT;

-- Users of links that are no more, or not yet: removed from the engine once nobody has their password any longer.
CREATE TABLE service_departures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    app INTEGER,
    app_name TEXT NOT NULL,
    user TEXT NOT NULL,
    password BLOB NOT NULL
) STRICT;

-- What happened to a service, the latest.
CREATE TABLE service_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;

-- Ports of the host that lead to a service.
CREATE TABLE service_exposures (
    service INTEGER NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    port INTEGER NOT NULL,
    listen TEXT NOT NULL UNIQUE,
    allow TEXT NOT NULL,
    PRIMARY KEY (service, port)
) STRICT;
