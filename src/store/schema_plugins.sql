-- Plugins. The number of one is part of its user's, and never another's.
CREATE TABLE plugins (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    source TEXT,
    enabled INTEGER NOT NULL,
    installed_at INTEGER NOT NULL
) STRICT;
CREATE TABLE plugin_settings (
    plugin INTEGER NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
    app INTEGER REFERENCES apps (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX plugin_settings_of ON plugin_settings (plugin, COALESCE(app, 0), key);
CREATE TABLE plugin_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin INTEGER NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
    executable TEXT NOT NULL,
    app TEXT,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    result TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX plugin_runs_of ON plugin_runs (plugin, id);
