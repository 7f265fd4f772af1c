-- One-off containers (`run`, `run:detached`): which belong to which app. Containers are known by their id, since an
-- app that is renamed keeps those that run.
CREATE TABLE one_offs (
    container TEXT PRIMARY KEY,
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    detached INTEGER NOT NULL,
    command TEXT NOT NULL,
    started_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ttl_seconds INTEGER NOT NULL,
    timed_out INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX one_offs_of_app ON one_offs (app);

-- What is remembered of a scheduled task beside its release's app.json: up to when its due times were dealt with.
CREATE TABLE cron_tasks (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    task TEXT NOT NULL,
    suspended INTEGER NOT NULL DEFAULT 0,
    accounted INTEGER NOT NULL,
    PRIMARY KEY (app, task)
) STRICT;

CREATE TABLE cron_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    task TEXT NOT NULL,
    command TEXT NOT NULL,
    triggered_by TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    exit_code INTEGER,
    container TEXT,
    deadline INTEGER NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    note TEXT
) STRICT;
CREATE INDEX cron_runs_of_app ON cron_runs (app, id);
CREATE INDEX cron_runs_under_way ON cron_runs (id) WHERE status = 'running';
